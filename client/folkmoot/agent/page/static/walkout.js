/**
 * Walking out together: who calls whom, who comes along, and how to call. Nobody is taken along: each is asked.
 */

import { fill, h, say } from "./dom.js";
import { Dialog, button, changeList, note } from "./parts.js";
import { keepFocus } from "./side.js";
import { cleanName, plural } from "./words.js";

const ANSWERS = { yes: "comes along", no: "stays", "": "has not answered" };

/** A name in a sentence, with the tag that tells it from another like it. @param {any} person */
function named(person) {
  return person.tag ? `${cleanName(person.name)} (${cleanName(person.tag)})` : cleanName(person.name);
}

/** "Anna, Chidi and you". @param {any} call @param {any} me */
function everybody(call, me) {
  const own = call.with.some((one) => one.member === me?.member);
  const names = call.with.filter((one) => one.member !== me?.member).map(named);
  if (own) names.push("you");
  return names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${names.at(-1)}` : names[0];
}

/** Who calls whom. @param {any} call @param {any} me */
export function called(call, me) {
  const who = call.mine ? "You call" : `${named({ name: call.by_name, tag: call.by_tag })} calls`;
  return `${who} ${everybody(call, me)} to walk out together.`;
}

/** What it means, for those who call and those who are called. */
const MEANING = [
  "Who comes along goes on in another meeting, with other keys and another invite. Microphone and camera stay as they are.",
  "Those who stay see who called whom, who said yes, and that they left. Of what is said, shown or written in the other meeting they learn nothing.",
  "This meeting goes on for those who stay. To come back to it one must be let in again.",
];

/** Open calls, above the votes, and the button that begins one. */
export class Walkouts {
  /** @param {import("./meeting.js").Meeting} meeting */
  constructor(meeting) {
    this.meeting = meeting;
    this.cards = h("div", { class: "votes" });
    this.element = h(
      "section",
      { "aria-labelledby": "walkout-heading", class: "walkouts-part", hidden: true },
      h("h3", { id: "walkout-heading", tabindex: "-1" }, "Walking out together"),
      this.cards,
    );
    this.begin = button("Walk out together…", () => walkOutDialog(this.meeting.app), { class: "wide" });
    this.key = "";
  }

  /** @param {any} snapshot */
  update(snapshot) {
    const calls = Array.isArray(snapshot.calls) ? snapshot.calls : [];
    const others = (snapshot.members ?? []).length - 1;
    this.begin.hidden = others < 1 || calls.some((call) => call.mine);
    this.element.hidden = !calls.length;
    const key = JSON.stringify([calls.map((call) => ({ ...call, ends_in_s: 0 })), snapshot.me]);
    if (key === this.key) return;
    this.key = key;
    keepFocus(
      this.element,
      () => fill(this.cards, ...calls.map((call) => this.#card(call, snapshot.me))),
      () => this.element.querySelector("#walkout-heading"),
    );
  }

  /**
   * @param {any} call
   * @param {any} me
   */
  #card(call, me) {
    const others = call.with.filter((one) => one.member !== me?.member);
    return h(
      "div",
      { class: "vote walkout", dataset: { call: call.call } },
      h("p", { class: "strong" }, called(call, me)),
      h(
        "ul",
        { class: "small" },
        ...others.map((one) => h("li", {}, `${named(one)} ${ANSWERS[one.answer] ?? ANSWERS[""]}.`)),
      ),
      call.changes.length ? h("p", { class: "small" }, "The other meeting has other rules:") : null,
      call.changes.length ? changeList(call.changes) : null,
      ...this.#answer(call, me),
    );
  }

  /**
   * @param {any} call
   * @param {any} me
   */
  #answer(call, me) {
    if (call.mine) {
      const text =
        "When all have answered, or half a minute after the first yes, you go with those who come along.";
      return [h("p", { class: "small" }, text)];
    }
    if (call.own) {
      const text = call.own === "yes" ? "You come along: wait a moment." : "You said that you stay.";
      return [h("p", { class: "small strong" }, text)];
    }
    const choice = (yes) => {
      const words = yes ? "Come along" : "Stay";
      const about = `with ${named({ name: call.by_name, tag: call.by_tag })}`;
      const element = button(words, () => answerDialog(this.meeting.app, call, yes, me), {
        "aria-label": yes ? `Come along ${about}` : `Stay, and not walk out ${about}`,
      });
      element.dataset.focus = `${yes} ${call.call}`;
      return element;
    };
    return [h("div", { class: "vote-buttons" }, choice(true), choice(false))];
  }
}

/**
 * Asks once more: an answer is final.
 * @param {import("./app.js").App} app
 * @param {any} call
 * @param {boolean} yes
 * @param {any} me
 */
function answerDialog(app, call, yes, me) {
  const dialog = new Dialog(
    yes ? "Come along?" : "Stay here?",
    [
      h("p", {}, called(call, me)),
      ...(yes ? MEANING : ["You stay in this meeting, and the others go without you."]).map((line) => h("p", {}, line)),
      h("p", {}, "Everybody in this meeting can see your answer, and it is final."),
      h(
        "div",
        { class: "row end" },
        button("Not yet", () => dialog.close(), { autofocus: true }),
        button(
          yes ? "Come along" : "Stay",
          () => {
            const choice = yes ? "yes" : "no";
            if (app.line.send({ do: "vote", motion: call.call, choice })) dialog.close();
          },
          { class: "primary" },
        ),
      ),
    ],
    { class: "narrow", next: "#walkout-heading" },
  );
  return dialog.open();
}

/** Chooses who is called. @param {import("./app.js").App} app */
export function walkOutDialog(app) {
  const { members = [], me } = app.snapshot ?? {};
  const others = members.filter((member) => member.member !== me?.member);
  const boxes = others.map((member) => {
    const box = h("input", { type: "checkbox", value: member.member });
    box.addEventListener("change", () => count());
    const away = member.here === false ? " (away: cannot answer now)" : "";
    return h("label", { class: "choice" }, box, h("span", {}, `${named(member)}${away}`));
  });
  const chosen = () =>
    boxes.map((label) => label.querySelector("input")).filter((box) => box.checked).map((box) => box.value);
  const status = h("p", { class: "small", role: "status" });
  const go = button(
    "Call them",
    () => {
      if (app.line.send({ do: "secede", with: chosen() })) dialog.close();
    },
    { class: "primary" },
  );
  function count() {
    const number = chosen().length;
    go.disabled = number === 0;
    say(
      status,
      number === 0
        ? "Choose who is called."
        : `${plural(number, "person is", "people are")} called, ${others.length - number} not.`,
    );
  }
  // The focus is at the top, so that what it means is read first.
  const dialog = new Dialog("Walk out together", [
    ...MEANING.map((line) => h("p", {}, line)),
    note("info", "An informant who comes along hears the other meeting too. Call whom you know."),
    h("fieldset", { class: "choices" }, h("legend", { class: "strong" }, "Who is called"), ...boxes),
    status,
    h("p", { class: "quiet small" }, "Each of them is asked, and says yes or no. Nobody is taken along."),
    h("div", { class: "row end" }, button("Cancel", () => dialog.close()), go),
  ]);
  count();
  return dialog.open();
}
