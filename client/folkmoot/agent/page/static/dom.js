/**
 * Elements without markup: whatever a member sends becomes text, never HTML.
 */

const SVG = "http://www.w3.org/2000/svg";

/**
 * Makes an element.
 * @param {string} tag such as "button"
 * @param {Record<string, any>} [attributes] `class`, `on…` listeners, `dataset`, properties and attributes
 * @param {...(Node|string|null|undefined|false)} children strings become text nodes
 * @returns {any}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") element.className = value;
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/**
 * Replaces all children.
 * @param {Element} parent
 * @param {...any} children
 */
export function fill(parent, ...children) {
  parent.replaceChildren(
    ...children.filter((child) => child !== null && child !== undefined && child !== false),
  );
}

/**
 * Sets text only when it changed, so that live regions do not repeat it.
 * @param {Node} node
 * @param {string} text
 */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * Sets or removes an attribute.
 * @param {Element} element
 * @param {string} name
 * @param {string|boolean|null} value
 */
export function mark(element, name, value) {
  if (value === null || value === false) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value === true ? "" : value)) {
    element.setAttribute(name, value === true ? "" : String(value));
  }
}

/** Line drawings on a 24 × 24 grid: [element, attributes] each. */
const DRAWINGS = {
  microphone: [
    "M12 3a3 3 0 0 0-3 3v5a3 3 0 0 0 6 0V6a3 3 0 0 0-3-3z",
    "M6 11a6 6 0 0 0 12 0",
    "M12 17v4",
    "M9 21h6",
  ],
  microphone_off: [
    "M9 9v2a3 3 0 0 0 4.6 2.5",
    "M15 11V6a3 3 0 0 0-5.8-1",
    "M6 11a6 6 0 0 0 9.4 4.9",
    "M18 11a6 6 0 0 1-.5 2.4",
    "M12 17v4",
    "M9 21h6",
    "M4 4l16 16",
  ],
  camera: [
    "M4 7h9a2 2 0 0 1 2 2v6a2 2 0 0 1-2 2H4a1.5 1.5 0 0 1-1.5-1.5v-7A1.5 1.5 0 0 1 4 7z",
    "M15 11l6-3.5v9L15 13",
  ],
  camera_off: [
    "M9 7h4a2 2 0 0 1 2 2v4",
    "M15 15.5a2 2 0 0 1-2 1.5H4a1.5 1.5 0 0 1-1.5-1.5v-7A1.5 1.5 0 0 1 4 7h1.5",
    "M15 11l6-3.5v9l-4-2.3",
    "M4 4l16 16",
  ],
  people: [
    "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7z",
    "M2.5 20c.4-3.7 3-6 6.5-6s6.1 2.3 6.5 6",
    "M16 4.500a3.5 3.5 0 0 1 0 6.3",
    "M18 14.500c2 .8 3.3 2.7 3.5 5.5",
  ],
  chat: [
    "M4 5h16a1.5 1.5 0 0 1 1.5 1.500v9A1.5 1.5 0 0 1 20 17h-8l-5 4v-4H4a1.5 1.5 0 0 1-1.5-1.500v-9A1.5 1.5 0 0 1 4 5z",
  ],
  invite: [
    "M10 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7z",
    "M3.5 20c.4-3.7 3-6 6.5-6 1.2 0 2.3.3 3.2.8",
    "M18 13v7",
    "M14.5 16.500h7",
  ],
  settings: [
    "M4 7h9",
    "M19 7h1",
    "M4 17h1",
    "M11 17h9",
    "M16 9.500a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5z",
    "M8 19.500a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5z",
  ],
  leave: ["M10 4H6a2 2 0 0 0-2 2v12a2 2 0 0 0 2 2h4", "M15 8l4 4-4 4", "M19 12H9"],
  shield: [
    "M12 3l7.5 2.800v5.700c0 4.6-3.1 8-7.5 9.5-4.4-1.5-7.5-4.9-7.5-9.500V5.800z",
    "M8.8 12.200l2.3 2.3 4.2-4.6",
  ],
  relay: [
    "M12 14a2 2 0 1 0 0-4 2 2 0 0 0 0 4z",
    "M8.1 15.900a5.5 5.5 0 0 1 0-7.8",
    "M15.9 8.100a5.5 5.5 0 0 1 0 7.8",
    "M5.3 18.700a9.5 9.5 0 0 1 0-13.4",
    "M18.7 5.300a9.5 9.5 0 0 1 0 13.4",
  ],
  info: ["M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z", "M12 11v5", "M12 7.700v.1"],
  warning: ["M12 4l9 16H3z", "M12 10v4.5", "M12 17.200v.1"],
  arrow: ["M5 12h13", "M13 7l5 5-5 5"],
  close: ["M6 6l12 12", "M18 6L6 18"],
  check: ["M5 12.500l4.5 4.500L19 7.5"],
  copy: [
    "M9 9h10a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1H9a1 1 0 0 1-1-1V10a1 1 0 0 1 1-1z",
    "M5 15H4a1 1 0 0 1-1-1V4a1 1 0 0 1 1-1h10a1 1 0 0 1 1 1v1",
  ],
  sound: ["M4 9.500v5h3.500L12 19V5L7.5 9.500z", "M15.5 9a4.5 4.5 0 0 1 0 6", "M18 6.500a8 8 0 0 1 0 11"],
  sound_off: ["M4 9.500v5h3.500L12 19V5L7.5 9.500z", "M16 9.500l5 5", "M21 9.500l-5 5"],
  eye: [
    "M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12z",
    "M12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6z",
  ],
  eye_off: [
    "M9.5 5.900A9 9 0 0 1 12 5.500c6 0 9.5 6.5 9.5 6.500a16 16 0 0 1-2.8 3.5",
    "M6.5 7.300A15.5 15.5 0 0 0 2.5 12S6 18.5 12 18.500a9 9 0 0 0 4.5-1.2",
    "M4 4l16 16",
  ],
  away: ["M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z", "M12 7v5.500l3.5 2"],
  send: ["M4 12l16-8-5.5 16-3-6.500z", "M11.5 13.500L20 4"],
  edit: ["M4 20l1-4.500L16 4.500a2 2 0 0 1 3 0l.5.5a2 2 0 0 1 0 3L8.5 19z"],
  vote: ["M4 11h16v9H4z", "M8 15.500h8", "M8 11V4h8v7", "M10 7.500l1.500 1.500 2.500-3"],
  vote_given: ["M4 11h16v9H4z", "M8 15.500h8", "M12 11V4", "M9 6.500l3-3 3 3"],
  bars: ["M6 10v4", "M12 6v12", "M18 9v6"],
};

