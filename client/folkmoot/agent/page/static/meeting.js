/**
 * In the meeting: pictures, people, chat, switches.
 */

import { Controls } from "./controls.js";
import { inviteDialog, renameDialog } from "./dialogs.js";
import { announce, fill, h, mark } from "./dom.js";
import { Header, Knocks, Notices } from "./overhead.js";
import { peopleCount } from "./safety.js";
import { Chat, News, People } from "./side.js";
import { Grid } from "./tiles.js";
import { fresh } from "./votes.js";
import { cleanName } from "./words.js";

const LEVELS_MS = 250;
const STATS_MS = 1000;
const LEVEL_LIFE_MS = 1000;

export class Meeting {
  /**
   * @param {import("./app.js").App} app
   * @param {boolean} back whether this person was in before
   */
  constructor(app, back) {
    this.app = app;
    this.back = back;
    /** Members whose pictures this person does not want to see. @type {Set<string>} */
    this.hidden = new Set();
    /**
     * What the agent says about who speaks: member -> [level, when].
     * @type {Map<string, [number, number]>}
     */
    this.spoken = new Map();
    this.unread = 0;
    /** @type {"people"|"chat"|null} */
    this.side = null;
    /** @type {import("./safety.js").SafetyDialog|null} */
    this.safety = null;
    /** The browser plays no sound before a click. */
    this.silent = false;
    this.grid = new Grid(() => {
      this.silent = true;
      this.notices.update();
    });
    this.people = new People(this);
    this.chat = new Chat(this);
    this.news = new News();
    this.header = new Header(this);
    this.notices = new Notices(this);
    this.knocks = new Knocks(this);
    this.controls = new Controls(this);
    this.sides = h("div", { class: "sides" });
    const stage = [this.notices.element, this.knocks.element, this.grid.element];
    this.element = h(
      "div",
      { class: "meeting" },
      this.header.element,
      h("main", { class: "stage" }, ...stage),
      this.sides,
      this.controls.element,
    );
    this.refresh = () => this.update(app.snapshot);
    this.touched = () => this.unsilence();
    this.keys = (event) => this.#shortcut(event);
    this.lost = (event) => app.toast(event.detail, true);
  }

  enter() {
    const { app } = this;
    app.devices.addEventListener("change", this.refresh);
    app.devices.addEventListener("lost", this.lost);
    app.call.addEventListener("streams", this.refresh);
    app.call.addEventListener("state", this.refresh);
    document.addEventListener("keydown", this.keys);
    document.addEventListener("pointerup", this.touched);
    document.addEventListener("keyup", this.touched);
    app.devices.open();
    this.people.votes.start();
    this.levels = setInterval(() => this.#hear(), LEVELS_MS);
    this.stats = setInterval(() => this.#report(), STATS_MS);
    if (app.line.up) app.call.start();
    this.header.title.focus();
    announce(this.back ? "You are back in the meeting." : "You are in the meeting.");
  }

  leave() {
    const { app } = this;
    app.devices.removeEventListener("change", this.refresh);
    app.devices.removeEventListener("lost", this.lost);
    app.call.removeEventListener("streams", this.refresh);
    app.call.removeEventListener("state", this.refresh);
    document.removeEventListener("keydown", this.keys);
    document.removeEventListener("pointerup", this.touched);
    document.removeEventListener("keyup", this.touched);
    clearInterval(this.levels);
    clearInterval(this.stats);
    app.call.stop();
    this.grid.close();
    this.news.stop();
    this.people.votes.stop();
    this.safety?.dialog.close();
  }

  // --- what the person does ---

  /** The switch of microphone or camera. @param {"microphone"|"camera"} what */
  async turn(what) {
    const { devices } = this.app;
    const isOn = () => (what === "microphone" ? devices.microphoneOn : devices.cameraOn);
    await devices.set(what, !isOn());
    announce(`${what === "microphone" ? "Microphone" : "Camera"} ${isOn() ? "on" : "off"}.`);
    if (devices.problems[what] && !isOn()) this.app.toast(devices.problems[what], true);
  }

  /** @param {any} knock */
  admit(knock) {
    if (this.app.line.send({ do: "admit", knock: knock.knock }))
      announce(`Letting ${cleanName(knock.name)} in.`);
  }

  /** @param {any} knock */
  refuse(knock) {
    if (this.app.line.send({ do: "refuse", knock: knock.knock }))
      announce(`${cleanName(knock.name)} was declined.`);
  }

  /**
   * @param {string} member
   * @param {boolean} muted
   */
  mute(member, muted) {
    this.app.line.send({ do: muted ? "mute" : "unmute", member });
  }

  /**
   * @param {string} member
   * @param {boolean} hidden
   */
  hide(member, hidden) {
    if (hidden) this.hidden.add(member);
    else this.hidden.delete(member);
    this.app.line.send({ do: hidden ? "hide" : "show", member });
    this.update(this.app.snapshot);
  }

  invite() {
    inviteDialog(this.app);
  }

  rename() {
    renameDialog(this.app);
  }

  /** @param {"people"|"chat"|null} side */
  showSide(side) {
    const before = this.side;
    this.side = side;
    fill(this.sides, side === "people" ? this.people.element : side === "chat" ? this.chat.element : null);
    mark(this.element, "data-side", side);
    if (side === "chat") this.unread = 0;
    this.update(this.app.snapshot);
    if (side === "people") this.people.focus();
    else if (side === "chat") this.chat.focus();
    else if (before) this.controls.focus(before);
  }

  /** @param {KeyboardEvent} event */
  #shortcut(event) {
    if (event.key === "Escape" && this.side && !document.querySelector("dialog[open]")) {
      this.showSide(null);
      return;
    }
    if (!event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || event.repeat) return;
    const action = {
      KeyM: () => this.turn("microphone"),
      KeyV: () => this.turn("camera"),
      KeyP: () => this.showSide(this.side === "people" ? null : "people"),
      KeyC: () => this.showSide(this.side === "chat" ? null : "chat"),
    }[event.code];
    if (!action || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    action();
  }

  // --- what comes in ---

  /** @param {any} event */
  wrote(event) {
    const me = this.app.snapshot?.me;
    this.chat.add(event, me);
    if (this.side !== "chat" && event.from !== me?.member) {
      this.unread += 1;
      this.news.lines.add([event]);
      this.update(this.app.snapshot);
    }
  }

  /** @param {any} event */
  spoke(event) {
    this.spoken.set(event.member, [Number(event.level) || 0, performance.now()]);
  }

  async #hear() {
    if (this.hearing) return;
    this.hearing = true;
    const levels = await this.app.call.levels().catch(() => new Map());
    this.hearing = false;
    const now = performance.now();
    for (const [member, [level, at]] of this.spoken) {
      if (now - at > LEVEL_LIFE_MS) this.spoken.delete(member);
      else levels.set(member, Math.max(level, levels.get(member) ?? 0));
    }
    const me = this.app.snapshot?.me?.member;
    if (me !== undefined) levels.set(me, Math.max(levels.get(me) ?? 0, this.app.ownLevel()));
    this.grid.hear(levels);
  }

  async #report() {
    if (this.app.call.state !== "connected") return;
    const digest = await this.app.call.digest().catch(() => null);
    if (digest) this.app.line.send({ do: "stats", ...digest });
  }

