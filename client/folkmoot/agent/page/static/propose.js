/**
 * Asking all who vote for other rules, or for other relays. Nothing changes by it: they decide.
 */

import { fill, h, say } from "./dom.js";
import { Dialog, button, changeList, charterList, note } from "./parts.js";
import { keepFocus } from "./side.js";
import { howMany } from "./votes.js";

const DRAFT_AFTER_MS = 250;
let drafts = 0; // over all dialogs, so that an answer to one that was closed is known as old

const ADMISSION = [
  ["open", "Anybody who has the invite comes in"],
  ["sponsor", "One member who votes lets them in"],
  ["ballot", "A vote lets them in"],
];
/** What the charters that come with the program are for. @type {Record<string, string>} */
const PRESETS = {
  circle: "A circle: few people who know each other",
  assembly: "An assembly: public, anybody may come",
  unremovable: "Unremovable: nobody is ever removed",
};
const SHARES = ["more than 2/3", "at least 3/4", "at least 4/5", "at least 9/10"];

/**
 * The button that begins it, where this meeting's rules know such a vote and this person has one.
 * @param {import("./app.js").App} app
 * @param {"amend"|"relays"} kind
 */
export function proposal(app, kind) {
  const { voting, phase } = app.snapshot ?? {};
  if (phase !== "in" || !voting?.votes || !voting[kind]) return null;
  const words = kind === "amend" ? "Propose other rules…" : "Propose other relays…";
  return button(words, () => propose(app, kind === "amend" ? new Rules() : new Relays()), { "data-focus": words });
}

/** @param {string} label @param {[string, string][]} choices @param {string} now */
function choice(label, choices, now) {
  const known = choices.some(([value]) => value === now);
  const select = h(
    "select",
    { "aria-label": label, "data-focus": label },
    ...(known ? choices : [[now, now], ...choices]).map(([value, words]) =>
      h("option", { value, selected: value === now }, value === now ? `${words} (as now)` : words),
    ),
  );
  return { select, element: h("label", { class: "field" }, h("span", { class: "label" }, label), select) };
}

/** What this person wants of other rules; what they did not touch is as it is now. */
class Rules {
  kind = "amend";
  title = "Propose other rules";
  what = "rules";

  constructor() {
    this.element = h("div", { class: "proposal" });
    /** By field. @type {Record<string, string>} */
    this.wanted = {};
    this.preset = "";
    this.element.addEventListener("input", (event) => this.#chose(/** @type {any} */ (event.target)));
  }

  /** What it is compared with. @param {any} snapshot */
  ground({ charter = {} }) {
    return charter;
  }

  /** Draws it anew. @param {any} snapshot */
  show({ charter = {}, voting }) {
    this.charter = charter;
    this.presets = voting?.amend?.presets ?? {};
    const shares = SHARES.map((share) => [share, `${share} of all who vote`]);
    const removal = [...shares, ["never", "Never, by anybody: this cannot be taken back"]];
    const labels = {
      admission: ["Who may come in", ADMISSION],
      removal: charter.removal === "never" ? null : ["How somebody is removed", removal],
      amendment: ["How the rules and the relays are changed", [...shares, ["never", "Never, by anybody"]]],
    };
    /** @type {Record<string, HTMLSelectElement>} */
    this.fields = {};
    const parts = [this.#presets()];
    for (const [name, of] of Object.entries(labels)) {
      if (!of) continue;
      const { select, element } = choice(of[0], of[1], charter[name]);
      this.fields[name] = select;
      parts.push(element);
    }
    if (charter.removal === "never") {
      parts.push(
        h(
          "p",
          { class: "quiet small" },
          "This meeting began without removal, or gave it up, and no vote can bring it in. Who wants it otherwise walks out together with others.",
        ),
      );
    }
    keepFocus(this.element, () => fill(this.element, ...parts), () => this.element.querySelector("select"));
    this.#set();
  }

  #presets() {
    const names = Object.keys(this.presets);
    if (!names.length) return null;
    this.begin = h(
      "select",
      { "aria-label": "Begin with", "data-focus": "Begin with" },
      h("option", { value: "" }, "The rules as they are now"),
      ...names.map((name) => h("option", { value: name, selected: name === this.preset }, PRESETS[name] ?? name)),
    );
    this.partly = h("p", { class: "quiet small", role: "status" });
    const label = h("label", { class: "field" }, h("span", { class: "label" }, "Begin with"), this.begin);
    return h("div", {}, label, this.partly);
  }

  /** The choices as they are wanted. */
  #set() {
    for (const [name, select] of Object.entries(this.fields)) {
      const value = this.wanted[name] ?? this.charter[name];
      if (!Array.from(select.options).some((option) => option.value === value))
        select.append(h("option", { value }, value));
      select.value = value;
    }
    const preset = this.presets[this.preset];
    if (this.partly)
      say(this.partly, preset && !preset.whole ? "What no vote can change stays as it is: who votes, how lines count, and that a meeting without removal has none." : "");
  }

