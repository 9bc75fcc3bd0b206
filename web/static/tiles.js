// One tile per feed: what it is, how it is, and what is playing.

import { arrange, el, setAttribute, setText } from "./dom.js";
import * as format from "./format.js";
import { judged, worstFirst } from "./model.js";

const HEARING = ["running", "silent", "no_music"];
const AWAY_WORDS = {
  connecting: "Connecting to the source",
  reconnecting: "Connecting again",
  stalled: "Connected, but no audio comes",
  invalid_source: "The source's address does not work",
  auth_failed: "The source refuses access",
  failed: "The source failed",
};

class Tile {
  constructor(view) {
    this.title = el("h3", { class: "feed-title" });
    this.source = el("p", { class: "feed-source" });
    this.pill = el("p", { class: "pill" });
    this.label = el("p", { class: "now-label" });
    this.song = el("p", { class: "song" });
    this.artist = el("p", { class: "artist" });
    this.facts = el("ul", { class: "facts" });
    this.also = el("p", { class: "also" });
    this.fill = el("span", { class: "meter-fill" });
    this.meter = el(
      "div",
      { class: "meter", role: "meter", "aria-label": "Level", "aria-valuemin": -60, "aria-valuemax": 0 },
      this.fill,
    );
    this.level = el("span", { class: "level" });
    this.gate = el("span", { class: "chip" });
    this.audio = el("span", { class: "chip plain" });
    this.lag = el("span", { class: "chip plain" });
    const kiosk = el("a", { class: "kiosk-link", href: `/kiosk/${encodeURIComponent(view.id)}` }, "Kiosk");
    this.kiosk = kiosk;
    this.node = el(
      "article",
      { class: "tile", "data-feed": view.id },
      el("header", { class: "tile-head" }, el("div", {}, this.title, this.source), this.pill),
      el("div", { class: "now" }, this.label, this.song, this.artist, this.facts, this.also),
      el(
        "footer",
        { class: "tile-foot" },
        el("div", { class: "meter-row" }, this.meter, this.level),
        el("div", { class: "chips" }, this.gate, this.audio, this.lag, kiosk),
      ),
    );
  }

  show(view, playing, nowMs, connected) {
    const { stale, silentMs, health } = judged(view, nowMs);
    setAttribute(this.node, "data-health", health);
    setAttribute(this.node, "data-stale", Boolean(stale) || !connected);
    setText(this.title, view.title);
    setAttribute(this.kiosk, "aria-label", `Kiosk view of ${view.title}`);
    setText(this.source, view.source.label);
    setAttribute(this.pill, "data-health", health);
    setText(this.pill, pillText(view, stale, silentMs, health));
    this.showSong(view, stale ? [] : playing, nowMs, stale, silentMs);
    const hearing = !stale && HEARING.includes(view.state);
    this.showLevel(hearing ? view.level_dbfs : null);
    this.showChips(view, nowMs, stale, hearing);
  }

  showSong(view, playing, nowMs, stale, silentMs) {
    const [best, ...others] = playing;
    setAttribute(this.node, "data-playing", Boolean(best));
    if (best) {
      setText(this.label, "Now playing");
      setText(this.song, format.titleOf(best));
      setText(this.artist, best.artist ?? "");
      const facts = [
        format.sureness(best),
        format.clockSpan(nowMs - best.startMs),
        format.transposition(best.transpose_semitones),
        format.tempo(best.tempo_ratio),
        format.place(best.ref_start_ms),
      ].filter(Boolean);
      this.showFacts(facts);
    } else {
      const [label, text] = waiting(view, stale, silentMs);
      setText(this.label, label);
      setText(this.song, text);
      setText(this.artist, "");
      this.showFacts([]);
    }
    const also = others.length ? `Also: ${others.map(format.titleOf).join(", ")}` : "";
    setText(this.also, [also, best ? format.alternatives(best) : ""].filter(Boolean).join(" · "));
  }

  showFacts(facts) {
    const shown = JSON.stringify(facts);
    if (this.factsShown === shown) return;
    this.factsShown = shown;
    this.facts.replaceChildren(...facts.map((fact) => el("li", {}, fact)));
  }

  showLevel(level) {
    this.fill.style.transform = `scaleX(${format.levelFraction(level).toFixed(3)})`;
    setAttribute(this.meter, "aria-valuenow", Number.isFinite(level) ? Math.round(level) : -60);
    setAttribute(this.meter, "aria-valuetext", format.decibels(level));
    setText(this.level, format.decibels(level));
  }

  showChips(view, nowMs, stale, hearing) {
    setAttribute(this.gate, "data-gate", hearing ? view.gate : "starting");
    setText(this.gate, hearing ? (format.GATE_WORDS[view.gate] ?? view.gate) : "Nothing heard");
    setText(this.audio, view.last_audio_ms === null ? "No audio yet" : `Audio ${format.ago(nowMs - view.last_audio_ms)}`);
    const lagging = Number.isFinite(view.lag_ms) && view.lag_ms > 10_000;
    setAttribute(this.lag, "data-lagging", lagging);
    setText(this.lag, Number.isFinite(view.lag_ms) ? `Lag ${(view.lag_ms / 1000).toFixed(1)} s` : "");
    this.lag.hidden = !Number.isFinite(view.lag_ms) || Boolean(stale);
  }
}

function pillText(view, stale, silentMs, health) {
  if (stale) return format.STALE_WORDS[stale] ?? "Stale";
  const word = format.STATE_WORDS[view.state] ?? view.state;
  return health === "degraded" && view.state === "running" ? "Lagging" : word;
}

function waiting(view, stale, silentMs) {
  if (stale === "never") return ["Waiting", "No capture or worker has taken this feed yet"];
  if (stale === "worker") return ["Stale", "Audio comes in, but no worker listens"];
  if (stale) return ["Stale", silentMs === null ? "No news" : `No news for ${format.age(silentMs)}`];
  if (view.maybe) return ["Maybe", "Something familiar…"];
  if (view.state === "silent") return ["Listening", "Silence"];
  if (view.state === "no_music") return ["Listening", "Speech or noise"];
  if (view.state === "running") return ["Listening", view.gate === "starting" ? "Getting started" : "Music, not recognized"];
  if (view.state === "paused") return ["Paused", format.sentence(view.detail ?? "Stopped")];
  return ["Not hearing anything", format.sentence(view.detail ?? AWAY_WORDS[view.state] ?? view.state)];
}

export class Tiles {
  constructor(container) {
    this.container = container;
    this.tiles = new Map();
  }

  render(model, nowMs, feed, connected) {
    const views = worstFirst(model.streams.values(), nowMs).filter((view) => !feed || view.id === feed);
    for (const id of this.tiles.keys()) if (!model.streams.has(id)) this.tiles.delete(id);
    const nodes = views.map((view) => {
      if (!this.tiles.has(view.id)) this.tiles.set(view.id, new Tile(view));
      const tile = this.tiles.get(view.id);
      tile.show(view, model.open(view.id), nowMs, connected);
      return tile.node;
    });
    arrange(this.container, nodes);
    setAttribute(this.container, "data-many", views.length > 12);
  }
}
