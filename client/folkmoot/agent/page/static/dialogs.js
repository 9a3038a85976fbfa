/**
 * Inviting, devices, connection, leaving, one's name: each in a dialog of its own.
 */

import { fill, h, say } from "./dom.js";
import { LevelMeter } from "./devices.js";
import { DeviceChoice, Dialog, Meter, button, charterList, copy, limitsList, noticesOf, relayList } from "./parts.js";
import { proposal } from "./propose.js";
import { keepFocus } from "./side.js";
import { addressSentence, cleanName, relayName } from "./words.js";

const NAME_LENGTH_MAX = 64;
const QUIET_ZONE = 4;
const MODULE = 6;

/** Draws the QR code from its rows of "0" and "1". @param {string[]} rows */
export function qrCanvas(rows) {
  const side = rows.length + 2 * QUIET_ZONE;
  const canvas = h("canvas", {
    class: "qr",
    width: side * MODULE,
    height: side * MODULE,
    role: "img",
    "aria-label": "The invite as a QR code, for the camera of a telephone",
  });
  const brush = canvas.getContext("2d");
  brush.fillStyle = "#ffffff";
  brush.fillRect(0, 0, canvas.width, canvas.height);
  brush.fillStyle = "#000000";
  rows.forEach((row, y) =>
    Array.from(row).forEach((module, x) => {
      if (module === "1")
        brush.fillRect((x + QUIET_ZONE) * MODULE, (y + QUIET_ZONE) * MODULE, MODULE, MODULE);
    }),
  );
  return canvas;
}

/** @param {import("./app.js").App} app */
export function inviteDialog(app) {
  const { invite = "", invite_qr: rows } = app.snapshot ?? {};
  const text = h("textarea", {
    class: "invite-text",
    readonly: true,
    rows: "4",
    id: "invite-text",
    spellcheck: "false",
  });
  text.value = invite;
  text.addEventListener("focus", () => text.select());
  const status = h("span", { role: "status", class: "quiet" });
  return new Dialog(
    "Invite somebody",
    invite
      ? [
          h(
            "p",
            {},
            "Send this invite to the person, best by a way that others do not read. They start Folkmoot with it, and somebody here lets them in.",
          ),
          Array.isArray(rows) && rows.length ? h("div", { class: "qr-frame" }, qrCanvas(rows)) : null,
          h("label", { for: "invite-text", class: "small strong" }, "The invite"),
          text,
          h(
            "div",
            { class: "row" },
            button("Copy the invite", () => copy(invite, status), { class: "primary", icon: "copy" }),
            status,
          ),
          h(
            "p",
            { class: "quiet small" },
            "It holds the addresses of the relays and the keys to knock with. Whoever has it can ask to come in, and sees nothing before somebody lets them in.",
          ),
        ].filter(Boolean)
      : [h("p", {}, "There is no invite yet. It comes as soon as a relay answers.")],
  ).open();
}

/** @param {import("./app.js").App} app */
export function settingsDialog(app) {
  const choice = new DeviceChoice(app.devices, "settings");
  const meter = new Meter();
  const level = new LevelMeter((value) => meter.draw(value));
  const problem = h("p", { class: "field-problem", role: "alert" });
  const refresh = () => {
    choice.update();
    level.follow(app.devices.tracks.microphone);
    say(problem, app.devices.problems.microphone || app.devices.problems.camera);
  };
  app.devices.addEventListener("change", refresh);
  const dialog = new Dialog(
    "Camera and microphone",
    [
      choice.element,
      h(
        "div",
        { class: "field" },
        h("span", { class: "label" }, "How loud your microphone is"),
        meter.element,
      ),
      problem,
      h(
        "p",
        { class: "quiet small" },
        "Shortcuts: Alt+M microphone, Alt+V camera, Alt+C chat, Alt+P people.",
      ),
    ],
    {
      onclose: () => {
        level.stop();
        app.devices.removeEventListener("change", refresh);
      },
    },
  );
  app.devices.refresh();
  refresh();
  return dialog.open();
}

