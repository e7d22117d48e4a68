// Durations and instants in words, as dashboard/words/times.py says them.

const SECOND = 1_000_000;

export function elapsed(us) {
  let seconds = Math.floor(Math.max(0, us) / SECOND);
  if (seconds < 60) return `${seconds} s`;
  let minutes = Math.floor(seconds / 60);
  seconds %= 60;
  if (minutes < 60) return seconds ? `${minutes} min ${seconds} s` : `${minutes} min`;
  let hours = Math.floor(minutes / 60);
  minutes %= 60;
  if (hours < 24) return minutes ? `${hours} h ${minutes} min` : `${hours} h`;
  const days = Math.floor(hours / 24);
  hours %= 24;
  return hours ? `${days} d ${hours} h` : `${days} d`;
}

export function countdown(us) {
  return us > 0 ? `in ${elapsed(us + SECOND - 1)}` : "now";
}

const clock = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const date = new Intl.DateTimeFormat([], { day: "numeric", month: "short" });
const full = new Intl.DateTimeFormat([], { dateStyle: "full", timeStyle: "long" });

export function timeOf(at) {
  return clock.format(at);
}

// Every <time> in the reader's own time zone; today's without a date.
export function localise(root) {
  const today = new Date().toDateString();
  const times = root.matches?.("time") ? [root] : root.querySelectorAll("time");
  for (const time of times) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.valueOf())) continue;
    time.textContent = at.toDateString() === today ? clock.format(at) : `${date.format(at)} ${clock.format(at)}`;
    time.title = full.format(at);
  }
}

export function zoneWords() {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return `Times are in your own time zone${zone ? ` (${zone})` : ""}`;
}
