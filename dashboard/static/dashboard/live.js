// The page's socket: what is shown is always the server's latest word, and it says how old that is.
//
// Frames are merged by element until the next animation frame, at most FLUSH elements at a time; a frame is acknowledged
// when it is on the screen, and the server sends no more than a few ahead. Hidden or paused, the page rests: it asks for
// nothing and gets one snapshot (or what changed since its version) when it comes back. Clocks run only while live.

import { build, morph, onlyAppends, order } from "./patch.js";
import { countdown, elapsed, localise, timeOf } from "./words.js";

const FLUSH = 50;
const SILENCE = 25_000;
const STALE = 5_000;
const ANNOUNCE = 5_000;
const POINTER = 3_000;
const LONGEST = 15_000;
const FINAL = { 4401: "Logged out", 4403: "Not in a team", 4400: "Not live", 4413: "Not live" };
const TOLD = { completed: "completed", failed: "failed", compensation_failed: "failed to compensate", paused: "paused", cancelled: "cancelled" };

export class Live {
  constructor(body) {
    this.view = body.dataset.view;
    this.args = JSON.parse(body.dataset.args || "{}");
    this.seq = Number(body.dataset.seq || 0);
    this.version = "";
    this.offset = Number(body.dataset.now) / 1000 - Date.now();
    this.parts = new Map();
    this.orders = new Map();
    this.homeless = new Map();
    this.tallies = new Map();
    this.number = 0;
    this.tries = 0;
    this.heard = Date.now();
    this.moved = 0;
    this.paused = false;
    this.state = "off";
    this.box = document.getElementById("live");
    this.words = document.getElementById("live-words");
    this.button = document.getElementById("live-pause");
    this.announcer = document.getElementById("announcer");
    this.alarm = document.getElementById("alarm");
  }

  start() {
    this.button.hidden = false;
    this.button.addEventListener("click", () => this.togglePause());
    document.addEventListener("visibilitychange", () => (document.hidden ? this.rest() : this.wake()));
    document.addEventListener("pointermove", () => (this.moved = Date.now()), { passive: true });
    addEventListener("pagehide", () => this.socket?.close());
    addEventListener("pageshow", (event) => event.persisted && this.wake());
    setInterval(() => this.tick(), 1000);
    setInterval(() => this.announce(), ANNOUNCE);
    if (!document.hidden) this.connect();
  }

  // The connection

