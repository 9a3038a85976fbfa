/**
 * Votes: what is asked now, what was decided by which rule, and how to ask for a vote. Numbers and rules are the
 * agent's; here they become sentences.
 */

import { fill, h, say } from "./dom.js";
import { Dialog, button, changeList, charterList, note } from "./parts.js";
import { keepFocus } from "./side.js";
import { cleanName, cleanText, plural } from "./words.js";

const DECIDED_SHOWN = 3;
const CHANGES_SHOWN = 10;
const TIMER_MS = 1000;

/** A name in a sentence, with the tag that tells it from another like it. @param {unknown} name @param {unknown} tag */
function named(name, tag) {
  return tag ? `${cleanName(name)} (${cleanName(tag)})` : cleanName(name);
}

/** @param {any} motion */
function whom(motion) {
  return named(motion.subject_name, motion.subject_tag);
}

/** What it asks, to follow "a vote on". @param {any} motion */
export function subject(motion) {
  const me = motion.about_me === true;
  switch (motion.kind) {
    case "remove":
      return me ? "removing you" : `removing ${whom(motion)}`;
    case "raise":
      return me ? "giving you a vote" : `giving ${whom(motion)} a vote`;
    case "admit":
      return `letting ${whom(motion)} in`;
    case "amend":
      return "changing the rules of this meeting";
    default:
      return "changing the relays of this meeting";
  }
}

/** Who asks what. @param {any} motion @param {any} me */
export function asked(motion, me) {
  const own = motion.by === me?.member;
  return `${own ? "You ask" : `${named(motion.by_name, motion.by_tag)} asks`} for a vote on ${subject(motion)}.`;
}

/** How it went. @param {any} decided */
export function outcome(decided) {
  const what = subject(decided);
  if (decided.outcome === "carried") {
    const done = {
      remove: `${decided.about_me ? "You were" : `${whom(decided)} was`} removed by a vote`,
      raise: `${decided.about_me ? "You have" : `${whom(decided)} has`} a vote now`,
      admit: `${whom(decided)} was let in by a vote`,
      amend: "The rules were changed by a vote",
    }[decided.kind];
    const count =
      decided.needed > 0 ? `: ${decided.have} said yes, ${decided.needed} were needed.` : ".";
    return `${done ?? "The relays were changed by a vote"}${count}`;
  }
  const why =
    decided.outcome === "expired"
      ? `Its time is over: ${decided.have} said yes, ${decided.needed} were needed.`
      : "It cannot reach the number that it needs any more.";
  return `The vote on ${what} was not carried. ${why}`;
}

