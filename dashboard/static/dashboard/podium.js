// What every page does: times in the reader's zone, arrow keys in graphs, Esc for panels, and the live feed.

import { Live } from "./live.js";
import { localise, zoneWords } from "./words.js";

localise(document);
document.getElementById("zone").textContent = zoneWords();

// Arrow keys move along the arrows of a graph, Home and End to its ends; Enter follows the link, as everywhere.
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    for (const panel of document.querySelectorAll("details.pop[open]")) {
      panel.open = false;
      if (panel.contains(document.activeElement)) panel.querySelector("summary").focus();
    }
    return;
  }
  const node = document.activeElement?.closest?.("a.node");
  if (!node || event.altKey || event.ctrlKey || event.metaKey) return;
  const target = neighbour(node, event.key);
  if (target) {
    event.preventDefault();
    target.focus();
    target.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
});

function neighbour(node, key) {
  const nodes = [...document.querySelectorAll("a.node")];
  if (key === "Home") return nodes[0];
  if (key === "End") return nodes.at(-1);
  const along = { ArrowRight: "onward", ArrowLeft: "back" }[key];
  if (along) return document.getElementById((node.dataset[along] || "").split(" ")[0]);
  if (key !== "ArrowDown" && key !== "ArrowUp") return null;
  // Up and down: the nearest box above or below in the same column.
  const here = node.getBoundingClientRect();
  const sign = key === "ArrowDown" ? 1 : -1;
  let best = null;
  for (const other of nodes) {
    const box = other.getBoundingClientRect();
    const apart = (box.top - here.top) * sign;
    if (other === node || apart <= 0 || box.right < here.left || box.left > here.right) continue;
    if (!best || apart < best.apart) best = { other, apart };
  }
  return best?.other;
}

// One panel at a time, and a click beside it closes it.
document.addEventListener("click", (event) => {
  for (const panel of document.querySelectorAll("details.pop[open]")) {
    if (!panel.contains(event.target)) panel.open = false;
  }
});

if (document.body.dataset.view && document.getElementById("live")) new Live(document.body).start();
