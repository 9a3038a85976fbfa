/**
 * What stands above the pictures: the meeting's name, relays and safety code; notices; who knocks.
 */

import { connectionDialog } from "./dialogs.js";
import { emblem, fill, h, icon, mark, say } from "./dom.js";
import { button, note } from "./parts.js";
import { SafetyDialog, labelSafety } from "./safety.js";
import { keepFocus, knockRow } from "./side.js";
import { asked, subject } from "./votes.js";
import { called } from "./walkout.js";
import { plural } from "./words.js";

const KNOCKS_SHOWN = 2;
const VOTES_SHOWN = 2;

/** How many relays are up, in words and as good, fair or bad. @param {any[]} relays */
function relayState(relays) {
  const all = relays;
  relays = all.filter((relay) => (relay.use ?? "in use") === "in use");
  const up = relays.filter((relay) => relay.up).length;
  if (!up && all.some((relay) => relay.up)) return { state: "fair", words: "Carried by the reserve" };
  if (!relays.length) return { state: "bad", words: "No relay" };
  if (!up) return { state: "bad", words: "No relay answers" };
  if (up < relays.length) return { state: "fair", words: `${up} of ${relays.length} relays connected` };
  if (up === 1) return { state: "good", words: "Relay connected" };
  return { state: "good", words: `${plural(up, "relay", "relays")} connected` };
}

export class Header {
  /** @param {import("./meeting.js").Meeting} meeting */
  constructor(meeting) {
    this.meeting = meeting;
    this.title = h("h1", { tabindex: "-1" });
    this.relayWords = h("span");
    this.dot = h("span", { class: "dot", "aria-hidden": "true" });
    this.safetyWords = h("span");
    const pill = (onclick, ...content) => h("button", { type: "button", class: "pill", onclick }, ...content);
    this.relays = pill(() => connectionDialog(meeting.app), this.dot, this.relayWords);
    const openSafety = () => {
      meeting.safety = new SafetyDialog(meeting);
    };
    this.safety = pill(openSafety, icon("shield"), this.safetyWords);
    this.element = h(
      "header",
      { class: "top" },
      h("div", { class: "top-title" }, emblem(), this.title),
      h("div", { class: "pills" }, this.relays, this.safety),
    );
  }

  /**
   * @param {any} snapshot
   * @param {string} title
   */
  update(snapshot, title) {
    say(this.title, title);
    // Without the program nobody knows how the relays are.
    const { state, words } = this.meeting.app.line.up
      ? relayState(snapshot.relays ?? [])
      : { state: "bad", words: "Not connected" };
    say(this.relayWords, words);
    this.dot.className = `dot ${state}`;
    mark(this.relays, "aria-label", `${words}. Connection and rules`);
    const compared = labelSafety(this.safetyWords, snapshot);
    this.safety.dataset.state = compared;
    const told =
      compared === "never" ? "Safety code, not compared yet" : `Safety code: ${this.safetyWords.textContent}`;
    mark(this.safety, "aria-label", told);
  }
}

/** Sentences about the state of things, as long as it lasts. */
export class Notices {
  /** @param {import("./meeting.js").Meeting} meeting */
  constructor(meeting) {
    this.meeting = meeting;
    this.element = h("div", { class: "notices", role: "status" });
  }

  /** @returns {["info"|"warning"|"shield", string][]} */
  #now() {
    const { app } = this.meeting;
    const { relays = [], confirmed } = app.snapshot ?? {};
    /** @type {["info"|"warning"|"shield", string][]} */
    const notices = [];
    if (!app.line.up) {
      notices.push(["warning", "The Folkmoot program on this computer does not answer. Trying again …"]);
    } else if (relays.length && !relays.some((relay) => relay.up)) {
      notices.push([
        "warning",
        "No relay answers right now. You stay in the meeting, and it goes on by itself when one is back.",
      ]);
    }
    if (confirmed === false) {
      notices.push([
        "shield",
        "Not yet confirmed by who invited you. Until then your microphone and camera send nothing; what you write in the chat is sent.",
      ]);
    }
    if (!app.call.possible) {
      notices.push([
        "warning",
        "This browser cannot carry sound and picture (WebRTC is missing or switched off). You can read and write.",
      ]);
    } else if (app.call.state === "failed") {
      notices.push(["warning", "Sound and picture were interrupted. Trying again …"]);
    }
    return notices;
  }

  /** Nobody else is here, and nobody comes without an invite. */
  #alone() {
    const { members = [], knocks = [], confirmed } = this.meeting.app.snapshot ?? {};
    return members.length === 1 && !knocks.length && confirmed !== false;
  }

  /** What is asked and not answered yet, for those who do not see the list of people. */
  #votes() {
    const { app, side } = this.meeting;
    const { motions = [], me } = app.snapshot ?? {};
    if (side === "people") return [];
    const open = motions.filter((motion) => motion.may_vote || (motion.about_me && motion.kind === "remove"));
    if (open.length <= VOTES_SHOWN) return open.map((motion) => asked(motion, me));
    return [`${open.length} votes are open. The first that ends is on ${subject(open[0])}.`];
  }

  /** Who calls this person to walk out, likewise. */
  #calls() {
    const { app, side } = this.meeting;
    const { calls = [], me } = app.snapshot ?? {};
    return side === "people" ? [] : calls.filter((call) => !call.mine && !call.own).map((call) => called(call, me));
  }

  update() {
    const { silent } = this.meeting;
    const votes = this.#votes();
    const calls = this.#calls();
    const notices = this.#now();
    const alone = this.#alone();
    const key = JSON.stringify([notices, silent, alone, votes, calls]);
    if (key === this.key) return;
    this.key = key;
    const invite = () => button("Invite somebody", () => this.meeting.invite(), { icon: "invite" });
    const sound = () => button("Turn the sound on", () => this.meeting.unsilence(), { class: "primary" });
    fill(
      this.element,
      ...notices.map(([kind, text]) => note(kind, text)),
      ...votes.map((text) =>
        note(
          "info",
          text,
          button("See the vote", () => this.meeting.showSide("people"), { "data-focus": "see the vote" }),
        ),
      ),
      ...calls.map((text) =>
        note(
          "info",
          text,
          button("See the call", () => this.meeting.showSide("people"), { "data-focus": "see the call" }),
        ),
      ),
      alone && note("info", "You are the only one here.", invite()),
      silent && note("info", "Your browser waits for a click before it plays sound. ", sound()),
    );
  }
}

/** Those who knock stand over the pictures, whatever else is open. */
export class Knocks {
  /** @param {import("./meeting.js").Meeting} meeting */
  constructor(meeting) {
    this.meeting = meeting;
    this.element = h("div", { class: "knocks", role: "region", "aria-label": "Waiting to be let in" });
  }

  /** @param {any} snapshot */
  update(snapshot) {
    const { meeting } = this;
    const knocks = meeting.side === "people" ? [] : (snapshot.knocks ?? []);
    const key = JSON.stringify([knocks, snapshot.voting?.admit]);
    if (key === this.key) return;
    this.key = key;
    const more = knocks.length - KNOCKS_SHOWN;
    keepFocus(
      this.element,
      () =>
        fill(
          this.element,
          ...knocks.slice(0, KNOCKS_SHOWN).map((knock) => knockRow(knock, meeting, snapshot.voting)),
          more > 0 && button(plural(more, "more waits", "more wait"), () => meeting.showSide("people")),
        ),
      () => meeting.controls.people.element,
    );
    this.element.hidden = !knocks.length;
  }
}
