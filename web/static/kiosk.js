// The kiosk: one feed, full screen, for people who look up and wonder what they hear.

import { LiveConnection } from "./connection.js";
import { el, setAttribute, setText } from "./dom.js";
import { alternatives, difference, levelFraction, sureness, timeOfDay, titleOf } from "./format.js";
import { lastSongs, next, START } from "./kiosk_model.js";
import { Model } from "./model.js";

const $ = (id) => document.getElementById(id);
const feed = decodeURIComponent(location.pathname.replace(/^\/kiosk\//, ""));
const BARS = [0.55, 0.8, 1, 0.8, 0.55];
const RETRY_REFUSED_MS = 30_000;
const model = new Model();
let state = START;
let listShown = "";

function token() {
  // In the fragment, because a fragment is never sent to a server or written into a log.
  return new URLSearchParams(location.hash.slice(1)).get("token") ?? sessionStorage.getItem("recognizer-token");
}

const connection = new LiveConnection({
  streams: [feed],
  token,
  onMessage(message) {
    if (!model.take(message, connection.nowMs())) connection.resubscribe();
    render();
  },
  onChange: render,
});

function known() {
  return {
    linkDownMs: connection.state === "live" ? null : (connection.silentMs() ?? 60_000 * Number(connection.state !== "connecting")),
    denied: connection.state === "token" || connection.state === "refused",
    redis: model.stats?.redis,
    loaded: model.loaded,
    view: model.streams.get(feed),
    detections: model.recent(feed),
  };
}

function render() {
  const nowMs = connection.nowMs();
  const facts = known();
  state = next(state, facts, nowMs);
  setAttribute(document.body, "data-kind", state.kind);
  setText($("feed"), facts.view?.title ?? feed);
  setText($("clock"), timeOfDay(nowMs, { seconds: false }));
  showMessage();
  showLevel(state.kind === "offline" ? null : facts.view?.level_dbfs);
  showLast(state.kind === "offline" ? [] : lastSongs(facts.detections, state.kind === "song" ? state.song : null), nowMs);
}

function showMessage() {
  const song = state.kind === "song" ? state.song : null;
  const lead = { offline: "Offline", listening: "Listening", maybe: "Maybe…", song: state.held ? "That was" : "This is" };
  setText($("lead"), lead[state.kind]);
  setText($("title"), song ? titleOf(song) : "");
  setText($("artist"), song?.artist ? `made known by ${song.artist}` : "");
  const detail = { offline: state.reason, maybe: "This sounds familiar", song: song && heardAs(song) };
  setText($("detail"), detail[state.kind] ?? "");
  setAttribute($("title"), "data-long", song ? titleOf(song).length > 34 : false);
  const spoken = song ? `${lead.song} ${titleOf(song)}${song.artist ? `, made known by ${song.artist}` : ""}` : lead[state.kind];
  setText($("spoken"), spoken);
}

/** How this version differs, how sure that is, and what else it might be. */
function heardAs(song) {
  return [difference(song), sureness(song), alternatives(song)].filter(Boolean).join(" · ");
}

function showLevel(dbfs) {
  const fraction = levelFraction(dbfs);
  [...$("level").children].forEach((bar, at) => {
    bar.style.height = `${(8 + 92 * fraction * BARS[at]).toFixed(1)}%`;
  });
}

function showLast(songs, nowMs) {
  const wanted = JSON.stringify(songs.map((d) => d.detection_id));
  if (wanted === listShown) return;
  listShown = wanted;
  $("last").hidden = songs.length === 0;
  const item = (d) =>
    el("li", {},
      el("time", { datetime: d.start_time }, timeOfDay(d.startMs, { seconds: false, today: nowMs })),
      el("span", { class: "last-title" }, titleOf(d)),
      el("span", { class: "last-artist" }, d.artist ?? ""));
  $("last-songs").replaceChildren(...songs.map(item));
}

async function keepAwake() {
  if (document.visibilityState !== "visible" || !navigator.wakeLock) return;
  try {
    await navigator.wakeLock.request("screen");
  } catch {
    // Refused, for example on low battery: the screen may then dim, which is the device's choice.
  }
}

document.addEventListener("visibilitychange", keepAwake);
keepAwake();
setInterval(render, 500);
setInterval(() => {
  // Nobody stands at this screen: what was refused may be allowed after a restart.
  if (connection.state === "token" || connection.state === "refused") connection.connect();
}, RETRY_REFUSED_MS);
connection.connect();
render();
