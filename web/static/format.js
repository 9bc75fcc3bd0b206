// Words and numbers for people. Every function takes plain values and returns text; nothing here touches the page.

export const STATE_WORDS = {
  connecting: "Connecting",
  running: "Running",
  silent: "Silence",
  no_music: "No music",
  reconnecting: "Reconnecting",
  stalled: "Stalled",
  invalid_source: "Wrong address",
  auth_failed: "Access refused",
  paused: "Paused",
  failed: "Failed",
};

export const STALE_WORDS = {
  capture: "Capture lost",
  worker: "Worker lost",
  both: "No signs of life",
  never: "Not started",
};

export const GATE_WORDS = {
  music: "Music",
  speech_or_noise: "Speech or noise",
  silence: "Silence",
  starting: "Starting",
};

const REASON_WORDS = {
  no_longer_heard: "no longer heard",
  source_ended: "source ended",
  overtaken: "another song took over",
  next_work: "the next song began",
  gap: "the audio was lost",
};

/** "0:07", "12:34", "1:02:03" from milliseconds. */
export function clockSpan(ms) {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) return "–";
  const total = Math.max(0, Math.round(ms / 1000));
  const [h, m, s] = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
  const two = (n) => String(n).padStart(2, "0");
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** "now", "12 s", "3 min", "2 h" from milliseconds. */
export function age(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 2) return "now";
  if (s < 100) return `${s} s`;
  if (s < 5400) return `${Math.round(s / 60)} min`;
  return s < 172800 ? `${Math.round(s / 3600)} h` : `${Math.round(s / 86400)} days`;
}

/** "now" or "12 s ago". */
export function ago(ms) {
  const text = age(ms);
  return text === "now" ? text : `${text} ago`;
}

const timeFormat = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const shortTimeFormat = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const dayFormat = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

/** Local time of day; with the day when it is not today. */
export function timeOfDay(ms, { seconds = true, today = Date.now() } = {}) {
  if (!Number.isFinite(ms)) return "–";
  const at = new Date(ms);
  const text = (seconds ? timeFormat : shortTimeFormat).format(at);
  return at.toDateString() === new Date(today).toDateString() ? text : `${dayFormat.format(at)} ${text}`;
}

/** "86 %" when calibrated; otherwise a score, so that nobody takes it for a probability. */
export function confidence(value, kind) {
  if (!Number.isFinite(value)) return "–";
  return kind === "calibrated" ? `${Math.round(value * 100)} %` : `score ${value.toFixed(2)}`;
}

/** "2 semitones lower", "same key", or null when not measured. */
export function transposition(semitones) {
  if (!Number.isFinite(semitones)) return null;
  if (semitones === 0) return "same key";
  const n = Math.abs(semitones);
  return `${n} semitone${n === 1 ? "" : "s"} ${semitones > 0 ? "higher" : "lower"}`;
}

/** "6 % faster", "same tempo", or null when not measured. */
export function tempo(ratio) {
  if (!Number.isFinite(ratio) || ratio <= 0) return null;
  const percent = Math.round(Math.abs(ratio - 1) * 100);
  if (percent === 0) return "same tempo";
  return `${percent} % ${ratio > 1 ? "faster" : "slower"}`;
}

/** "from 1:02 of the reference", or null when not measured. */
export function place(refStartMs) {
  return Number.isFinite(refStartMs) ? `from ${clockSpan(refStartMs)} of the reference` : null;
}

/** "86 % sure", or "score 0.86, not calibrated". */
export function sureness(data) {
  const text = confidence(data.confidence, data.confidence_kind);
  return data.confidence_kind === "calibrated" ? `${text} sure` : `${text}, not calibrated`;
}

/** "Or: Greensleeves (12 %)", or "" when nothing else came near. */
export function alternatives(data) {
  const others = (Array.isArray(data.alternatives) ? data.alternatives : []).filter((d) => d?.work_id);
  const named = others.map((d) => `${d.title || d.work_id} (${confidence(d.confidence, data.confidence_kind)})`);
  return named.length ? `Or: ${named.join(", ")}` : "";
}

/** How this version differs from the reference: relation, key and tempo, as far as known. */
export function difference(data) {
  const parts = [data.relation, transposition(data.transpose_semitones), tempo(data.tempo_ratio), place(data.ref_start_ms)];
  return parts.filter(Boolean).join(" · ");
}

export function closeReason(data) {
  if (data.state === "open") return "still playing";
  if (data.state === "retracted") return "retracted";
  const reason = data.close_reason;
  return reason ? (REASON_WORDS[reason] ?? reason.replaceAll("_", " ")) : "";
}

/** The same with a capital letter. */
export function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export function titleOf(data) {
  return data.title || "Untitled work";
}

/** 0 … 1 for a meter that starts at −60 dBFS. */
export function levelFraction(dbfs) {
  return Number.isFinite(dbfs) ? Math.min(1, Math.max(0, (dbfs + 60) / 60)) : 0;
}

export function decibels(dbfs) {
  return Number.isFinite(dbfs) ? `${Math.round(dbfs)} dB`.replace("-", "−") : "no level";
}

export function thousands(n) {
  return Number.isFinite(n) ? n.toLocaleString() : "–";
}
