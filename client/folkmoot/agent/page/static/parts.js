/**
 * Pieces that several views share: buttons, choices of devices, the list of relays, dialogs.
 */

import { fill, h, icon, mark, say } from "./dom.js";
import { cleanName, cleanText, relayName, relaySight } from "./words.js";

const NOTICES_SHOWN = 8;

/**
 * @param {string} text
 * @param {() => void} onclick
 * @param {{class?: string, icon?: any, [name: string]: any}} [options]
 */
export function button(text, onclick, options = {}) {
  const { icon: drawing, class: extra = "", ...rest } = options;
  return h(
    "button",
    { type: "button", class: `button ${extra}`.trim(), onclick, ...rest },
    drawing && icon(drawing),
    h("span", {}, text),
  );
}

/**
 * A button that is a drawing alone, with words for screen readers and a tooltip.
 * @param {any} drawing
 * @param {string} text
 * @param {() => void} onclick
 * @param {string} [extra]
 */
export function iconButton(drawing, text, onclick, extra = "") {
  return h(
    "button",
    { type: "button", class: `icon-button ${extra}`.trim(), onclick, title: text, "aria-label": text },
    icon(drawing),
  );
}

/**
 * A sentence with a drawing.
 * @param {"info"|"warning"|"shield"} kind
 * @param {...any} content
 */
export function note(kind, ...content) {
  return h("div", { class: `note note-${kind}` }, icon(kind), h("div", {}, ...content));
}

/**
 * Somebody's name, kept apart from the text around it; the tag tells two of the same name apart.
 * @param {{name: string, tag?: string}} who
 * @param {string} [extra]
 */
export function nameOf(who, extra = "") {
  return h(
    "span",
    { class: `who ${extra}`.trim() },
    h("bdi", {}, cleanName(who.name)),
    who.tag
      ? h(
          "span",
          { class: "tag", title: "Another person here has a name like this one" },
          ` ${cleanName(who.tag)}`,
        )
      : null,
  );
}

const KINDS = { microphone: "Microphone", camera: "Camera", speaker: "Loudspeaker" };

/** Choosing camera, microphone and loudspeaker. */
export class DeviceChoice {
  /**
   * @param {import("./devices.js").Devices} devices
   * @param {string} prefix for ids
   */
  constructor(devices, prefix) {
    this.devices = devices;
    this.selects = {};
    this.element = h("div", { class: "device-choice" });
    for (const what of Object.keys(KINDS)) {
      const id = `${prefix}-${what}`;
      const select = h("select", { id, onchange: () => devices.choose(what, select.value) });
      const row = h("div", { class: "field" }, h("label", { for: id }, KINDS[what]), select);
      this.selects[what] = { select, row, key: "" };
      this.element.append(row);
    }
    this.update();
  }

  update() {
    for (const [what, entry] of Object.entries(this.selects)) {
      const list = this.devices.lists[what];
      entry.row.hidden = !list.length;
      const key = list.map((device) => `${device.deviceId}:${device.label}`).join("|");
      if (key !== entry.key) {
        entry.key = key;
        fill(
          entry.select,
          ...list.map((device, index) =>
            h("option", { value: device.deviceId }, cleanName(device.label || `${KINDS[what]} ${index + 1}`)),
          ),
        );
      }
      if (list.some((device) => device.deviceId === this.devices.chosen[what]))
        entry.select.value = this.devices.chosen[what];
    }
  }
}

/** How loud the microphone is, as bars. */
export class Meter {
  constructor() {
    this.bars = Array.from({ length: 14 }, () => h("i"));
    this.element = h("div", { class: "meter", "aria-hidden": "true" }, ...this.bars);
  }

  /** @param {number} level 0 to 1 */
  draw(level) {
    const lit = Math.round(level * this.bars.length);
    this.bars.forEach((bar, index) => bar.classList.toggle("lit", index < lit));
  }
}

/** Who sees what: one line for each relay. @param {any[]} relays */
export function relayList(relays) {
  return h(
    "ul",
    { class: "relays" },
    ...relays.map((relay) =>
      h(
        "li",
        {},
        h("span", {
          class: `dot ${relay.up ? "good" : relay.up === false && !spared(relay) ? "bad" : ""}`,
          "aria-hidden": "true",
        }),
        h(
          "div",
          {},
          h("bdi", { class: "relay-name" }, relayName(relay)),
          relay.label
            ? h("span", { class: "quiet small" }, " ", String(relay.address).split("#")[0].slice(0, 80))
            : null,
          h("p", { class: "small" }, relaySight(relay)),
          ...noticesOf(relay).map((line) => note("warning", line)),
        ),
      ),
    ),
  );
}

/** What there is against this relay, in sentences, for as long as it lasts. @param {any} relay @returns {string[]} */
export function noticesOf({ notices = [], marks = [] }) {
  return [...notices, ...marks].slice(0, NOTICES_SHOWN).map(cleanText);
}

/** Whether nobody wants to be connected to it now. @param {any} relay */
function spared(relay) {
  return relay.use !== undefined && relay.use !== "in use" && relay.carries === "";
}

/** The rules of the meeting, in sentences. @param {any} charter */
export function charterList(charter) {
  const sentences = Array.isArray(charter?.sentences) ? charter.sentences : [];
  return h("ul", { class: "rules" }, ...sentences.slice(0, 20).map((line) => h("li", {}, cleanLine(line))));
}

