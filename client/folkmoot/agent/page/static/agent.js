/**
 * The page's line to the agent: the key of this tab, the WebSocket, and coming back when it breaks.
 */

const RETRY_MS_FIRST = 250;
const RETRY_MS_MAX = 3000;
const KEY = "folkmoot-secret";

/**
 * Takes the one-time token out of the address bar and gives it for the secret of this tab.
 * @returns {Promise<string|null>}
 */
export async function obtainSecret() {
  const token = location.hash.slice(1);
  if (token) history.replaceState(null, "", location.pathname);
  if (token) {
    try {
      const answer = await fetch("/session", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ token }),
        credentials: "omit",
      });
      if (answer.ok) sessionStorage.setItem(KEY, (await answer.json()).secret);
    } catch {
      // The agent does not answer: a secret of before may still serve.
    }
  }
  return sessionStorage.getItem(KEY);
}

export class AgentLine extends EventTarget {
  /** @param {string} secret */
  constructor(secret) {
    super();
    this.secret = secret;
    /** One number for as long as this page is loaded: it may take its own place again. */
    this.instance = Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) =>
      byte.toString(16).padStart(2, "0"),
    ).join("");
    /** @type {WebSocket|null} */
    this.socket = null;
    this.retry = RETRY_MS_FIRST;
    this.ended = false;
    this.known = false;
    addEventListener("pagehide", () => this.socket?.close(1000));
    addEventListener("pageshow", (event) => {
      if (event.persisted) location.reload();
    });
    addEventListener("online", () => this.open());
  }

  get up() {
    return this.socket?.readyState === WebSocket.OPEN && this.known;
  }

  open() {
    if (this.ended || (this.socket && this.socket.readyState <= WebSocket.OPEN)) return;
    clearTimeout(this.timer);
    const socket = new WebSocket(`ws://${location.host}/page`);
    this.socket = socket;
    this.known = false;
    socket.onopen = () =>
      socket.send(JSON.stringify({ do: "hello", secret: this.secret, instance: this.instance }));
    socket.onmessage = (message) => {
      let event;
      try {
        event = JSON.parse(message.data);
      } catch {
        return;
      }
      if (!this.known) {
        this.known = true;
        this.retry = RETRY_MS_FIRST;
        this.#tell("up");
      }
      this.dispatchEvent(new CustomEvent("event", { detail: event }));
    };
    socket.onclose = (close) => {
      if (this.socket !== socket) return;
      const refused = close.code === 1008 && !this.known;
      this.known = false;
      if (this.ended) return;
      if (refused) {
        this.ended = true;
        sessionStorage.removeItem(KEY);
        this.#tell("refused");
        return;
      }
      this.#tell("down");
      this.timer = setTimeout(() => this.open(), this.retry * (0.8 + Math.random() * 0.4));
      this.retry = Math.min(RETRY_MS_MAX, this.retry * 1.7);
    };
  }

  /**
   * @param {Record<string, any>} message
   * @returns {boolean} whether it went out
   */
  send(message) {
    if (!this.up) return false;
    this.socket?.send(JSON.stringify(message));
    return true;
  }

  /** No more: the meeting was left. */
  end() {
    this.ended = true;
    clearTimeout(this.timer);
    this.socket?.close(1000);
  }

  /** @param {string} name */
  #tell(name) {
    this.dispatchEvent(new Event(name));
  }
}