/** @param {number} seconds */
function timeLeft(seconds) {
  if (seconds <= 0) return "The time is over.";
  const whole = Math.ceil(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")} left`;
}

/** The list of changes that it brings, if it is one of the rules. @param {any} motion */
function changes(motion) {
  const list = Array.isArray(motion.changes) ? motion.changes : [];
  return list.length ? changeList(list.slice(0, CHANGES_SHOWN)) : null;
}

/** Open votes and the last decisions, above the list of people. */
export class Votes {
  /** @param {import("./meeting.js").Meeting} meeting */
  constructor(meeting) {
    this.meeting = meeting;
    this.cards = h("div", { class: "votes" });
    this.decided = h("div", { class: "decided" });
    this.element = h(
      "section",
      { "aria-labelledby": "votes-heading", class: "votes-part" },
      h("h3", { id: "votes-heading", tabindex: "-1" }, "Votes"),
      this.cards,
      this.decided,
    );
    /** @type {{element: HTMLElement, until: number}[]} */
    this.timers = [];
    this.key = "";
  }

  /** The time that is left is text outside of every live region: nobody hears it count down. */
  start() {
    this.clock ??= setInterval(() => this.#tick(), TIMER_MS);
  }

  stop() {
    clearInterval(this.clock);
    this.clock = undefined;
  }

  #tick() {
    const now = performance.now();
    for (const { element, until } of this.timers) say(element, timeLeft((until - now) / 1000));
  }

  /** @param {any} snapshot */
  update(snapshot) {
    const motions = Array.isArray(snapshot.motions) ? snapshot.motions : [];
    const decided = (snapshot.decided ?? []).slice(-DECIDED_SHOWN).reverse();
    this.element.hidden = !snapshot.voting?.used && !motions.length && !decided.length;
    const key = JSON.stringify([
      motions.map((motion) => ({ ...motion, ends_in_s: 0 })),
      snapshot.voting,
    ]);
    const now = performance.now();
    if (key !== this.key) {
      this.key = key;
      this.timers = [];
      keepFocus(
        this.element,
        () => {
          fill(
            this.cards,
            ...motions.map((motion) => this.#card(motion, snapshot)),
            motions.length ? null : h("p", { class: "quiet small" }, this.#none(snapshot)),
          );
        },
        () => this.element.querySelector("#votes-heading"),
      );
    }
    this.#past(decided);
    this.timers.forEach((timer, index) => {
      timer.until = now + (Number(motions[index]?.ends_in_s) || 0) * 1000;
    });
    this.#tick();
  }

  /** Those that stand there stay as they are, opened or not. @param {any[]} decided the newest first */
  #past(decided) {
    const ids = new Set(decided.map((one) => one.motion));
    const there = new Map(Array.from(this.decided.children).map((element) => [element.dataset.motion, element]));
    for (const [id, element] of there) if (!ids.has(id)) element.remove();
    for (const one of [...decided].reverse()) if (!there.has(one.motion)) this.decided.prepend(decision(one));
  }

  /** @param {any} snapshot */
  #none(snapshot) {
    const { voting } = snapshot;
    if (voting && !voting.votes)
      return "Nothing is asked now. You are a guest: you hear and speak, and do not vote.";
    return "Nothing is asked now.";
  }

  /**
   * @param {any} motion
   * @param {any} snapshot
   */
  #card(motion, snapshot) {
    const timer = h("span", { class: "quiet small", role: "timer" });
    this.timers.push({ element: timer, until: 0 });
    const bar = h("progress", { max: String(motion.needed), "aria-hidden": "true" });
    bar.value = Math.min(motion.have, motion.needed);
    return h(
      "div",
      { class: motion.about_me ? "vote about-me" : "vote", dataset: { motion: motion.motion } },
      h("p", { class: "strong" }, asked(motion, snapshot.me)),
      changes(motion),
      bar,
      h("p", { class: "small" }, progress(motion)),
      timer,
      ...this.#answer(motion),
    );
  }

  /** @param {any} motion */
  #answer(motion) {
    if (motion.about_me && motion.kind === "remove") {
      return [
        h(
          "p",
          { class: "small" },
          "This is about you. You go on hearing and speaking until it is decided, and you have no vote on it.",
        ),
      ];
    }
    if (motion.own) {
      return [h("p", { class: "small strong" }, `You said ${motion.own}. A vote is final.`)];
    }
    if (!motion.may_vote) return [h("p", { class: "small" }, "You have no vote on this.")];
    const choice = (yes) => {
      const word = yes ? "yes" : "no";
      const element = button(`Vote ${word}`, () => voteDialog(this.meeting.app, motion, yes), {
        "aria-label": `Vote ${word} on ${subject(motion)}`,
      });
      element.dataset.focus = `${word} ${motion.motion}`;
      return element;
    };
    return [h("div", { class: "vote-buttons" }, choice(true), choice(false))];
  }
}

/** How it stands. @param {any} motion */
function progress(motion) {
  const heads = `${motion.have} of the ${motion.needed} that are needed said yes.`;
  const lines = motion.lines_needed
    ? ` And ${motion.lines_have} of ${plural(motion.lines_needed, "line", "lines")}.`
    : "";
  const here = ` ${motion.electors} vote here, ${motion.here} of them are here now; who is away counts as no.`;
  return `${heads}${lines}${here}`;
}

/** @param {any} one */
function decision(one) {
  return h(
    "details",
    { class: "decision small", dataset: { motion: one.motion } },
    h("summary", {}, outcome(one)),
    h("p", { class: "quiet" }, "The rule:"),
    charterList({ sentences: one.rules }),
    changes(one),
  );
}

/**
 * Asks once more: an answer is final.
 * @param {import("./app.js").App} app
 * @param {any} motion
 * @param {boolean} yes
 */
