/**
 * The safety code, and what has changed since people compared it.
 */

import { fill, h, icon, say } from "./dom.js";
import { Dialog, button, note } from "./parts.js";
import { codeGroups, number, plural, sentence } from "./words.js";

const KEPT = "folkmoot-compared";

/**
 * What this tab remembers of the last comparison.
 * @returns {{code: string, members: string[]}|null}
 */
function kept() {
  try {
    const value = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
    return value && typeof value.code === "string" && Array.isArray(value.members) ? value : null;
  } catch {
    return null;
  }
}

/**
 * Whether the code was compared, and what has changed since. The roster is enough to tell it: joining and leaving are
 * what changes the code, besides the renewal of keys.
 * @param {any} snapshot
 * @returns {{state: "never"|"same"|"changed", words: string}}
 */
export function comparison(snapshot) {
  const before = kept();
  if (!before) return { state: "never", words: "Not compared yet" };
  const now = new Set((snapshot.members ?? []).map((member) => member.member));
  const joined = [...now].filter((member) => !before.members.includes(member)).length;
  const left = before.members.filter((member) => !now.has(member)).length;
  if (!joined && !left) return { state: "same", words: "Compared" };
  const parts = [];
  if (joined) parts.push(`${number(joined)} joined`);
  if (left) parts.push(`${number(left)} left`);
  return { state: joined ? "changed" : "same", words: `${sentence(parts.join(" and "))} since you compared` };
}

/** @param {any} snapshot */
export function remember(snapshot) {
  sessionStorage.setItem(
    KEPT,
    JSON.stringify({
      code: snapshot.safety_code,
      members: (snapshot.members ?? []).map((member) => member.member),
    }),
  );
}

export function forget() {
  sessionStorage.removeItem(KEPT);
}

export class SafetyDialog {
  /** @param {import("./meeting.js").Meeting} meeting */
  constructor(meeting) {
    this.meeting = meeting;
    this.code = h("p", { class: "safety-code", dir: "ltr" });
    this.state = h("p", { class: "safety-state", role: "status" });
    this.differs = h("div");
    this.dialog = new Dialog(
      "Safety code",
      [
        h(
          "p",
          {},
          "Let somebody read these digits aloud while everyone looks at their own. If all of you have the same ones, you are in the same meeting with the same people, and nobody stands between you.",
        ),
        this.code,
        this.state,
        h(
          "div",
          { class: "row" },
          button(
            "We compared it, it is the same",
            () => {
              remember(meeting.app.snapshot);
              fill(this.differs);
              meeting.update(meeting.app.snapshot);
            },
            { class: "primary", icon: "check" },
          ),
          button("It is different", () => this.warn()),
        ),
        this.differs,
        h(
          "p",
          { class: "quiet small" },
          "The code changes whenever somebody joins or leaves, and when the meeting renews its keys. You need not compare it each time: this page tells you who joined since.",
        ),
      ],
      {
        onclose: () => {
          meeting.safety = null;
        },
      },
    );
    this.update(meeting.app.snapshot);
    this.dialog.open();
  }

  warn() {
    fill(
      this.differs,
      note(
        "warning",
        h("strong", {}, "Say nothing private now."),
        " First wait ten seconds and compare again: somebody may just have joined. If it is still different, somebody may stand between you. Leave, and open a new meeting with an invite sent another way.",
      ),
    );
  }

  /** @param {any} snapshot */
  update(snapshot) {
    const groups = codeGroups(snapshot.safety_code);
    if (groups.join() !== this.shown) {
      this.shown = groups.join();
      fill(this.code, ...groups.map((group) => h("span", {}, group)));
    }
    const { state, words } = comparison(snapshot);
    this.state.dataset.state = state;
    if (this.state.dataset.words !== words) {
      this.state.dataset.words = words;
      fill(
        this.state,
        icon(state === "same" ? "check" : "info"),
        h("span", {}, state === "never" ? "You have not compared it in this meeting." : `${words}.`),
      );
    }
  }
}

/**
 * For the header.
 * @param {HTMLElement} label
 * @param {any} snapshot
 */
export function labelSafety(label, snapshot) {
  const { state, words } = comparison(snapshot);
  say(label, state === "never" ? "Safety code" : words);
  return state;
}

/** @param {any} snapshot */
export function peopleCount(snapshot) {
  return plural((snapshot.members ?? []).length, "person", "people");
}
