// Changing what is shown without replacing it: an element keeps its identity, and with it focus, selection and scrolling.

export function build(html, svg) {
  const template = document.createElement("template");
  template.innerHTML = svg ? `<svg>${html}</svg>` : html;
  return svg ? template.content.firstElementChild.firstElementChild : template.content.firstElementChild;
}

// Make `old` equal to `fresh`; what a person opened or typed stays.
export function morph(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) {
    old.replaceWith(fresh);
    return fresh;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
    return old;
  }
  morphAttributes(old, fresh);
  if (old.nodeName !== "TEXTAREA") morphChildren(old, fresh);
  return old;
}

function morphAttributes(old, fresh) {
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !(name === "open" && old.nodeName === "DETAILS")) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
}

function morphChildren(old, fresh) {
  const keyed = new Map();
  for (const child of old.children) if (child.id) keyed.set(child.id, child);
  let place = old.firstChild;
  for (const next of [...fresh.childNodes]) {
    const known = next.id ? keyed.get(next.id) : null;
    if (known) {
      if (known !== place) old.insertBefore(known, place);
      else place = place.nextSibling;
      morph(known, next);
    } else if (place && !place.id && !next.id && place.nodeName === next.nodeName) {
      const here = place;
      place = place.nextSibling;
      morph(here, next);
    } else {
      old.insertBefore(next, place);
    }
  }
  while (place) {
    const gone = place;
    place = place.nextSibling;
    gone.remove();
  }
}

// Make the children of `box` that have an id those of `ids`, in that order. Rows that are there keep their nodes; new ones come from
// `homeless`; a row that is focused stays until the focus has left it. Says whether all is in its place.
export function order(box, ids, homeless) {
  const wanted = new Set(ids);
  let settled = true;
  for (const child of [...box.children]) {
    if (!child.id || wanted.has(child.id)) continue;
    if (child.contains(document.activeElement)) {
      child.classList.add("gone");
      settled = false;
    } else {
      child.remove();
    }
  }
  let place = box.querySelector(":scope > [id]");
  for (const id of ids) {
    let element = place?.id === id ? place : document.getElementById(id);
    if (element && element.parentNode !== box) element = null;
    if (!element) {
      element = homeless.get(id);
      if (!element) continue;
    }
    homeless.delete(id);
    if (element === place) place = place.nextElementSibling;
    else box.insertBefore(element, place);
  }
  return settled;
}

// Say whether a new order leaves every row that is there where it is.
export function onlyAppends(box, ids) {
  return [...box.querySelectorAll(":scope > [id]")].every((child, index) => child.id === ids[index]);
}
