/**
 * Views that are a few words and perhaps a button: what has happened, and what one can do now.
 */

import { emblem, fill, h, mark, say } from "./dom.js";
import { button, charterList, copy, note } from "./parts.js";
import { cleanText } from "./words.js";

export class Plain {
  /**
   * @param {string} title
   * @param {string[]} lines
   * @param {...any} actions
   */
  constructor(title, lines, ...actions) {
    this.title = h("h1", { tabindex: "-1" }, title);
    this.element = h(
      "main",
      { class: "plain" },
      h(
        "div",
        { class: "plain-card" },
        emblem(),
        this.title,
        ...lines.map((line) => h("p", {}, line)),
        ...actions,
      ),
    );
  }

  enter() {
    document.title = `${this.title.textContent} · Folkmoot`;
    this.title.focus();
  }

  leave() {}

  /** @param {any} _snapshot */
  update(_snapshot) {}
}

const AWAY =
  "It runs on this computer and holds the keys of the meeting. Perhaps it was closed. Until it is back, nobody in the meeting hears or sees you, and your camera and microphone are off.";

/**
 * What to do once the program is gone, and the command that does it.
 * @param {string} phase what was shown before
 * @param {any} snapshot
 * @returns {{lines: string[], command: string}}
 */
function wayBack(phase, snapshot) {
  const invite = snapshot?.return_with ?? "";
  if (phase === "in" && snapshot?.relay_here)
    return {
      lines: [
        AWAY,
        "The relay of this meeting ran with it, so the meeting has stopped for everyone. Open a new one with this command in a terminal, and send the others its invite:",
      ],
      command: "folkmoot meet",
    };
  if (phase === "in" && invite)
    return {
      lines: [
        AWAY,
        "Your place is kept for ten minutes. Start Folkmoot again with this command in a terminal, and this page goes on by itself:",
      ],
      command: `folkmoot join ${invite}`,
    };
  return {
    lines: [
      "It runs on this computer. Perhaps it was closed. Start it again as you did before: it opens a new page.",
    ],
    command: "",
  };
}

/** The agent does not answer: the page waits for it, and says how to have it back. */
export class Lost extends Plain {
  /**
   * @param {import("./app.js").App} app
   * @param {string} phase what was shown before
   */
  constructor(app, phase) {
    const { lines, command } = wayBack(phase, app.snapshot);
    const stranger = h("div", { class: "stack", role: "status" });
    const again = button("Try again now", () => app.line.open(), { class: command ? "" : "primary" });
    super("The Folkmoot program does not answer", lines);
    const card = this.element.firstElementChild;
    if (command) {
      const text = h("textarea", {
        class: "invite-text",
        readonly: true,
        rows: command.length > 60 ? "4" : "1",
        spellcheck: "false",
        "aria-label": "The command",
      });
      text.value = command;
      text.addEventListener("focus", () => text.select());
      const status = h("span", { role: "status", class: "quiet" });
      const copies = button("Copy the command", () => copy(command, status), {
        class: "primary",
        icon: "copy",
      });
      card.append(text, h("div", { class: "row" }, copies, again), status);
    } else card.append(again);
    card.append(stranger);
    this.app = app;
    this.stranger = stranger;
    this.update();
  }

  update() {
    const strange = this.app.line.stranger;
    if (strange === this.strange) return;
    this.strange = strange;
    fill(
      this.stranger,
      strange &&
        note(
          "warning",
          "Another program on this computer answers in its place. This page tells it nothing. If Folkmoot opens a new page, use that one, and close this one.",
        ),
    );
  }
}

/** It is over for this person; the agent may say later how it went. */
export class Left extends Plain {
  /**
   * @param {boolean} wasIn or else they waited to be let in
   * @param {string} why what the agent says of it
   */
  constructor(wasIn, why) {
    const first = wasIn ? "The others go on without you." : "Nobody will let you in any more.";
    super(wasIn ? "You have left the meeting" : "You have stopped waiting", [
      why || first,
      "You can close this tab. To come back you need an invite, and somebody inside to let you in.",
    ]);
    this.words = this.element.querySelector("p");
    mark(this.words, "role", "status");
  }

  /** @param {string} why */
  because(why) {
    say(this.words, why);
  }
}

/**
 * The members took this person's seat away by their rule: who, which rule, and what is left to do.
 * @param {any} removed
 */
export function removedView(removed) {
  const how = h("p", {}, cleanText(removed.how));
  const rules = charterList({ sentences: removed.rules });
  return new Plain(
    "You were removed by a vote",
    [],
    how,
    rules,
    h(
      "p",
      {},
      "Your camera and microphone are off, and this computer hears and reads nothing of the meeting any more. Those who vote decided it by this rule, and no one person could.",
    ),
    h(
      "p",
      {},
      "The invite that you had is void. Whoever is in the meeting can send you a new one, and then you ask to come in like anybody else. You can also open a meeting of your own: folkmoot meet.",
    ),
    h("p", {}, "You can close this tab."),
  );
}

/** @param {() => void} take */
export function otherTabView(take) {
  return new Plain(
    "The meeting is open in another tab",
    ["It runs in one tab at a time, so that your camera and microphone are used once."],
    button("Use it here", take, { class: "primary large" }),
  );
}

export function keyLostView() {
  return new Plain("This page has lost its key", [
    "The key that opens the meeting works once, and only for a minute. Use the tab in which the meeting is open, or start Folkmoot again: it opens a new page.",
  ]);
}

export function keyNeededView() {
  return new Plain("This page needs its key", [
    "Folkmoot opens it with a key that works once. Start Folkmoot, and it opens the page by itself. If the meeting is open in another tab, go there.",
  ]);
}
