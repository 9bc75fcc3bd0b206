// What the page knows: built from a snapshot, kept up by events and status messages. No page, no network: testable.

const KEEP_MS = 20 * 60 * 1000;
const KEEP_DETECTIONS = 600;

/** A detection from an envelope or a REST row. */
export function detectionFrom(feed, data) {
  return {
    ...data,
    feed,
    startMs: Date.parse(data.start_time),
    endMs: data.end_time ? Date.parse(data.end_time) : null,
  };
}

export function feedOf(envelope) {
  return decodeURIComponent(envelope.source.replace("/streams/", ""));
}

export class Model {
  constructor() {
    this.streams = new Map();
    this.detections = new Map();
    this.gaps = new Map(); // feed → list of {id, startMs, endMs, reason}
    this.states = new Map(); // feed → list of {atMs, state}
    this.stats = null;
    this.loaded = false;
  }

  /** Take in a message; returns false when the page should ask for a new snapshot. */
  take(message, nowMs) {
    if (message.type === "snapshot") this.start(message);
    else if (message.type === "stream.status") return this.status(message);
    else if (message.type === "system.stats") this.stats = message;
    else if (message.specversion) this.event(message);
    this.forget(nowMs);
    return true;
  }

  start(snapshot) {
    this.streams = new Map(snapshot.streams.map((view) => [view.id, view]));
    for (const [id, known] of this.detections) if (known.state === "open") this.detections.delete(id);
    this.gaps.clear();
    this.states.clear();
    snapshot.detections.forEach((envelope) => this.detection(envelope));
    snapshot.gaps.forEach((envelope) => this.gap(envelope));
    snapshot.states.forEach((envelope) => this.stateChange(envelope));
    this.stats = snapshot.stats;
    this.loaded = true;
  }

  status(message) {
    for (const gone of message.removed) this.streams.delete(gone);
    let known = true;
    for (const part of message.streams) {
      const view = this.streams.get(part.id);
      if (view) Object.assign(view, part);
      else known = false;
    }
    return known;
  }

  event(envelope) {
    if (envelope.type.startsWith("detection.")) this.detection(envelope);
    else if (envelope.type === "stream.gap") this.gap(envelope);
    else if (envelope.type === "stream.state_changed") this.stateChange(envelope);
  }

  detection(envelope) {
    this.keep(detectionFrom(feedOf(envelope), envelope.data));
  }

  /** Keep the highest revision of each detection. */
  keep(found) {
    const known = this.detections.get(found.detection_id);
    if (!known || known.revision <= found.revision) this.detections.set(found.detection_id, found);
  }

  gap(envelope) {
    const { start_time, end_time, reason } = envelope.data;
    this.listFor(this.gaps, feedOf(envelope), envelope.id, {
      id: envelope.id,
      startMs: Date.parse(start_time),
      endMs: Date.parse(end_time),
      reason,
    });
  }

  stateChange(envelope) {
    const { state, previous } = envelope.data;
    const entry = { id: envelope.id, atMs: Date.parse(envelope.time), state, previous };
    this.listFor(this.states, feedOf(envelope), envelope.id, entry);
    this.states.get(feedOf(envelope)).sort((a, b) => a.atMs - b.atMs);
  }

  listFor(map, feed, id, entry) {
    const list = map.get(feed) ?? [];
    if (!list.some((known) => known.id === id)) list.push(entry);
    map.set(feed, list.slice(-200));
  }

  forget(nowMs) {
    if (this.detections.size > KEEP_DETECTIONS) {
      const closed = [...this.detections.values()].filter((found) => found.state !== "open");
      closed.sort((a, b) => a.startMs - b.startMs);
      closed.slice(0, this.detections.size - KEEP_DETECTIONS).forEach((old) => this.detections.delete(old.detection_id));
    }
    for (const [feed, list] of this.gaps) this.gaps.set(feed, list.filter((gap) => gap.endMs > nowMs - KEEP_MS));
  }

  /** Open detections of a feed, surest first. */
  open(feed) {
    return [...this.detections.values()]
      .filter((found) => found.feed === feed && found.state === "open")
      .sort((a, b) => b.confidence - a.confidence);
  }

  /** Detections that were not taken back, newest first. */
  recent(feed = null) {
    return [...this.detections.values()]
      .filter((found) => feed === null || found.feed === feed)
      .sort((a, b) => b.startMs - a.startMs);
  }
}

const HEALTH = ["down", "degraded", "quiet", "ok"];

/** Health and words of a feed as they are now: time alone makes it stale, whatever the server last said. */
export function judged(view, nowMs, staleAfterMs = 12_000) {
  const silentMs = view.heard_ms === null ? null : nowMs - view.heard_ms;
  const late = silentMs !== null && silentMs > staleAfterMs && view.state !== "paused";
  const stale = view.stale ?? (late ? "both" : null);
  return { stale, silentMs, health: stale ? "down" : view.health };
}

/** Up to when anything is known of a feed: now, or its last sign of life. What is open may have ended since. */
export function heardUntil(view, nowMs) {
  return view && judged(view, nowMs).stale ? Math.min(nowMs, view.heard_ms ?? nowMs) : nowMs;
}

export function worstFirst(views, nowMs) {
  const rank = (view) => HEALTH.indexOf(judged(view, nowMs).health);
  return [...views].sort((a, b) => rank(a) - rank(b) || a.title.localeCompare(b.title));
}
