// The dashboard: one connection, one model, one render per frame at most.

import { LiveConnection } from "./connection.js";
import { el, setAttribute, setText } from "./dom.js";
import * as format from "./format.js";
import { detectionFrom, judged, Model } from "./model.js";
import { Table } from "./table.js";
import { Tiles } from "./tiles.js";
import { Timeline } from "./timeline.js";

const TOKEN_KEY = "recognizer-token";
const PAGE = 50;
const TIMELINE_EVERY_MS = 5000;

const $ = (id) => document.getElementById(id);
const model = new Model();
const tiles = new Tiles($("feeds"));
const timeline = new Timeline($("timeline"), $("as-text"), $("timeline-text"));
const table = new Table($("recent"), $("nothing"));
const page = { feed: "", limit: PAGE, cursor: null, asked: false, drawnAt: -Infinity, queued: false, width: 0 };

const connection = new LiveConnection({
  streams: null,
  token: () => sessionStorage.getItem(TOKEN_KEY),
  onMessage(message) {
    if (!model.take(message, connection.nowMs())) connection.resubscribe(); // a feed we do not know yet
    if (message.type === "snapshot") {
      $("token-dialog").close();
      loadOlder(true);
    }
    if (message.type !== "stream.status" && message.type !== "system.stats") page.drawnAt = -Infinity;
    queueRender();
  },
  onChange: queueRender,
});

function queueRender() {
  if (page.queued) return;
  page.queued = true;
  requestAnimationFrame(() => {
    page.queued = false;
    render();
  });
}

function render() {
  const nowMs = connection.nowMs();
  showConnection();
  setText($("clock"), format.timeOfDay(nowMs));
  if (!model.loaded) return;
  showFigures();
  showFilter();
  const connected = connection.state === "live" && model.stats?.redis !== false;
  document.body.dataset.connected = connected;
  tiles.render(model, nowMs, page.feed, connected);
  const views = [...model.streams.values()]
    .filter((view) => !page.feed || view.id === page.feed)
    .sort((a, b) => a.title.localeCompare(b.title));
  const shown = model.streams.size > 0;
  $("no-feeds").hidden = shown;
  $("timeline-section").hidden = !shown;
  $("recent-section").hidden = !shown && model.detections.size === 0;
  if (performance.now() - page.drawnAt > TIMELINE_EVERY_MS) {
    page.drawnAt = performance.now();
    timeline.render(model, nowMs, views);
  }
  table.render(model, nowMs, page.feed, page.limit);
  showSummary(nowMs);
}

function showConnection() {
  const silent = connection.silentMs();
  const old = silent === null ? "" : ` · data ${format.age(silent)} old`;
  const [health, text] = {
    connecting: ["degraded", "Connecting"],
    live: ["ok", "Live"],
    stale: ["degraded", `Stale ${format.age(silent ?? 0)}`],
    reconnecting: ["down", `Reconnecting${old}`],
    token: ["down", "Token needed"],
    refused: ["down", "Access refused"],
  }[connection.state];
  const redisAway = connection.state === "live" && model.stats?.redis === false;
  setAttribute($("connection"), "data-health", redisAway ? "down" : health);
  setText($("connection"), redisAway ? "Server has no Redis" : text);
  const notice = redisAway
    ? "The server cannot reach its Redis. What you see is the last known state; it catches up by itself."
    : connection.state === "reconnecting" && silent > 3000
      ? "The connection to the server is lost. What you see is the last known state; it catches up by itself."
      : "";
  $("notice").hidden = !notice;
  setText($("notice"), notice);
  if (connection.state === "token" && !$("token-dialog").open) {
    $("token-wrong").hidden = !sessionStorage.getItem(TOKEN_KEY);
    sessionStorage.removeItem(TOKEN_KEY);
    $("token-dialog").showModal();
  }
}

function showFigures() {
  const { catalogue, workers, oldest_index_version: oldest } = model.stats;
  const parts = [
    catalogue.generation === null ? "No catalogue published" : `Catalogue ${catalogue.generation}`,
    catalogue.tracks === null ? null : `${format.thousands(catalogue.tracks)} recordings`,
    `${workers} worker${workers === 1 ? "" : "s"}`,
    oldest !== null && catalogue.generation !== null && oldest < catalogue.generation ? `a feed still uses catalogue ${oldest}` : null,
  ];
  setText($("figures"), parts.filter(Boolean).join(" · "));
}

function showSummary(nowMs) {
  const counts = { ok: 0, quiet: 0, degraded: 0, down: 0 };
  for (const view of model.streams.values()) counts[judged(view, nowMs).health] += 1;
  const words = [
    counts.down && `${counts.down} down`,
    counts.degraded && `${counts.degraded} in trouble`,
    counts.quiet && `${counts.quiet} quiet`,
    counts.ok && `${counts.ok} running`,
  ];
  setText($("summary"), words.filter(Boolean).join(" · "));
}

function showFilter() {
  const select = $("filter");
  const wanted = [["", "all feeds"], ...[...model.streams.values()].map((view) => [view.id, view.title])];
  wanted.sort((a, b) => (a[0] === "" ? -1 : b[0] === "" ? 1 : a[1].localeCompare(b[1])));
  const shown = JSON.stringify(wanted);
  if (page.options === shown) return;
  page.options = shown;
  select.replaceChildren(...wanted.map(([id, title]) => el("option", { value: id }, title)));
  if (!model.streams.has(page.feed)) page.feed = "";
  select.value = page.feed;
}

async function api(path) {
  const token = sessionStorage.getItem(TOKEN_KEY);
  const reply = await fetch(path, { headers: token ? { Authorization: `Bearer ${token}` } : {} });
  if (!reply.ok) throw new Error(`the server answered ${reply.status}`);
  return reply;
}

/** Fetch a page of detections into the model; the first one again after every snapshot. */
async function loadOlder(fromStart) {
  const query = new URLSearchParams({ limit: PAGE });
  if (page.feed) query.set("feed", page.feed);
  if (!fromStart && page.cursor) query.set("cursor", page.cursor);
  try {
    const { items, next_cursor: cursor } = await (await api(`/api/v1/detections?${query}`)).json();
    for (const row of items) model.keep(detectionFrom(row.feed, row));
    if (!fromStart) page.limit += items.length;
    page.cursor = cursor;
    $("older").hidden = cursor === null;
  } catch {
    $("older").hidden = true; // the live part stands on its own
  }
  queueRender();
}

async function downloadCsv() {
  const query = page.feed ? `?feed=${encodeURIComponent(page.feed)}` : "";
  const address = URL.createObjectURL(await (await api(`/api/v1/detections.csv${query}`)).blob());
  el("a", { href: address, download: "as-run.csv" }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

$("filter").addEventListener("change", (event) => {
  page.feed = event.target.value;
  page.limit = PAGE;
  page.drawnAt = -Infinity;
  loadOlder(true);
});
$("older").addEventListener("click", () => loadOlder(false));
$("csv").addEventListener("click", downloadCsv);
$("as-text").addEventListener("toggle", () => {
  page.drawnAt = -Infinity;
  queueRender();
});
$("token-dialog").addEventListener("cancel", (event) => event.preventDefault());
$("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(TOKEN_KEY, $("token").value.trim());
  $("token").value = "";
  $("token-dialog").close();
  connection.state = "connecting";
  connection.connect();
});
new ResizeObserver(([entry]) => {
  if (Math.abs(entry.contentRect.width - page.width) < 1) return;
  page.width = entry.contentRect.width;
  page.drawnAt = -Infinity;
  queueRender();
}).observe($("timeline"));
connection.connect();
queueRender();
