// The last 15 minutes of every feed as lanes: songs, gaps (hatched), and what the rest was. Drawn as SVG.

import { arrange, el, setAttribute, setText, svg } from "./dom.js";
import * as format from "./format.js";
import { heardUntil } from "./model.js";

const SPAN_MS = 15 * 60 * 1000;
const LANE_PX = 26;
const STRIP_PX = 6;
const COLOURS = 6;
const MIN_LABEL_PX = 44;
const OPEN_EDGE_PX = 4;

/** Give overlapping detections different lanes: the lowest free one. */
export function lanes(detections, openEndMs) {
  const ends = [];
  return [...detections]
    .sort((a, b) => a.startMs - b.startMs)
    .map((found) => {
      const endMs = Math.max(found.startMs, found.endMs ?? openEndMs);
      let lane = ends.findIndex((end) => end <= found.startMs);
      if (lane < 0) lane = ends.length;
      ends[lane] = endMs;
      return { found, lane, endMs };
    });
}

/**
 * Stretches of one state each, clipped to the window: [{fromMs, toMs, state}]. What no change tells of stays empty.
 * After the last sign of life of a stale feed nobody listened, whatever the last state was.
 */
export function stretches(changes, heardMs, fromMs, nowMs) {
  const list = [];
  const before = changes.findLast((change) => change.atMs <= fromMs);
  let state = before?.state ?? changes[0]?.previous ?? null;
  if (!before && state === "connecting") state = null; // before a feed's first sign of life there was no feed
  let at = fromMs;
  for (const change of changes) {
    if (change.atMs > fromMs) {
      if (state) list.push({ fromMs: at, toMs: Math.min(change.atMs, nowMs), state });
      at = change.atMs;
    }
    state = change.state;
  }
  const end = Math.max(at, Math.min(nowMs, heardMs));
  if (state && at < end) list.push({ fromMs: at, toMs: end, state });
  if (end < nowMs) list.push({ fromMs: end, toMs: nowMs, state: "unheard" });
  return list;
}

/** What is left of stretches when the times of songs and gaps are taken out. */
export function without(parts, taken) {
  return taken.reduce(
    (rest, cut) =>
      rest.flatMap((part) =>
        [
          { ...part, toMs: Math.min(part.toMs, cut.startMs) },
          { ...part, fromMs: Math.max(part.fromMs, cut.endMs) },
        ].filter((piece) => piece.fromMs < piece.toMs),
      ),
    parts,
  );
}

function colourOf(text) {
  let sum = 0;
  for (const character of String(text)) sum = (sum * 31 + character.codePointAt(0)) >>> 0;
  return sum % COLOURS;
}

class Row {
  constructor(id, number) {
    this.hatch = `hatch-${number}`;
    this.label = el("p", { class: "row-label" });
    this.image = svg("svg", { class: "lanes", role: "img", "data-feed": id });
    this.node = el("div", { class: "row" }, this.label, this.image);
  }

  draw(view, model, nowMs, width) {
    const fromMs = nowMs - SPAN_MS;
    const x = (ms) => ((Math.max(fromMs, Math.min(nowMs, ms)) - fromMs) / SPAN_MS) * width;
    const songs = model.recent(view.id).filter((d) => d.state !== "retracted" && (d.endMs ?? nowMs) > fromMs);
    const placed = lanes(songs, heardUntil(view, nowMs));
    const gaps = (model.gaps.get(view.id) ?? []).filter((gap) => gap.endMs > fromMs);
    const height = LANE_PX * Math.max(1, ...placed.map((p) => p.lane + 1)) + STRIP_PX + 2;
    setText(this.label, view.title);
    this.image.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.image.setAttribute("height", height);
    setAttribute(this.image, "aria-label", `${view.title}, last 15 minutes: ${count(songs.length, "song")}, ${count(gaps.length, "gap")}.`);
    const states = stretches(model.states.get(view.id) ?? [], heardUntil(view, nowMs), fromMs, nowMs);
    const taken = [...placed.map(({ found, endMs }) => ({ startMs: found.startMs, endMs })), ...gaps];
    this.image.replaceChildren(
      hatchPattern(this.hatch),
      svg("rect", { class: "ground", width, height, rx: 6 }),
      ...minuteLines(fromMs, nowMs, x, height),
      ...without(states, taken).map((part) => strip(part, x, height)),
      ...gaps.map((gap) => this.gap(gap, x, height)),
      ...placed.map((place) => song(place, x)),
    );
  }

  gap(gap, x, height) {
    const left = x(gap.startMs);
    const box = { x: left, width: Math.max(2, x(gap.endMs) - left), y: 0, height };
    const hatched = svg("rect", { ...box, fill: `url(#${this.hatch})` });
    const text = `Gap of ${format.clockSpan(gap.endMs - gap.startMs)}: ${gap.reason}`;
    return svg("g", { class: "gap" }, svg("title", {}, text), svg("rect", { ...box, class: "gap-ground" }), hatched);
  }
}

function count(n, word) {
  return `${n} ${word}${n === 1 ? "" : "s"}`;
}