/**
 * Relays and rules as they are, for as long as it is open.
 * @param {import("./app.js").App} app
 */
export function connectionDialog(app) {
  const address = h("p");
  const told = h("p", { class: "unseen", role: "status" });
  const keys = h("p", { class: "quiet small" });
  /** Parts that are made anew when what they show is another. @type {{element: HTMLElement, key: string}[]} */
  const [relays, newRelays, rules, newRules] = Array.from({ length: 4 }, () => ({ element: h("div"), key: "" }));
  const redraw = (part, state, build) => {
    const key = JSON.stringify(state) ?? "";
    if (part.key === key) return;
    part.key = key;
    keepFocus(part.element, () => fill(part.element, build()), () => dialog.element.querySelector(".icon-button"));
  };
  /** @type {Set<string>} */
  let known = new Set();
  const update = ({ relays: all = [], charter, epoch, voting, phase }) => {
    // One that the meeting left is shown for as long as it still sees something of us.
    const shown = all.filter((relay) => relay.use !== "left" || relay.carries || relay.entry_to?.length);
    say(address, addressSentence(shown));
    redraw(relays, shown, () => relayList(shown));
    redraw(newRelays, [phase, voting?.votes, Boolean(voting?.relays)], () => proposal(app, "relays"));
    redraw(rules, charter, () => charterList(charter));
    redraw(newRules, [phase, voting?.votes, Boolean(voting?.amend)], () => proposal(app, "amend"));
    keys.hidden = epoch === undefined;
    say(keys, `The keys of this meeting have been renewed ${epoch === 1 ? "once" : `${epoch} times`}.`);
    // What comes while it is open is read out; what stood there is found by reading.
    const lines = shown.flatMap((relay) => noticesOf(relay).map((line) => `${relayName(relay)}: ${line}`));
    if (dialog.element.open) say(told, lines.filter((line) => !known.has(line)).join(" "));
    known = new Set(lines);
  };
  const dialog = new Dialog(
    "Connection and rules",
    [
      h("h3", {}, "Relays"),
      address,
      relays.element,
      newRelays.element,
      told,
      h("h3", {}, "The rules of this meeting"),
      rules.element,
      newRules.element,
      h("h3", {}, "What this does not protect"),
      limitsList(),
      keys,
    ],
    { onclose: () => app.following.delete(update) },
  );
  update(app.snapshot ?? {});
  app.following.add(update);
  return dialog.open();
}

/** @param {import("./app.js").App} app */
export function leaveDialog(app) {
  const dialog = new Dialog(
    "Leave the meeting?",
    [
      h(
        "p",
        {},
        "The others go on without you. To come back you need an invite, and somebody to let you in.",
      ),
      h(
        "div",
        { class: "row end" },
        button("Stay", () => dialog.close(), { autofocus: true }),
        button(
          "Leave",
          () => {
            dialog.close();
            app.leaveNow();
          },
          { class: "danger", icon: "leave" },
        ),
      ),
    ],
    { class: "narrow" },
  );
  return dialog.open();
}

/** @param {import("./app.js").App} app */
export function renameDialog(app) {
  const input = h("input", {
    id: "rename",
    maxlength: NAME_LENGTH_MAX,
    autocomplete: "nickname",
    spellcheck: "false",
    required: true,
    autofocus: true,
  });
  input.value = cleanName(app.snapshot?.me?.name);
  const submit = () => {
    const name = input.value.trim();
    if (name && app.line.send({ do: "rename", name })) dialog.close();
  };
  const dialog = new Dialog(
    "Your name",
    [
      h(
        "form",
        {
          class: "stack",
          onsubmit: (event) => {
            event.preventDefault();
            submit();
          },
        },
        h("div", { class: "field" }, h("label", { for: "rename" }, "How others see you"), input),
        h(
          "div",
          { class: "row end" },
          button("Cancel", () => dialog.close()),
          h("button", { type: "submit", class: "button primary" }, "Change it"),
        ),
      ),
    ],
    { class: "narrow" },
  );
  return dialog.open();
}
