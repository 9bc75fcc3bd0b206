// What the kiosk shows, decided from what is known: no page, no network, a clock passed in.
//
//   offline    the connection, the feed or its worker is away: never a song
//   listening  audio comes in, nothing is recognized
//   maybe      a candidate gathers evidence: never a name
//   song       "This is X, made known by Y", and for a while after it ended
//
// Against flip-flop: a song stays for HOLD_MS after it closed unless another opens; a rival that is open at the same time
// takes over only after leading for RIVAL_MS; "maybe" must last MAYBE_AFTER_MS to appear and stays for MAYBE_HOLD_MS.

export const HOLD_MS = 12_000;
export const RIVAL_MS = 6_000;
export const MAYBE_AFTER_MS = 1_500;
export const MAYBE_HOLD_MS = 4_000;
export const GRACE_MS = 3_000;
export const STALE_MS = 12_000;
const AWAY_STATES = ["connecting", "reconnecting", "stalled", "invalid_source", "auth_failed", "failed", "paused"];
const AWAY_WORDS = {
  connecting: "Connecting to the source",
  reconnecting: "The source is away; connecting again",
  stalled: "The source has gone quiet on the line",
  invalid_source: "The source's address does not work",
  auth_failed: "The source refuses access",
  failed: "The source failed",
  paused: "Paused",
};

export const START = { kind: "listening", song: null, sinceMs: 0, rival: null, rivalSinceMs: 0, maybeSinceMs: null, maybeShownMs: null };

/** Why nothing may be claimed now, or null. */
export function awayReason({ linkDownMs, denied, redis, loaded, view }, nowMs) {
  if (denied) return "This screen has no access to the feed";
  if (linkDownMs !== null && linkDownMs > GRACE_MS) return "No connection to the server";
  if (!loaded) return linkDownMs === null ? "Connecting" : "No connection to the server";
  if (redis === false) return "The server has lost its data";
  if (!view) return "There is no feed with this name";
  if (view.stale || view.heard_ms === null || nowMs - view.heard_ms > STALE_MS) return "The feed is not being listened to";
  return AWAY_STATES.includes(view.state) ? AWAY_WORDS[view.state] : null;
}

/**
 * The next state.
 * @param {object} state the last one (START at first)
 * @param {object} known {linkDownMs, denied, redis, loaded, view, detections}: detections of this feed, any order
 * @param {number} nowMs the server's clock
 */
export function next(state, known, nowMs) {
  const reason = awayReason(known, nowMs);
  if (reason) return { ...START, kind: "offline", reason, sinceMs: state.kind === "offline" ? state.sinceMs : nowMs };
  const open = known.detections.filter((d) => d.state === "open").sort((a, b) => b.confidence - a.confidence);
  const current = state.song && known.detections.find((d) => d.detection_id === state.song.detection_id);
  const chosen = choose(state, current, open, nowMs);
  if (chosen.song) return { ...START, kind: "song", sinceMs: nowMs, ...chosen, held: chosen.song.state !== "open" };
  return maybe(state, known.view.maybe === true, nowMs);
}

function choose(state, current, open, nowMs) {
  const best = open[0] ?? null;
  if (current?.state === "open") {
    if (!best || best.detection_id === current.detection_id) return { song: current, rival: null, rivalSinceMs: 0 };
    const rivalSinceMs = state.rival === best.detection_id ? state.rivalSinceMs : nowMs;
    if (nowMs - rivalSinceMs >= RIVAL_MS) return { song: best, rival: null, rivalSinceMs: 0 };
    return { song: current, rival: best.detection_id, rivalSinceMs };
  }
  if (best) return { song: best, rival: null, rivalSinceMs: 0 };
  if (current?.state === "closed") {
    // Held from the moment this screen learned of the end: the end itself lies some seconds back.
    const closedSeenMs = state.closedSeenMs ?? nowMs;
    if (nowMs - closedSeenMs < HOLD_MS) return { song: current, closedSeenMs };
  }
  return { song: null };
}

function maybe(state, gathering, nowMs) {
  const maybeSinceMs = gathering ? (state.maybeSinceMs ?? nowMs) : null;
  if (gathering && nowMs - maybeSinceMs >= MAYBE_AFTER_MS) return { ...START, kind: "maybe", maybeSinceMs, maybeShownMs: state.maybeShownMs ?? nowMs };
  if (state.kind === "maybe" && nowMs - state.maybeShownMs < MAYBE_HOLD_MS) return { ...START, kind: "maybe", maybeSinceMs, maybeShownMs: state.maybeShownMs };
  return { ...START, kind: "listening", maybeSinceMs };
}

/** The last songs that were heard to their end, newest first, without the one on show and without repeats in a row. */
export function lastSongs(detections, shown, count = 5) {
  const closed = detections.filter((d) => d.state === "closed" && d.detection_id !== shown?.detection_id);
  closed.sort((a, b) => b.startMs - a.startMs);
  return closed.filter((d, at) => at === 0 || d.work_id !== closed[at - 1].work_id).slice(0, count);
}