function voteDialog(app, motion, yes) {
  const word = yes ? "yes" : "no";
  const dialog = new Dialog(
    `Vote ${word}?`,
    [
      h("p", {}, `The vote is on ${subject(motion)}. You say ${word}.`),
      h("p", {}, "A vote is final: you cannot change it. Everyone in the meeting can see how you voted."),
      changes(motion),
      h(
        "div",
        { class: "row end" },
        button("Not yet", () => dialog.close(), { autofocus: true }),
        button(
          `Vote ${word}`,
          () => {
            if (app.line.send({ do: "vote", motion: motion.motion, choice: word })) dialog.close();
          },
          { class: "primary" },
        ),
      ),
    ].filter(Boolean),
    { class: "narrow", next: "#votes-heading" },
  );
  return dialog.open();
}

/** What follows from a removal, and what asking for it means. @param {string} name */
function removalWords(name) {
  return [
    `If it is carried, ${name} is out at once and hears and reads nothing more. All invites of before are void: nobody comes back with an old one. Whom you still expect needs a new invite.`,
    `Everyone sees that you asked, ${name} too. ${name} has no vote on it. A vote is final, and a removal cannot be undone: ${name} would have to be invited and let in again.`,
    "You can mute and hide somebody for yourself at once, and nobody is asked.",
  ];
}

/**
 * "7 of 10 must say yes", and whether there are as many at all.
 * @param {any} voting
 * @param {number|null} needed
 * @param {number} lines
 * @param {number} possible how many of those who are here could say yes
 */
export function howMany(voting, needed, lines, possible) {
  if (needed === null || needed === undefined) {
    return note(
      "info",
      `It cannot be carried here: ${plural(voting.electors, "person votes", "people vote")}, and the rule needs more.`,
    );
  }
  const minutes = Math.round(voting.seconds / 60);
  const by = lines ? `, and ${plural(lines, "line", "lines")} of ${voting.lines}` : "";
  const text = `Now that means: ${needed} of the ${voting.electors} who vote must say yes${by}, within ${plural(minutes, "minute", "minutes")}.`;
  if (possible >= needed) return h("p", { class: "strong" }, text);
  const few = `Only ${possible} of those who are here could say yes, so it will not be carried unless others come back in time.`;
  return note("warning", h("p", {}, text), h("p", {}, few));
}

/**
 * Asks all who vote to decide about one person.
 * @param {import("./app.js").App} app
 * @param {"remove"|"raise"|"admit"} kind
 * @param {{id: string, name: string, tag?: string, votes?: boolean}} who
 */
export function moveDialog(app, kind, who) {
  const { voting = {}, members = [] } = app.snapshot ?? {};
  const asks = voting[kind] ?? {};
  const name = named(who.name, who.tag);
  const needed = kind === "remove" && who.votes === false ? asks.needed_of_guest : asks.needed;
  const possible = members.filter(
    (member) => member.votes && member.here !== false && !(kind === "remove" && member.member === who.id),
  ).length;
  const what = { remove: `remove ${name}`, raise: `give ${name} a vote`, admit: `let ${name} in` }[kind];
  const can = needed !== null && needed !== undefined;
  // The focus is at the top, so that the rule is what is read first, and not the buttons below it.
  const dialog = new Dialog(`Ask for a vote to ${what}?`, [
    h("p", {}, "No one person decides this. Those who vote are asked, by the rule that all agreed to:"),
    charterList({ sentences: asks.rules }),
    howMany(voting, needed, asks.lines, possible),
    ...(kind === "remove" ? removalWords(name) : ["Everyone sees that you asked."]).map((line) => h("p", {}, line)),
    h(
      "p",
      { class: "quiet small" },
      "Asking is not voting: you answer like everyone else.",
    ),
    h(
      "div",
      { class: "row end" },
      button(can ? "Cancel" : "Close", () => dialog.close()),
      can &&
        button(
          "Ask for the vote",
          () => {
            if (app.line.send({ do: "move", kind, subject: who.id })) dialog.close();
          },
          { class: kind === "remove" ? "danger" : "primary" },
        ),
    ),
  ]);
  return dialog.open();
}

/** What decisions are new, as sentences. @param {any} before @param {any} now @returns {string[]} */
export function fresh(before, now) {
  const known = new Set((before?.decided ?? []).map((one) => one.motion));
  return (now.decided ?? []).filter((one) => !known.has(one.motion)).map((one) => cleanText(outcome(one)));
}