/** A drawing by its name, hidden from screen readers. @param {keyof typeof DRAWINGS} name */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", `icon icon-${name}`);
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("focusable", "false");
  for (const line of DRAWINGS[name]) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", line);
    svg.append(path);
  }
  return svg;
}

/** The mark of Folkmoot: people in a ring, none of them above the others. */
export function emblem() {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "emblem");
  svg.setAttribute("aria-hidden", "true");
  for (let index = 0; index < 7; index += 1) {
    const angle = (index / 7) * 2 * Math.PI - Math.PI / 2;
    const dot = document.createElementNS(SVG, "circle");
    dot.setAttribute("cx", (12 + 8.2 * Math.cos(angle)).toFixed(2));
    dot.setAttribute("cy", (12 + 8.2 * Math.sin(angle)).toFixed(2));
    dot.setAttribute("r", "2.3");
    svg.append(dot);
  }
  return svg;
}

/**
 * Tells screen readers; nothing is seen.
 * @param {string} text
 * @param {boolean} [now] interrupt what is being read
 */
export function announce(text, now = false) {
  const region = document.getElementById(now ? "announce-now" : "announce");
  if (!region) return;
  const line = h("p", {}, text);
  region.append(line);
  while (region.children.length > 6) region.firstElementChild?.remove();
  setTimeout(() => line.remove(), 8000);
}

/**
 * Tells screen readers of things that may come in numbers: the first at once, those that follow within `gap` together.
 */
export class Paced {
  /**
   * @param {number} gap milliseconds
   * @param {(items: any[]) => string} words
   * @param {boolean} [now] interrupt what is being read
   */
  constructor(gap, words, now = false) {
    this.gap = gap;
    this.words = words;
    this.now = now;
    /** @type {any[]} */
    this.items = [];
    this.timer = 0;
  }

  /** @param {any[]} items */
  add(items) {
    if (!items.length) return;
    this.items.push(...items);
    if (this.timer) return;
    this.#say();
  }

  #say() {
    this.timer = 0;
    if (!this.items.length) return;
    announce(this.words(this.items), this.now);
    this.items = [];
    this.timer = setTimeout(() => this.#say(), this.gap);
  }

  stop() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.items = [];
  }
}
