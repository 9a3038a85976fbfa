/**
 * The page: which view is shown, and what the agent and the person tell each other.
 */

import { AgentLine, obtainSecret } from "./agent.js";
import { Call } from "./call.js";
import { Devices, LevelMeter } from "./devices.js";
import { announce, fill, h, icon } from "./dom.js";
import { Meeting } from "./meeting.js";
import { iconButton } from "./parts.js";
import { Left, Lost, keyLostView, keyNeededView, otherTabView, removedView } from "./plain.js";
import { Preview } from "./preview.js";
import { forget } from "./safety.js";
import { joined } from "./side.js";
import { Waiting } from "./waiting.js";
import { cleanText } from "./words.js";

const TOAST_MS = 8000;
const TOASTS_MAX = 3;
const LOST_MS = 5000;

export class App {
  /** @param {string} secret */
  constructor(secret) {
    /** The newest state, whole. @type {any} */
    this.snapshot = null;
    this.phase = "";
    this.view = null;
    this.devices = new Devices();
    this.line = new AgentLine(secret);
    this.call = new Call((message) => this.line.send(message), this.devices);
    /** @type {Record<string, boolean>} */
    this.told = {};
    /** All that was written, the oldest first: an agent that was started again knows nothing of it. @type {any[]} */
    this.written = [];
    /** Open dialogs that show the state of things. @type {Set<(snapshot: any) => void>} */
    this.following = new Set();
    this.level = 0;
    /** Why the meeting was left, where the agent says so. */
    this.why = "";
    /** By whose vote and which rules, where the members removed this person. @type {any} */
    this.removed = null;
    this.meter = new LevelMeter((level) => {
      this.level = level;
    });
    this.toasts = h("div", { class: "toasts", role: "region", "aria-label": "Messages of Folkmoot" });
    document.body.append(this.toasts);
    this.devices.addEventListener("change", () => {
      this.meter.follow(this.phase === "in" ? this.devices.tracks.microphone : null);
    });
    this.call.addEventListener("problem", (event) => this.toast(event.detail, true));
    this.line.addEventListener("event", (event) => this.heard(event.detail));
    this.line.addEventListener("up", () => this.connected());
    this.line.addEventListener("down", () => this.disconnected());
    this.line.addEventListener("refused", () => this.show("refused"));
    this.line.open();
  }

  // --- the line to the agent ---

  connected() {
    clearTimeout(this.lostTimer);
    this.lostTimer = undefined;
    this.told = {};
    this.again = true; // a fresh line needs a fresh connection for sound and picture
  }

  disconnected() {
    this.call.stop();
    if (this.phase === "left") return this.line.end(); // the program has ended: nobody answers any more
    if (this.snapshot) this.view?.update(this.snapshot);
    if (!this.waitsLost) announce("The connection to the Folkmoot program is lost.", true);
    this.waitsLost = true;
    // Also where it was there for a moment, and said nothing yet of the meeting.
    if (this.phase !== "lost") this.lostTimer ??= setTimeout(() => this.show("lost"), LOST_MS);
  }

