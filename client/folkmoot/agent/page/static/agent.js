/**
 * The page's line to the agent: the key of this tab, the WebSocket, and coming back when it breaks.
 *
 * While no agent runs, any program of this machine may listen where it was. So a page that lost its line says no secret
 * to whoever answers there: both sides prove that they have the return key, the agent first, and until then nothing of
 * what the other side says is taken for the agent's word.
 */

const RETRY_MS_FIRST = 250;
const RETRY_MS_MAX = 3000;
const KEY = "folkmoot-secret";
const LABEL = "Folkmoot 1 page return";
const NONCE_BYTES = 32;

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

/** @param {Uint8Array} bytes */
function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}

/** The return key, in this page's memory and nowhere else: it cannot be read out of it again. */
class ReturnKey {
  #text = "";
  /** @type {Promise<CryptoKey>|null} */
  #key = null;

  get known() {
    return this.#key !== null;
  }

  /** @param {string} text 43 characters of base64url */
  set(text) {
    if (text === this.#text) return;
    this.#text = text;
    const bytes = new TextEncoder().encode(text);
    this.#key = crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, [
      "sign",
      "verify",
    ]);
  }

  /** @param {string} side @param {string} pageNonce @param {string} agentNonce */
  #words(side, pageNonce, agentNonce) {
    return new TextEncoder().encode([LABEL, side, location.port, pageNonce, agentNonce].join("\n"));
  }

  /** Whether `proof` is of an agent that has the key. @param {string[]} nonces @param {unknown} proof */
  async isOfAgent([pageNonce, agentNonce], proof) {
    if (!this.#key || typeof proof !== "string") return false;
    let bytes;
    try {
      const text = atob(proof.replaceAll("-", "+").replaceAll("_", "/"));
      bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
    } catch {
      return false;
    }
    const words = this.#words("agent", pageNonce, agentNonce);
    return crypto.subtle.verify("HMAC", await this.#key, bytes, words);
  }

  /** @param {string[]} nonces */
  async proof([pageNonce, agentNonce]) {
    if (!this.#key) return "";
    const words = this.#words("page", pageNonce, agentNonce);
    return base64url(new Uint8Array(await crypto.subtle.sign("HMAC", await this.#key, words)));
  }
}

/** Tells "up", "down", "refused" (this page has no key that opens anything), and the agent's events as "event". */
export class AgentLine extends EventTarget {
  #returnKey = new ReturnKey();

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
    /** Another program answers where the agent was. */
    this.stranger = false;
    addEventListener("pagehide", () => this.socket?.close(1000));
    addEventListener("pageshow", (event) => {
      if (event.persisted) location.reload();
    });
    addEventListener("online", () => this.open());
    // The timers of a page that nobody looks at may be slowed down to one a minute.
    addEventListener("visibilitychange", () => this.open());
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
    const returns = this.#returnKey.known;
    const nonce = base64url(crypto.getRandomValues(new Uint8Array(NONCE_BYTES)));
    const { instance } = this;
    socket.onopen = () =>
      socket.send(
        JSON.stringify(
          returns ? { do: "return", nonce, instance } : { do: "hello", secret: this.secret, instance },
        ),
      );
    socket.onmessage = (message) => {
      let event;
      try {
        event = JSON.parse(message.data);
      } catch {
        return;
      }
      if (socket !== this.socket || this.ended) return;
      if (this.known) this.dispatchEvent(new CustomEvent("event", { detail: event }));
      else if (returns && !socket.isAgent) this.#challenged(socket, nonce, event);
      else if (event?.event === "welcome") this.#welcomed(event);
    };
    socket.onclose = (close) => {
      if (this.socket !== socket) return;
      const refused = close.code === 1008 && !this.known && !returns;
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
   * The first word of whoever answers where the agent was.
   * @param {any} socket
   * @param {string} nonce
   * @param {any} event
   */
  async #challenged(socket, nonce, event) {
    const nonces = [nonce, String(event?.nonce ?? "")];
    const good = event?.event === "challenge" && (await this.#returnKey.isOfAgent(nonces, event.proof));
    if (socket !== this.socket) return;
    this.stranger = !good;
    if (!good) return socket.close(1000);
    socket.isAgent = true;
    socket.send(JSON.stringify({ do: "proof", proof: await this.#returnKey.proof(nonces) }));
  }

  /** @param {any} event */
  #welcomed(event) {
    this.known = true;
    this.stranger = false;
    this.retry = RETRY_MS_FIRST;
    this.secret = String(event.secret);
    this.#returnKey.set(String(event.return_key));
    sessionStorage.setItem(KEY, this.secret); // for a reload
    this.#tell("up");
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
