// The table of recent detections, newest first.

import { arrange, el, setAttribute, setText } from "./dom.js";
import * as format from "./format.js";
import { heardUntil } from "./model.js";

const COLUMNS = ["Start", "Length", "Song", "Feed", "Confidence", "This version", "Ended"];

class Line {
  constructor() {
    this.cells = COLUMNS.map((label) => el("td", { "data-label": label }));
    this.title = el("span", { class: "cell-title" });
    this.artist = el("span", { class: "cell-artist" });
    this.cells[2].append(this.title, this.artist);
    this.node = el("tr", {}, ...this.cells);
  }

  show(found, streams, nowMs) {
    const untilMs = heardUntil(streams.get(found.feed), nowMs);
    const [start, length, , feed, confidence, version, ended] = this.cells;
    setAttribute(this.node, "data-state", found.state);
    setText(start, format.timeOfDay(found.startMs));
    setText(length, format.clockSpan((found.endMs ?? untilMs) - found.startMs));
    setText(this.title, format.titleOf(found));
    setText(this.artist, found.artist ?? "");
    setText(feed, streams.get(found.feed)?.title ?? found.feed);
    setText(confidence, format.confidence(found.confidence, found.confidence_kind));
    setText(version, format.difference(found) || "–");
    setAttribute(this.cells[2], "title", format.alternatives(found));
    setText(ended, found.state === "open" && untilMs < nowMs ? "not known" : format.closeReason(found));
  }
}

export class Table {
  constructor(body, nothing) {
    Object.assign(this, { body, nothing });
    this.lines = new Map();
  }

  render(model, nowMs, feed, limit) {
    const found = model.recent(feed || null).slice(0, limit);
    const wanted = new Set(found.map((one) => one.detection_id));
    for (const id of this.lines.keys()) if (!wanted.has(id)) this.lines.delete(id);
    const nodes = found.map((one) => {
      if (!this.lines.has(one.detection_id)) this.lines.set(one.detection_id, new Line());
      const line = this.lines.get(one.detection_id);
      line.show(one, model.streams, nowMs);
      return line.node;
    });
    arrange(this.body, nodes);
    this.nothing.hidden = found.length > 0;
  }
}
