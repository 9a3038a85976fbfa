/**
 * Asking all who vote for other rules, or for other relays. Nothing changes by it: they decide.
 */

import { fill, h } from "./dom.js";
import { Dialog, button, charterList, note } from "./parts.js";
import { howMany } from "./votes.js";

const DRAFT_AFTER_MS = 250;
let drafts = 0; // over all dialogs, so that an answer to one that was closed is known as old

const ADMISSION = [
  ["open", "Anybody who has the invite comes in"],
  ["sponsor", "One member who votes lets them in"],
  ["ballot", "A vote lets them in"],
];
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
  return button(words, () => (kind === "amend" ? rulesDialog(app) : relaysDialog(app)));
}

/** @param {string} label @param {[string, string][]} choices @param {string} now */
function choice(label, choices, now) {
  const known = choices.some(([value]) => value === now);
  const select = h(
    "select",
    { "aria-label": label },
    ...(known ? choices : [[now, now], ...choices]).map(([value, words]) =>
      h("option", { value, selected: value === now }, value === now ? `${words} (as now)` : words),
    ),
  );
  return { select, element: h("label", { class: "field" }, h("span", { class: "label" }, label), select) };
}

/** @param {import("./app.js").App} app */
function rulesDialog(app) {
  const { charter = {} } = app.snapshot ?? {};
  const shares = SHARES.map((share) => [share, `${share} of all who vote`]);
  const admission = choice("Who may come in", ADMISSION, charter.admission);
  const amendment = choice(
    "How the rules and the relays are changed",
    [...shares, ["never", "Never, by anybody"]],
    charter.amendment,
  );
  const fields = { admission: admission.select, amendment: amendment.select };
  const parts = [admission.element, amendment.element];
  if (charter.removal === "never") {
    parts.push(
      h(
        "p",
        { class: "quiet small" },
        "This meeting began without removal, and no vote can bring it in. Who wants it otherwise walks out together with others.",
      ),
    );
  } else {
    const removal = choice(
      "How somebody is removed",
      [...shares, ["never", "Never, by anybody: this cannot be taken back"]],
      charter.removal,
    );
    fields.removal = removal.select;
    parts.splice(1, 0, removal.element);
  }
  return propose(app, "amend", "Propose other rules", parts, () => {
    const changed = Object.entries(fields).filter(([name, select]) => select.value !== charter[name]);
    return changed.length ? Object.fromEntries(changed.map(([name, select]) => [name, select.value])) : null;
  });
}

/** @param {import("./app.js").App} app */
function relaysDialog(app) {
  const { relays = [] } = app.snapshot ?? {};
  const now = relays.filter((relay) => relay.use !== "left").map((relay) => relay.address);
  const list = h("textarea", {
    rows: "6",
    spellcheck: false,
    autocomplete: "off",
    "aria-label": "Addresses of relays, one in each line",
    value: now.join("\n"),
  });
  list.value = now.join("\n");
  const parts = [
    h(
      "p",
      {},
      "One address in each line, as “folkmoot relay” prints it. The first three carry the meeting, the others are in reserve. One may be a relay that you run yourself.",
    ),
    h("div", { class: "field" }, list),
  ];
  return propose(app, "relays", "Propose other relays", parts, () =>
    list.value.trim() === now.join("\n") ? null : list.value.trim() || null,
  );
}

/**
 * The dialog around both: what would change, as the agent says, who decides, and the button.
 * @param {import("./app.js").App} app
 * @param {"amend"|"relays"} kind
 * @param {string} title
 * @param {any[]} parts
 * @param {() => any} subject what is proposed; null while it is what there is
 */
function propose(app, kind, title, parts, subject) {
  const { voting = {}, members = [] } = app.snapshot ?? {};
  const asks = voting[kind] ?? {};
  const preview = h("div", { role: "status", class: "draft" });
  const go = button(
    "Put it to the vote",
    () => {
      if (app.line.send({ do: "move", kind, subject: subject() })) dialog.close();
    },
    { class: "primary", disabled: true },
  );
  let timer = 0;
  let newest = 0;
  const show = (event) => {
    // A slow answer to what was written before says nothing of what stands there now.
    if (event.kind !== kind || event.draft !== newest) return;
    const changes = Array.isArray(event.changes) ? event.changes : [];
    go.disabled = Boolean(event.refused) || subject() === null;
    if (event.refused) fill(preview, note("warning", String(event.refused).slice(0, 400)));
    else fill(preview, h("p", { class: "strong" }, "What would change:"), charterList({ sentences: changes }));
  };
  const look = () => {
    clearTimeout(timer);
    go.disabled = true;
    newest = ++drafts;
    const wanted = subject();
    if (wanted === null) fill(preview, h("p", { class: "quiet" }, "Nothing is changed so far."));
    else timer = setTimeout(() => app.line.send({ do: "draft", draft: newest, kind, subject: wanted }), DRAFT_AFTER_MS);
  };
  const form = h("div", { class: "proposal" }, ...parts);
  form.addEventListener("input", look);
  const here = members.filter((member) => member.votes && member.here !== false).length;
  const dialog = new Dialog(
    title,
    [
      h("p", {}, "No one person decides this. Those who vote are asked, by the rule that all agreed to:"),
      charterList({ sentences: asks.rules }),
      howMany(voting, asks.needed, asks.lines, here),
      form,
      preview,
      h("p", { class: "quiet small" }, "Everyone sees that you asked. Asking is not voting: you answer like everyone else."),
      h("div", { class: "row end" }, button("Cancel", () => dialog.close()), go),
    ],
    {
      onclose: () => {
        clearTimeout(timer);
        app.drafting = null;
      },
    },
  );
  app.drafting = show;
  look();
  return dialog.open();
}
