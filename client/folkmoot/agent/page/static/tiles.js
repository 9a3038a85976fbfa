/**
 * The grid of pictures: one tile for each member, with or without a picture.
 */

import { h, icon, mark, say } from "./dom.js";
import { cleanName, hue, initials } from "./words.js";

const GAP = 12;
/**
 * Width to height. Faces like the first one best; another is taken where it makes pictures clearly larger.
 */
const SHAPES = [4 / 3, 1, 16 / 9];
const CLEARLY = 1.15;
const WIDTH_MIN = 132; // twelve are seen at once on a telephone held upright
const SPEAKING_LEVEL = 0.015;
const SPEAKING_MS = 700;

/**
 * Columns, width and shape that make tiles largest.
 * @param {number} count @param {number} width @param {number} height
 * @returns {{columns: number, tile: number, shape: number}}
 */
export function layout(count, width, height) {
  let best = { columns: 1, tile: 0, shape: SHAPES[0] };
  let most = 0;
  for (const shape of SHAPES) {
    for (let columns = 1; columns <= count; columns += 1) {
      const rows = Math.ceil(count / columns);
      const tile = Math.min(
        (width - GAP * (columns - 1)) / columns,
        ((height - GAP * (rows - 1)) / rows) * shape,
      );
      if (tile < WIDTH_MIN) continue;
      const area = tile * (tile / shape);
      if (area > most * (shape === best.shape ? 1 : CLEARLY)) {
        best = { columns, tile, shape };
        most = area;
      }
    }
  }
  if (best.tile) return best;
  // Too many to see all at once: tiles of a useful size, and the grid scrolls.
  const columns = Math.max(1, Math.floor((width + GAP) / (WIDTH_MIN + GAP)));
  return { columns, tile: (width - GAP * (columns - 1)) / columns, shape: SHAPES[0] };
}

class Tile {
  /**
   * @param {string} member
   * @param {boolean} own
   */
  constructor(member, own) {
    this.member = member;
    this.own = own;
    this.video = h("video", { autoplay: true, playsinline: true, tabindex: "-1", "aria-hidden": "true" });
    this.video.muted = own;
    this.avatar = h("span", { class: "avatar", "aria-hidden": "true" });
    this.avatar.style.setProperty("--hue", String(hue(member)));
    this.name = h("bdi", { class: "tile-name" });
    this.tag = h("span", { class: "tag" });
    this.icons = h("span", { class: "tile-icons", "aria-hidden": "true" });
    this.status = h("span", { class: "tile-status" });
    this.words = h("span", { class: "unseen" });
    this.you = own ? h("span", { class: "you" }, "(you)") : null;
    this.element = h(
      "li",
      { class: own ? "tile own" : "tile", dataset: { member } },
      this.video,
      this.avatar,
      this.status,
      h(
        "div",
        { class: "plate" },
        ...[
          h("span", { class: "bars", "aria-hidden": "true" }, icon("bars")),
          this.name,
          this.you,
          this.tag,
          this.icons,
          this.words,
        ].filter((part) => part !== null),
      ),
    );
    this.spokeAt = -Infinity;
  }

  /**
   * @param {any} member
   * @param {{stream: MediaStream|null, picture: boolean, sound: boolean, hidden: boolean, reconnecting:
   * boolean}} media
   */
  update(member, media) {
    say(this.name, cleanName(member.name));
    say(this.tag, member.tag ? cleanName(member.tag) : "");
    say(this.avatar, initials(member.name));
    if (this.video.srcObject !== media.stream) this.video.srcObject = media.stream;
    if (!this.own) this.video.muted = !media.sound;
    const here = member.here !== false;
    mark(this.element, "data-picture", media.picture ? "yes" : "no");
    mark(this.element, "data-here", here ? "yes" : "no");
    const drawings = [];
    const words = [];
    if (!member.microphone) {
      drawings.push("microphone_off");
      words.push("microphone off");
    }
    if (member.muted) {
      drawings.push("sound_off");
      words.push("muted for you");
    }
    if (media.hidden) {
      drawings.push("eye_off");
      words.push("picture hidden for you");
    }
    if (drawings.join() !== this.drawings) {
      this.drawings = drawings.join();
      this.icons.replaceChildren(...drawings.map((name) => icon(/** @type {any} */ (name))));
    }
    let status = "";
    if (!here) status = "Away";
    else if (!this.own && member.confirmed === false) status = "Not yet confirmed";
    else if (media.reconnecting) status = "Picture comes back …";
    say(this.status, status);
    this.status.hidden = !status;
    say(this.words, words.length ? `, ${words.join(", ")}` : "");
  }

  /**
   * @param {number} level 0 to 1
   * @param {number} now
   */
  hear(level, now) {
    if (level > SPEAKING_LEVEL) this.spokeAt = now;
    mark(this.element, "data-speaking", now - this.spokeAt < SPEAKING_MS ? "yes" : "no");
  }
}

export class Grid {
  /** @param {() => void} onsilence called when the browser wants a click before it plays sound */
  constructor(onsilence) {
    /** @type {Map<string, Tile>} */
    this.tiles = new Map();
    this.onsilence = onsilence;
    this.element = h("ul", { class: "grid", "aria-label": "People in the meeting", tabindex: "0" });
    this.observer = new ResizeObserver(() => this.arrange());
    this.observer.observe(this.element);
  }

  /**
   * @param {any[]} members
   * @param {(member: any) => any} mediaOf
   * @param {string} own
   */
  update(members, mediaOf, own) {
    const wanted = new Set(members.map((member) => member.member));
    for (const [member, tile] of this.tiles) {
      if (wanted.has(member)) continue;
      tile.video.srcObject = null;
      tile.element.remove();
      this.tiles.delete(member);
    }
    members.forEach((member, index) => {
      let tile = this.tiles.get(member.member);
      if (!tile) {
        tile = new Tile(member.member, member.member === own);
        this.tiles.set(member.member, tile);
      }
      if (this.element.children[index] !== tile.element)
        this.element.insertBefore(tile.element, this.element.children[index] ?? null);
      const before = tile.video.srcObject;
      tile.update(member, mediaOf(member));
      if (tile.video.srcObject && (tile.video.srcObject !== before || tile.video.paused)) this.play(tile);
    });
    this.arrange();
  }

  /** @param {Tile} tile */
  play(tile) {
    tile.video.play().catch((problem) => {
      if (problem?.name === "NotAllowedError") this.onsilence();
    });
  }

  playAll() {
    for (const tile of this.tiles.values()) if (tile.video.srcObject) this.play(tile);
  }

  /** @param {Map<string, number>} levels */
  hear(levels) {
    const now = performance.now();
    for (const [member, tile] of this.tiles) tile.hear(levels.get(member) ?? 0, now);
  }

  /** @param {string} device */
  speaker(device) {
    for (const tile of this.tiles.values()) {
      if (!tile.own && "setSinkId" in tile.video && tile.video.sinkId !== device)
        tile.video.setSinkId(device).catch(() => {});
    }
  }

  arrange() {
    const { clientWidth: width, clientHeight: height } = this.element;
    if (!width || !this.tiles.size) return;
    const { tile, shape } = layout(this.tiles.size, width, height);
    const size = Math.floor(tile);
    this.element.style.setProperty("--shape", String(shape));
    this.element.style.setProperty("--tile", `${size}px`);
    this.element.classList.toggle("tight", size < 220);
    this.element.classList.toggle("tiny", size < 170);
  }

  close() {
    this.observer.disconnect();
    for (const tile of this.tiles.values()) tile.video.srcObject = null;
  }
}