  connect() {
    clearTimeout(this.timer);
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/ws/live`);
    this.socket = socket;
    if (this.state === "off") this.show("lost", "Connecting");
    socket.onopen = () => this.follow();
    socket.onmessage = (event) => socket === this.socket && this.hear(JSON.parse(event.data));
    socket.onclose = (event) => socket === this.socket && this.lost(event.code);
  }

  follow() {
    const rows = {};
    for (const row of document.querySelectorAll("#executions-body > tr[data-seq]")) {
      rows[row.id.slice("execution-".length)] = Number(row.dataset.seq);
    }
    this.number = 0;
    this.say({ type: "follow", view: this.view, args: this.args, have: { seq: this.seq, version: this.version, rows } });
  }

  say(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  lost(code) {
    this.socket = null;
    if (this.paused || document.hidden) return;
    if (FINAL[code]) {
      this.stopped = true;
      this.show("off", code === 4401 ? "Logged out: reload to log in" : FINAL[code]);
      return;
    }
    if (this.state === "live") this.alarm.textContent = "Live updates are lost. Reconnecting.";
    this.show("lost", "Reconnecting");
    const pause = Math.min(LONGEST, 500 * 2 ** this.tries) * (0.7 + 0.6 * Math.random());
    this.tries += 1;
    this.timer = setTimeout(() => this.connect(), pause);
  }

  hear(message) {
    this.heard = Date.now();
    if (message.now) this.offset = message.now / 1000 - this.heard;
    if (message.type === "following") {
      this.tries = 0;
      this.alarm.textContent = "";
      this.show("live", "Live");
    } else if (message.type === "frame") {
      this.take(message);
    } else if (message.type === "beat") {
      this.say({ type: "ack", n: this.number });
      if (message.fresh && this.state === "stale") this.show("live", "Live");
      if (!message.fresh && this.state === "live") this.show("stale", `Stale since ${timeOf(this.heard)}`);
    } else if (message.type === "refused") {
      this.stopped = true;
      this.show("off", "Not live");
    }
  }

  rest() {
    this.say({ type: "rest" });
    this.parts.clear();
    this.orders.clear();
    this.show("off", this.paused ? `Paused since ${timeOf(Date.now())}` : "Not live");
  }

  wake() {
    if (this.paused || this.stopped || document.hidden) return;
    if (this.socket?.readyState === WebSocket.OPEN) this.follow();
    else if (this.socket?.readyState !== WebSocket.CONNECTING) this.connect();
  }

  togglePause() {
    this.paused = !this.paused;
    this.button.setAttribute("aria-pressed", String(this.paused));
    if (this.paused) {
      clearTimeout(this.timer);
      this.rest();
    } else {
      this.wake();
    }
  }

  show(state, words) {
    this.state = state;
    this.box.dataset.state = state;
    this.words.textContent = words;
    this.box.querySelector("use").setAttribute("href", state === "live" ? "#i-live" : "#i-off");
  }

  // What is shown

  take(frame) {
    for (const [id, html, svg] of frame.parts) this.parts.set(id, [html, svg]);
    for (const [box, ids] of Object.entries(frame.orders)) this.orders.set(box, ids);
    this.latest = frame;
    if (!this.drawing) this.drawing = requestAnimationFrame(() => this.flush());
  }

  flush() {
    this.drawing = null;
    let room = FLUSH;
    for (const [id, [html, svg]] of this.parts) {
      if (room-- === 0) break;
      this.parts.delete(id);
      this.apply(id, build(html, svg));
    }
    if (this.parts.size) {
      this.drawing = requestAnimationFrame(() => this.flush());
      return;
    }
    this.arrange();
    const frame = this.latest;
    this.number = frame.n;
    if (frame.version) [this.version, this.seq] = [frame.version, frame.seq];
    this.say({ type: "ack", n: frame.n });
    this.tick();
  }

  apply(id, fresh) {
    if (!fresh) return;
    localise(fresh);
    const old = document.getElementById(id);
    if (!old) {
      this.homeless.set(id, fresh);
      return;
    }
    const before = old.dataset.state;
    const now = morph(old, fresh);
    if (now.dataset.state !== before && TOLD[now.dataset.state]) {
      this.tallies.set(now.dataset.state, (this.tallies.get(now.dataset.state) || 0) + 1);
    }
  }

  // Lists take their new order, but not under a hand that is about to click.
  arrange() {
    for (const [id, ids] of this.orders) {
      const box = document.getElementById(id);
      const busy = box?.matches(":hover") && Date.now() - this.moved < POINTER && !onlyAppends(box, ids);
      if (box && (busy || !order(box, ids, this.homeless))) continue;
      this.orders.delete(id);
    }
    if (!this.orders.size) this.homeless.clear();
  }

  tick() {
    if (this.state === "lost" && Date.now() - this.heard > STALE) this.show("stale", `Stale since ${timeOf(this.heard)}`);
    if (this.state === "live" && Date.now() - this.heard > SILENCE) this.socket?.close();
    if (this.state !== "live") return;
    if (this.orders.size && !this.parts.size) this.arrange();
    const now = (Date.now() + this.offset) * 1000;
    for (const each of document.querySelectorAll("[data-since]")) write(each, elapsed(now - Number(each.dataset.since)));
    for (const each of document.querySelectorAll("[data-until]")) write(each, countdown(Number(each.dataset.until) - now));
    this.grow(now);
  }

  grow(now) {
    const { start, length } = document.getElementById("axis")?.dataset ?? {};
    if (!start) return;
    for (const bar of document.querySelectorAll("rect[data-from]")) {
      const x = Number.parseFloat(bar.getAttribute("x"));
      const width = Math.min(100 - x, Math.max(0.35, ((now - Number(start)) * 100) / Number(length) - x));
      bar.setAttribute("width", `${width.toFixed(2)}%`);
    }
  }

  // Increases only, summed up, at most every few seconds; cleared first, so that the same words are heard again.
  announce() {
    if (!this.tallies.size) return;
    const words = [...this.tallies].map(([state, count]) => `${count} ${TOLD[state]}`).join(", ");
    this.tallies.clear();
    this.announcer.textContent = "";
    setTimeout(() => (this.announcer.textContent = words), 250);
  }
}

function write(element, words) {
  if (element.textContent !== words) element.textContent = words;
}