  /** @param {any} event */
  heard(event) {
    if (this.waitsLost && this.phase !== "") announce("The Folkmoot program answers again.");
    this.waitsLost = false;
    switch (event?.event) {
      case "snapshot": {
        const stays = this.again && this.phase === "in" && event.phase === "in";
        this.again = false;
        if (Array.isArray(event.chat)) event.chat = this.written = joined(this.written, event.chat);
        this.snapshot = event;
        this.show(event.phase);
        this.view?.update(event);
        for (const update of [...this.following]) update(event);
        if (stays) this.call.start();
        break;
      }
      case "offer":
        this.call.offer(String(event.sdp));
        break;
      case "chat":
        this.written = joined(this.written, [event]);
        if (this.view instanceof Meeting) this.view.wrote(event);
        break;
      case "speaking":
        if (this.view instanceof Meeting) this.view.spoke(event);
        break;
      case "media":
        if (event.sentence && event.state !== "connected") this.toast(cleanText(event.sentence), true);
        break;
      case "unreached": // nobody's fault, as far as anybody knows
      case "marked":
        this.toast(cleanText(event.sentence));
        break;
      case "withheld":
      case "deafened":
      case "problem":
        this.toast(cleanText(event.sentence), true);
        break;
      case "refused":
        // At the door, the view says it, and goes on saying it.
        if (event.what === "admission" && this.view instanceof Waiting) break;
        this.toast(cleanText(event.why || "That was not possible."), true);
        break;
      case "draft":
        this.drafting?.(event);
        break;
      case "error":
        this.toast(cleanText(event.message), true);
        break;
      case "other_tab":
        this.snapshot = null;
        this.told = {};
        this.call.stop();
        this.devices.close();
        this.show("other_tab");
        break;
      case "left":
        this.why = event.why ? cleanText(event.why) : "";
        this.removed = event.removed ?? null;
        if (this.view instanceof Left && this.why) this.view.because(this.why);
        this.show("left");
        this.line.end();
        break;
      default:
    }
  }

  /** Tells the agent what the switches are, when that changed. */
  tellSwitches() {
    for (const [what, on] of [
      ["microphone", this.devices.microphoneOn],
      ["camera", this.devices.cameraOn],
    ]) {
      if (this.told[what] === on || !this.line.up) continue;
      if (this.devices.asking) return;
      if (this.line.send({ do: what, on })) this.told[what] = on;
    }
  }

  ownLevel() {
    return this.devices.microphoneOn && this.level > 0.35 ? this.level * 0.2 : 0;
  }

  leaveNow() {
    this.line.send({ do: "leave" });
    this.show("left");
  }

  // --- views ---

  /** @param {string} phase */
  show(phase) {
    if (phase === this.phase || (this.phase === "left" && phase !== "preview")) return;
    const before = this.phase;
    this.phase = phase;
    this.view?.leave();
    /** @type {any} */ (document.querySelector("dialog[open]"))?.close(); // what it had open goes with it
    this.view = this.make(phase, before);
    fill(/** @type {Element} */ (document.getElementById("app")), this.view.element);
    if (["left", "lost", "refused"].includes(phase)) {
      this.devices.close();
      this.call.stop();
      this.meter.stop();
    }
    if (phase === "left" || phase === "refused") {
      forget();
      this.written = [];
    }
    if (this.snapshot) this.view.update(this.snapshot);
    this.view.enter();
  }

  /**
   * @param {string} phase
   * @param {string} before
   */
  make(phase, before) {
    switch (phase) {
      case "preview":
        return new Preview(this);
      case "knocking":
        return new Waiting(this);
      case "in":
        return new Meeting(this, before === "lost");
      case "left":
        if (this.removed) return removedView(this.removed);
        return new Left(before !== "knocking", this.why);
      case "other_tab":
        return otherTabView(() => {
          if (this.line.send({ do: "take" })) announce("Moving the meeting to this tab.");
        });
      case "lost":
        return new Lost(this, before);
      default:
        return keyLostView();
    }
  }

  /**
   * A sentence for a few seconds.
   * @param {string} text
   * @param {boolean} [urgent]
   */
  toast(text, urgent = false) {
    for (const shown of [...this.toasts.children])
      if (shown.querySelector("p")?.textContent === text) shown.remove();
    const element = h(
      "div",
      { class: "toast" },
      icon(urgent ? "warning" : "info"),
      h("p", {}, text),
      iconButton("close", "Dismiss", () => element.remove()),
    );
    this.toasts.append(element);
    while (this.toasts.children.length > TOASTS_MAX) this.toasts.firstElementChild?.remove();
    announce(text, urgent);
    setTimeout(() => {
      if (!element.matches(":hover, :focus-within")) element.remove();
    }, TOAST_MS);
  }
}

const secret = await obtainSecret();
if (secret) new App(secret);
else {
  const view = keyNeededView();
  fill(/** @type {Element} */ (document.getElementById("app")), view.element);
  view.enter();
}
