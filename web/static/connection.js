// The live channel: connects, shows its token, reconnects for ever, and knows how old the newest word is.
//
// Every (re)connection starts from a snapshot, so a page that slept for an hour is right again with one message.

const STALE_AFTER_MS = 6_000; // the server speaks at least every two seconds
const DEAD_AFTER_MS = 15_000;
const RETRY_FIRST_MS = 500;
const RETRY_MAX_MS = 10_000;

export class LiveConnection {
  /**
   * @param {object} options
   * @param {string[]|null} options.streams feeds wanted, or null for all
   * @param {() => string|null} options.token
   * @param {(message: object) => void} options.onMessage everything but hello
   * @param {() => void} options.onChange the state may have changed
   */
  constructor({ streams, token, onMessage, onChange }) {
    Object.assign(this, { streams, token, onMessage, onChange });
    this.state = "connecting"; // connecting, live, stale, reconnecting, token, refused
    this.heardAt = null; // performance.now() of the newest message
    this.clockOffsetMs = 0;
    this.server = null;
    this.failures = 0;
    this.socket = null;
    this.retry = null;
    setInterval(() => this.watch(), 1000);
    addEventListener("online", () => this.connectNow());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.watch();
    });
  }

  /** Milliseconds since the server last said anything, or null before the first word. */
  silentMs() {
    return this.heardAt === null ? null : performance.now() - this.heardAt;
  }

  /** The server's clock. */
  nowMs() {
    return Date.now() + this.clockOffsetMs;
  }

  connect() {
    clearTimeout(this.retry);
    const address = new URL("/api/v1/events", location.href);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    if (this.streams) address.searchParams.set("streams", this.streams.join(","));
    const socket = new WebSocket(address);
    this.socket = socket;
    this.openedAt = performance.now();
    socket.addEventListener("message", (event) => {
      if (socket === this.socket) this.take(event.data);
    });
    socket.addEventListener("close", (event) => {
      if (socket === this.socket) this.lost(event.code);
    });
  }

  connectNow() {
    if (this.state !== "reconnecting") return;
    this.failures = 0;
    this.connect();
  }

  take(text) {
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return;
    }
    this.heardAt = performance.now();
    if (Number.isFinite(message.now_ms)) this.clockOffsetMs = message.now_ms - Date.now();
    if (message.type === "hello") {
      this.greet(message);
      return;
    }
    this.failures = 0;
    this.enter("live");
    if (message.type === "resync_required") this.resubscribe();
    else this.onMessage(message);
  }

  greet(hello) {
    if (this.server !== null && this.server !== hello.server) {
      location.reload(); // the pages of another version are waiting
      return;
    }
    this.server = hello.server;
    if (!hello.auth) return;
    const token = this.token();
    if (token) this.socket.send(JSON.stringify({ type: "auth", token }));
    else this.halt("token");
  }

  /** Ask for a fresh snapshot. */
  resubscribe() {
    this.socket.send(JSON.stringify({ type: "subscribe", streams: this.streams, since: null }));
  }

  lost(code) {
    this.socket = null;
    if (code === 4401) return this.halt("token");
    if (code === 4403) return this.halt("refused");
    this.enter("reconnecting");
    const longest = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** this.failures);
    this.failures = code === 4429 ? 5 : this.failures + 1;
    this.retry = setTimeout(() => this.connect(), longest * (0.5 + Math.random() / 2));
  }

  halt(state) {
    const socket = this.socket;
    this.socket = null;
    socket?.close();
    this.enter(state);
  }

  watch() {
    const silent = this.silentMs();
    const open = this.socket !== null && this.socket.readyState === WebSocket.OPEN;
    if (open && silent !== null && silent > DEAD_AFTER_MS && performance.now() - this.openedAt > DEAD_AFTER_MS) {
      // Half-open: the network went away without a word.
      const socket = this.socket;
      this.lost(1006);
      socket.close();
    } else if (open && this.state === "live" && silent > STALE_AFTER_MS) {
      this.enter("stale");
    }
    this.onChange();
  }

  enter(state) {
    if (this.state === state) return;
    this.state = state;
    this.onChange();
  }
}