  /** Browsers play sound only after a click or a key, or while a microphone is open. */
  unsilence() {
    if (!this.silent) return;
    this.silent = false;
    this.notices.update();
    this.grid.playAll();
  }

  // --- what is shown ---

  /** @param {any} snapshot */
  update(snapshot) {
    if (!snapshot) return;
    const { app } = this;
    const { devices, call } = app;
    if (snapshot !== this.newest) {
      this.news.changed(this.newest, snapshot);
      this.#relays(snapshot);
      if (this.newest) for (const line of fresh(this.newest, snapshot)) app.toast(line);
      this.newest = snapshot;
      for (const { member, hidden } of snapshot.members ?? []) {
        if (hidden === true) this.hidden.add(member);
        else if (hidden === false) this.hidden.delete(member);
      }
      if (Array.isArray(snapshot.chat)) this.chat.replace(snapshot.chat, snapshot.me);
    }
    const group = snapshot.group_name ? cleanName(snapshot.group_name) : "Meeting";
    document.title = `${group}, ${peopleCount(snapshot)} · Folkmoot`;
    const own = snapshot.me?.member;
    const members = [...(snapshot.members ?? [])].sort(
      (one, other) => Number(other.member === own) - Number(one.member === own),
    );
    this.grid.update(
      members.map((member) => this.#shown(member, own)),
      (member) => this.#media(member, own),
      own,
    );
    this.grid.speaker(devices.chosen.speaker);
    this.people.update(snapshot, this.hidden);
    this.header.update(snapshot, group);
    this.controls.update(snapshot);
    this.notices.update();
    this.knocks.update(snapshot);
    this.app.tellSwitches();
    this.safety?.update(snapshot);
    call.allow(snapshot.confirmed !== false);
    if (devices.microphoneOn || devices.cameraOn) this.unsilence();
  }

  /** That relays are away is a notice; that they are back is said, as the notice only goes. @param {any} snapshot */
  #relays(snapshot) {
    const relays = snapshot.relays ?? [];
    const away = relays.length > 0 && !relays.some((relay) => relay.up);
    if (this.away && !away) announce("A relay answers again.");
    this.away = away;
  }

  /**
   * One's own switches show at once; the agent's word on them comes a moment later.
   * @param {any} member
   * @param {string} own
   */
  #shown(member, own) {
    if (member.member !== own) return member;
    return {
      ...member,
      here: true,
      microphone: this.app.devices.microphoneOn,
      camera: this.app.devices.cameraOn,
    };
  }

  /**
   * @param {any} member
   * @param {string} own
   */
  #media(member, own) {
    const hidden = this.hidden.has(member.member);
    if (member.member === own) {
      const track = this.app.devices.tracks.camera;
      if (track !== this.ownTrack) {
        this.ownTrack = track;
        this.ownStream = track ? new MediaStream([track]) : null;
      }
      return {
        stream: this.ownStream ?? null,
        picture: Boolean(track),
        sound: false,
        hidden: false,
        reconnecting: false,
      };
    }
    const stream = this.app.call.streams.get(member.member) ?? null;
    const live = Boolean(
      stream?.getVideoTracks().some((track) => track.readyState === "live" && !track.muted),
    );
    return {
      stream,
      picture: Boolean(member.camera) && live && !hidden && member.here !== false,
      sound: !member.muted,
      hidden,
      reconnecting: false,
    };
  }
}