  /** @param {HTMLSelectElement} target */
  #chose(target) {
    if (target === this.begin) {
      this.preset = target.value;
      this.wanted = { ...this.presets[this.preset]?.fields };
      this.#set();
      return;
    }
    for (const [name, select] of Object.entries(this.fields)) if (select === target) this.wanted[name] = select.value;
  }

  /** What is proposed; null while it is what there is. */
  subject() {
    const changed = Object.entries(this.fields).filter(([name, select]) => select.value !== this.charter[name]);
    return changed.length ? Object.fromEntries(changed.map(([name, select]) => [name, select.value])) : null;
  }
}

/** What this person wants of other relays. */
class Relays {
  kind = "relays";
  title = "Propose other relays";
  what = "relays";

  constructor() {
    this.now = "";
    this.list = h("textarea", {
      rows: "6",
      spellcheck: "false",
      autocomplete: "off",
      "aria-label": "Addresses of relays, one in each line",
    });
    this.element = h(
      "div",
      { class: "proposal" },
      h(
        "p",
        {},
        "One address in each line, as “folkmoot relay” prints it. The first three carry the meeting, the others are in reserve. One may be a relay that you run yourself.",
      ),
      h("div", { class: "field" }, this.list),
    );
  }

  /** @param {any} snapshot */
  ground({ relays = [] }) {
    return relays.filter(({ use }) => use === undefined || use === "in use" || use === "reserve").map((relay) => relay.address);
  }

  /** @param {any} snapshot */
  show(snapshot) {
    const before = this.now;
    this.now = this.ground(snapshot).join("\n");
    // What was written stays, and is compared anew.
    if (this.list.value.trim() === before) this.list.value = this.now;
  }

  subject() {
    const text = this.list.value.trim();
    return text === this.now ? null : text || null;
  }
}

/**
 * The dialog around both: what would change, as the agent says, who decides, and the button. It follows what happens
 * in the meeting: nothing is sent that was compared with rules or relays of before.
 * @param {import("./app.js").App} app
 * @param {Rules|Relays} wish
 */
function propose(app, wish) {
  const { kind, title, what } = wish;
  const decides = h("div", { class: "stack" });
  const preview = h("div", { role: "status", class: "draft" });
  const moved = h("div", { role: "status" });
  let compared = ""; // with which rules or relays the changes are that stand there
  const go = button(
    "Put it to the vote",
    () => {
      if (app.line.send({ do: "move", kind, subject: wish.subject(), ground: compared })) dialog.close();
    },
    { class: "primary", disabled: true },
  );
  let timer = 0;
  let newest = 0;
  let ground = "";
  let shown = "";
  const show = (event) => {
    // A slow answer to what was written before says nothing of what stands there now.
    if (event.kind !== kind || event.draft !== newest) return;
    compared = String(event.ground ?? "");
    go.disabled = Boolean(event.refused) || wish.subject() === null;
    if (event.refused) fill(preview, note("warning", String(event.refused).slice(0, 400)));
    else fill(preview, h("p", { class: "strong" }, "What would change:"), changeList(event.changes));
  };
  const look = () => {
    clearTimeout(timer);
    go.disabled = true;
    newest = ++drafts;
    const wanted = wish.subject();
    if (wanted === null) fill(preview, h("p", { class: "quiet" }, "Nothing is changed so far."));
    else timer = setTimeout(() => app.line.send({ do: "draft", draft: newest, kind, subject: wanted }), DRAFT_AFTER_MS);
  };
  wish.element.addEventListener("input", look);
  const update = (snapshot) => {
    const { voting = {}, members = [] } = snapshot;
    const asks = voting?.[kind] ?? {};
    const here = members.filter((member) => member.votes && member.here !== false).length;
    const state = JSON.stringify([voting, here]);
    if (state !== shown) {
      shown = state;
      fill(decides, charterList({ sentences: asks.rules }), howMany(voting ?? {}, asks.needed, asks.lines, here));
    }
    const now = JSON.stringify(wish.ground(snapshot));
    if (now === ground) return;
    const first = !ground;
    ground = now;
    wish.show(snapshot);
    look();
    if (first) return;
    const words = `The ${what} of this meeting were changed while this was open. What you chose is compared with what they are now.`;
    fill(moved, note("warning", words));
  };
  const dialog = new Dialog(
    title,
    [
      h("p", {}, "No one person decides this. Those who vote are asked, by the rule that all agreed to:"),
      decides,
      moved,
      wish.element,
      preview,
      h("p", { class: "quiet small" }, "Everyone sees that you asked. Asking is not voting: you answer like everyone else."),
      h("div", { class: "row end" }, button("Cancel", () => dialog.close()), go),
    ],
    {
      onclose: () => {
        clearTimeout(timer);
        app.following.delete(update);
        app.drafting = null;
      },
    },
  );
  app.drafting = show;
  update(app.snapshot ?? {});
  app.following.add(update);
  return dialog.open();
}
