/**
 * After knocking, before anybody has let this person in: at the door, with what is known of the other side of it.
 */

import { announce, emblem, fill, h, say } from "./dom.js";
import { button, charterList } from "./parts.js";
import { cleanName, cleanText } from "./words.js";

const UNHEARD_MS = 15_000;
/** @type {Record<string, string>} */
const QUIET = {
  waiting: "Your microphone and camera send nothing while you wait.",
  declined: "You heard and saw nothing of the meeting, and nothing of yours went into it but your name.",
  rules: "You are not in before you agree, and nothing that you say or show is sent.",
};

export class Waiting {
  /** @param {import("./app.js").App} app */
  constructor(app) {
    this.app = app;
    this.title = h("h1", { tabindex: "-1" });
    this.words = h("div", { class: "stack" });
    this.status = h("p", { role: "status" });
    this.quiet = h("p", { class: "quiet small" });
    this.buttons = h("div", { class: "row" });
    this.mark = h("div", { class: "knocking", "aria-hidden": "true" }, emblem());
    this.element = h(
      "main",
      { class: "plain" },
      h("div", { class: "plain-card" }, this.mark, this.title, this.words, this.status, this.quiet, this.buttons),
    );
    this.kind = "";
    this.key = "";
  }

  enter() {
    this.entered = true;
    this.late = setTimeout(() => {
      this.unheard = true;
      this.update(this.app.snapshot);
    }, UNHEARD_MS);
    this.title.focus();
    if (this.kind === "waiting") announce("You have knocked. Waiting for somebody inside to let you in.");
  }

  leave() {
    clearTimeout(this.late);
  }

  /** @param {any} snapshot */
  update(snapshot) {
    const { rules = [], declined = "" } = snapshot.door ?? {};
    const kind = rules.length ? "rules" : declined ? "declined" : "waiting";
    const name = cleanName(snapshot.me?.name);
    const key = JSON.stringify([kind, name, rules, declined]);
    if (key !== this.key) {
      this.key = key;
      this.#draw(kind, name, rules, declined);
    }
    say(this.status, kind === "waiting" ? this.#state(snapshot) : "");
    say(this.quiet, QUIET[kind]);
  }

  /**
   * @param {string} kind
   * @param {string} name
   * @param {string[]} rules
   * @param {string} declined
   */
  #draw(kind, name, rules, declined) {
    const changed = kind !== this.kind;
    this.kind = kind;
    this.mark.classList.toggle("still", kind !== "waiting");
    const strong = h("bdi", { class: "strong" }, name);
    if (kind === "waiting") {
      this.#say("Waiting to be let in", [
        h("p", { class: "lead" }, "Those inside see your name: ", strong, "."),
      ]);
      fill(this.buttons, this.#stop("Stop waiting"));
    } else if (kind === "declined") {
      this.#say("You were not let in", [
        h("p", { class: "lead" }, cleanText(declined)),
        h(
          "p",
          {},
          "Perhaps they did not know who ",
          strong,
          " is. You can ask who invited you, by telephone or another way. While this page is open, others who are inside can still let you in. To knock anew, leave, and join again with the same invite.",
        ),
      ]);
      fill(this.buttons, this.#stop("Stop knocking, and leave"));
    } else {
      this.#say("The rules have changed", [
        h("p", {}, "Since this invite was made, the rules of the meeting have changed. New are:"),
        charterList({ sentences: rules }),
      ]);
      fill(
        this.buttons,
        button("Do not join", () => this.app.leaveNow()),
        button("Join under these rules", () => this.app.line.send({ do: "accept_charter" }), {
          class: "primary",
        }),
      );
    }
    if (changed && this.entered) {
      document.title = `${this.title.textContent} · Folkmoot`;
      this.title.focus();
      announce(`${this.title.textContent}.`, true);
    }
  }

  /** @param {string} title @param {any[]} words */
  #say(title, words) {
    say(this.title, title);
    fill(this.words, ...words);
  }

  /** @param {string} words */
  #stop(words) {
    return button(words, () => this.app.leaveNow());
  }

  /** What is known of the other side of the door. @param {any} snapshot */
  #state(snapshot) {
    const relays = snapshot.relays ?? [];
    if (!this.app.line.up) return "The Folkmoot program on this computer does not answer. Trying again …";
    if (relays.length && !relays.some((relay) => relay.up)) return "No relay answers so far. Still trying.";
    if (snapshot.door?.heard) return "Somebody inside has your knock. It is for them to let you in.";
    if (this.unheard)
      return "Nobody inside has answered yet. Perhaps who invited you has not opened the meeting: you can stay here, and remind them another way.";
    return "";
  }
}