/**
 * What a vote would change, beside what it is now.
 * @param {unknown} changes each `before` and `after` in a sentence, where there is one; or a sentence alone
 */
export function changeList(changes) {
  const list = Array.isArray(changes) ? changes.slice(0, 20) : [];
  const pair = ({ before, after }) => [
    before ? h("span", { class: "before" }, h("span", { class: "change-when" }, "Now: "), cleanLine(before)) : null,
    after
      ? h("span", { class: "after" }, before ? h("span", { class: "change-when" }, icon("arrow"), "Then: ") : null, cleanLine(after))
      : null,
  ];
  return h("ul", { class: "rules changes" }, ...list.map((one) => h("li", {}, ...pair(typeof one === "string" ? { after: one } : (one ?? {})))));
}

/** @param {unknown} line */
function cleanLine(line) {
  return String(line).slice(0, 400);
}

const LIMITS = [
  [
    "Who is invited hears everything.",
    "Anybody let in can record, or pass on what is said. The meeting protects against those outside it and against those who run the relays.",
  ],
  [
    "Your own computer is trusted.",
    "Programs that run as you, and extensions of this browser that may read all pages, can see this page.",
  ],
  [
    "The relay that you reach directly sees your internet address.",
    "To hide it, go through another relay or through Tor. Your provider always sees that you use a relay.",
  ],
  [
    "That you talk can be seen, what you say cannot.",
    "Relays see how many links a meeting has, how long it lasts, and whether pictures are shown. They do not see who speaks.",
  ],
  [
    "Somebody who watches the whole network",
    "and has a listener inside can, given time, connect a line to a person.",
  ],
  [
    "Relays can be switched off.",
    "The meeting goes on over the others. If all are gone, it waits, and nobody has been put out.",
  ],
  [
    "Names are what people chose.",
    "Compare the safety code aloud to be sure that nobody stands between you.",
  ],
];

export function limitsList() {
  return h(
    "ul",
    { class: "limits" },
    ...LIMITS.map(([head, rest]) => h("li", {}, h("strong", {}, head), " ", rest)),
  );
}

/**
 * A dialog of the browser itself: keeps the focus inside, closes by Escape, gives the focus back.
 */
export class Dialog {
  /**
   * @param {string} title
   * @param {any[]} content
   * @param {{class?: string, onclose?: () => void, next?: string}} [options] `next`: what has the focus after it, where
   * the button that opened it is gone
   */
  constructor(title, content, options = {}) {
    const id = `dialog-${(Dialog.count += 1)}`;
    this.element = h(
      "dialog",
      { class: `dialog ${options.class ?? ""}`.trim(), "aria-labelledby": id },
      h(
        "div",
        { class: "dialog-head" },
        h("h2", { id }, title),
        iconButton("close", "Close", () => this.close()),
      ),
      h("div", { class: "dialog-body" }, ...content),
    );
    this.next = options.next;
    this.element.addEventListener("click", (event) => {
      if (event.target === this.element) this.close();
    });
    this.element.addEventListener("close", () => {
      options.onclose?.();
      this.element.remove();
      this.#focusBack();
    });
  }

  open() {
    this.opener = document.activeElement;
    document.body.append(this.element);
    this.element.showModal();
    return this;
  }

  /** The browser gives the focus back, but not to a button that was made anew meanwhile, as lists are. */
  #focusBack() {
    if (!(this.opener instanceof HTMLElement) || this.opener.isConnected) return;
    const { focus } = this.opener.dataset;
    const again = focus ? document.querySelector(`[data-focus="${CSS.escape(focus)}"]`) : null;
    const place = again ?? (this.next ? document.querySelector(this.next) : null);
    if (place instanceof HTMLElement) place.focus();
  }

  close() {
    this.element.close();
  }
}
Dialog.count = 0;

/**
 * A drawing with a label below it, and more words for screen readers and the tooltip; `on` is absent for what is no
 * switch.
 * @param {HTMLButtonElement} element
 * @param {{on?: boolean, label: string, words: string, drawing: any}} state
 */
export function updateSwitch(element, state) {
  const key = `${state.drawing}|${state.label}`;
  if (element.dataset.key !== key) {
    element.dataset.key = key;
    const label = h("span", { class: "control-label" }, state.label);
    fill(element, h("span", { class: "control-icon" }, icon(state.drawing)), label);
  }
  mark(element, "aria-label", state.words);
  mark(element, "title", state.words);
  if (state.on === undefined) return;
  mark(element, "aria-pressed", String(state.on));
  element.classList.toggle("off", !state.on);
}

/**
 * @param {HTMLButtonElement} element
 * @param {"microphone"|"camera"} what
 * @param {boolean} on
 */
export function deviceSwitch(element, what, on) {
  const label = what === "microphone" ? "Mic" : "Camera";
  updateSwitch(element, {
    on,
    label,
    drawing: on ? what : `${what}_off`,
    words: on ? `${label} is on. Turn it off` : `${label} is off. Turn it on`,
  });
}

/**
 * Copies, or says that it could not.
 * @param {string} text
 * @param {HTMLElement} status
 */
export async function copy(text, status) {
  try {
    await navigator.clipboard.writeText(text);
    say(status, "Copied.");
  } catch {
    say(status, "It could not be copied. Select the text and copy it yourself.");
  }
  setTimeout(() => say(status, ""), 4000);
}