function hatchPattern(id) {
  const line = svg("line", { class: "hatch-line", x1: 0, y1: 0, x2: 0, y2: 7 });
  const pattern = { id, width: 7, height: 7, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" };
  return svg("defs", {}, svg("pattern", pattern, line));
}

function minuteLines(fromMs, nowMs, x, height) {
  return wholeMinutes(fromMs, nowMs, 5).map((ms) => svg("line", { class: "minute", x1: x(ms), x2: x(ms), y1: 0, y2: height }));
}

function wholeMinutes(fromMs, nowMs, step) {
  const list = [];
  const stepMs = step * 60_000;
  for (let ms = Math.ceil(fromMs / stepMs) * stepMs; ms < nowMs; ms += stepMs) list.push(ms);
  return list;
}

function strip(part, x, height) {
  const left = x(part.fromMs);
  const kind = part.state === "running" ? "music" : part.state === "silent" || part.state === "no_music" ? "quiet" : "away";
  const box = { x: left, width: Math.max(0.5, x(part.toMs) - left), y: height - STRIP_PX, height: STRIP_PX };
  return svg("rect", { class: `strip strip-${kind}`, ...box });
}

function song({ found, lane, endMs }, x) {
  const left = x(found.startMs);
  const width = Math.max(3, x(endMs) - left);
  const colour = colourOf(found.work_id);
  const y = lane * LANE_PX + 2;
  const words = [format.titleOf(found), found.artist].filter(Boolean).join(" – ");
  const tip = `${words}, ${format.timeOfDay(found.startMs)} for ${format.clockSpan(endMs - found.startMs)}`;
  const bar = svg("rect", { class: `bar bar-${colour}`, width, height: LANE_PX - 4, rx: 5 });
  // A nested svg cuts the label off where the bar ends.
  const box = svg("svg", { x: left, y, width, height: LANE_PX - 4 }, bar);
  if (found.state === "open") box.append(svg("rect", { class: "open-edge", x: Math.max(0, width - OPEN_EDGE_PX), width: OPEN_EDGE_PX, height: LANE_PX - 4 }));
  if (width > MIN_LABEL_PX) box.append(svg("text", { class: "bar-label", x: 7, y: (LANE_PX - 4) / 2, dy: "0.35em" }, words));
  return svg("g", { class: found.state === "open" ? "song-bar is-open" : "song-bar" }, svg("title", {}, tip), box);
}

export class Timeline {
  constructor(container, details, text) {
    Object.assign(this, { container, details, text });
    this.rows = new Map();
    this.axis = svg("svg", { class: "axis", "aria-hidden": "true", height: 18 });
    this.axisRow = el("div", { class: "row axis-row" }, el("span", {}), this.axis);
    this.number = 0;
  }

  render(model, nowMs, views) {
    for (const id of this.rows.keys()) if (!model.streams.has(id)) this.rows.delete(id);
    const rows = views.map((view) => {
      if (!this.rows.has(view.id)) this.rows.set(view.id, new Row(view.id, ++this.number));
      return this.rows.get(view.id);
    });
    arrange(this.container, views.length ? [this.axisRow, ...rows.map((row) => row.node)] : []);
    if (!views.length) return;
    const width = Math.max(120, Math.floor(this.axis.getBoundingClientRect().width));
    this.drawAxis(nowMs, width);
    rows.forEach((row, at) => row.draw(views[at], model, nowMs, width));
    if (this.details.open) this.write(model, nowMs, views);
  }

  drawAxis(nowMs, width) {
    const fromMs = nowMs - SPAN_MS;
    this.axis.setAttribute("viewBox", `0 0 ${width} 18`);
    const marks = wholeMinutes(fromMs, nowMs, 5).map((ms) => {
      const x = ((ms - fromMs) / SPAN_MS) * width;
      return x < 20 || x > width - 62 ? null : svg("text", { x, y: 12, "text-anchor": "middle" }, format.timeOfDay(ms, { seconds: false }));
    });
    const now = svg("text", { x: width, y: 12, "text-anchor": "end" }, "now");
    this.axis.replaceChildren(...marks.filter(Boolean), now);
  }

  /** The text alternative: the same songs and gaps, in words. */
  write(model, nowMs, views) {
    const parts = views.map((view) => {
      const lines = [
        ...model.recent(view.id).filter((d) => d.state !== "retracted").map((d) => [d.startMs, d.endMs, [format.titleOf(d), d.artist].filter(Boolean).join(" – ")]),
        ...(model.gaps.get(view.id) ?? []).map((gap) => [gap.startMs, gap.endMs, `gap: ${gap.reason}`]),
      ].filter(([, endMs]) => (endMs ?? nowMs) > nowMs - SPAN_MS);
      lines.sort((a, b) => a[0] - b[0]);
      const items = lines.map(([startMs, endMs, what]) => el("li", {}, `${format.timeOfDay(startMs)} to ${endMs ? format.timeOfDay(endMs) : "now"}: ${what}`));
      return el("div", {}, el("h3", {}, view.title), items.length ? el("ol", {}, ...items) : el("p", {}, "Nothing recognized, no gaps."));
    });
    const wanted = el("div", {}, ...parts);
    if (wanted.textContent !== this.text.textContent) this.text.replaceChildren(...wanted.children);
  }
}
