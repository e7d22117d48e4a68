// A page of the lab while something runs: it asks once a second, and says so. It rests while it is hidden or paused, and
// ends with what it shows. What changed is morphed in, so that focus, selection and what was opened stay.

import { build, morph } from "../dashboard/patch.js";
import { localise, timeOf } from "../dashboard/words.js";

const EVERY = 1000;
const SLOWEST = 15_000;

const box = document.getElementById("live");
const words = document.getElementById("live-words");
const button = document.getElementById("live-pause");
const announcer = document.getElementById("announcer");
const run = document.getElementById("run");
const runs = document.getElementById("runs");
let paused = false;
let failures = 0;
let timer = null;

function show(state, said) {
  box.dataset.state = state;
  words.textContent = said;
  box.querySelector("use").setAttribute("href", state === "live" ? "#i-live" : "#i-off");
}

async function ask() {
  const address = new URL(location.href);
  address.hash = "";
  if (run) {
    address.searchParams.set("part", "");
    address.searchParams.set("have", run.dataset.stamp);
  }
  const answer = await fetch(address, { headers: { Accept: "text/html" }, redirect: "error" });
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  return answer.status === 204 ? "" : answer.text();
}

function take(html) {
  if (!html) return true;
  if (run) {
    const fresh = build(`<div id="run">${html}</div>`);
    const answer = fresh.querySelector("#answer");
    const active = answer.dataset.active === "yes";
    fresh.dataset.stamp = answer.dataset.stamp;
    fresh.dataset.active = answer.dataset.active;
    localise(fresh);
    morph(run, fresh);
    if (!active) {
      document.getElementById("cancel")?.remove();
      announcer.textContent = document.querySelector("#answer .sentence").textContent;
    }
    return active;
  }
  const fresh = new DOMParser().parseFromString(html, "text/html").getElementById("runs");
  localise(fresh);
  morph(runs, document.adoptNode(fresh));
  return Boolean(runs.querySelector('[data-state="Queued"], [data-state="Running"]'));
}

async function turn() {
  timer = null;
  if (paused || document.hidden) return;
  try {
    const active = take(await ask());
    failures = 0;
    if (!active) return show("off", "Ended");
    show("live", "Updated every second");
  } catch {
    failures += 1;
    show("stale", `Not live: no answer since ${timeOf(Date.now())}`);
  }
  plan();
}

function plan() {
  clearTimeout(timer);
  timer = setTimeout(turn, Math.min(SLOWEST, EVERY * 2 ** failures));
}

button.hidden = false;
button.addEventListener("click", () => {
  paused = !paused;
  button.setAttribute("aria-pressed", String(paused));
  if (paused) show("off", `Paused since ${timeOf(Date.now())}`);
  else turn();
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) show("off", "Not live");
  else if (!paused) turn();
});
turn();
