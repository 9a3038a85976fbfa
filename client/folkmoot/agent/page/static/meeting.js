/**
 * In the meeting: pictures, people, chat, switches.
 */

import { announce, emblem, fill, h, icon, mark, say } from "./dom.js";
import { connectionDialog, inviteDialog, leaveDialog, renameDialog, settingsDialog } from "./dialogs.js";
import { button, note, updateSwitch } from "./parts.js";
import { SafetyDialog, labelSafety, peopleCount } from "./safety.js";
import { Chat, People, announceChanges, keepFocus, knockRow } from "./side.js";
import { Grid } from "./tiles.js";
import { cleanName, number, plural } from "./words.js";

const LEVELS_MS = 250;
const STATS_MS = 1000;
const KNOCKS_SHOWN = 2;
const LEVEL_LIFE_MS = 1000;

export class Meeting {
  /** @param {import("./app.js").App} app */
  constructor(app) {
    this.app = app;
    /** Members whose pictures this person does not want to see. @type {Set<string>} */
    this.hidden = new Set();
    /** What the agent says about who speaks: member -> [level, when]. @type {Map<string, [number, number]>} */
    this.spoken = new Map();
    this.unread = 0;
    /** @type {"people"|"chat"|null} */
    this.side = null;
    /** @type {SafetyDialog|null} */
    this.safety = null;
    this.grid = new Grid(() => { this.silent = true; this.updateNotices(); });
    this.people = new People(this);
    this.chat = new Chat(this);
    this.#build();
    this.refresh = () => this.update(app.snapshot);
    this.touched = () => this.unsilence();
    this.keys = (event) => this.#shortcut(event);
    this.lost = (event) => app.toast(event.detail, true);
  }

  #build() {
    const { app } = this;
    this.title = h("h1", { tabindex: "-1" });
    this.relayLabel = h("span", { class: "pill-words" });
    this.relayDot = h("span", { class: "dot", "aria-hidden": "true" });
    this.safetyLabel = h("span", { class: "pill-words" });
    this.relayPill = h("button", { type: "button", class: "pill", onclick: () => connectionDialog(app) }, this.relayDot, this.relayLabel);
    this.safetyPill = h("button", { type: "button", class: "pill", onclick: () => { this.safety = new SafetyDialog(this); } }, icon("shield"), this.safetyLabel);
    const header = h("header", { class: "top" }, h("div", { class: "top-title" }, emblem(), this.title), h("div", { class: "pills" }, this.relayPill, this.safetyPill));
    this.notices = h("div", { class: "notices", role: "status" });
    this.knocks = h("div", { class: "knocks", role: "region", "aria-label": "Waiting to be let in" });
    const control = (onclick, extra = "", shortcut = undefined) => h("button", { type: "button", class: `control ${extra}`.trim(), onclick, "aria-keyshortcuts": shortcut });
    this.microphone = control(() => this.switchMicrophone(), "", "Alt+M");
    this.camera = control(() => this.switchCamera(), "", "Alt+V");
    this.peopleButton = control(() => this.showSide(this.side === "people" ? null : "people"), "panel-control", "Alt+P");
    this.chatButton = control(() => this.showSide(this.side === "chat" ? null : "chat"), "panel-control", "Alt+C");
    this.inviteButton = control(() => this.invite(), "plain-control");
    this.settingsButton = control(() => settingsDialog(app), "plain-control");
    this.leaveButton = control(() => leaveDialog(app), "leave-control");
    this.peopleBadge = h("span", { class: "badge", "aria-hidden": "true" });
    this.chatBadge = h("span", { class: "badge", "aria-hidden": "true" });
    const wrap = (element, badge) => h("div", { class: "control-wrap" }, element, badge);
    const controls = h("div", { class: "controls", role: "toolbar", "aria-label": "Meeting" },
      wrap(this.microphone), wrap(this.camera), wrap(this.peopleButton, this.peopleBadge), wrap(this.chatButton, this.chatBadge), wrap(this.inviteButton), wrap(this.settingsButton), wrap(this.leaveButton));
    this.sides = h("div", { class: "sides" });
    this.element = h("div", { class: "meeting" }, header, h("main", { class: "stage" }, this.notices, this.knocks, this.grid.element), this.sides, h("footer", { class: "controls-bar" }, controls));
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
    this.levels = setInterval(() => this.#hear(), LEVELS_MS);
    this.stats = setInterval(() => this.#report(), STATS_MS);
    if (app.line.up) app.call.start();
    this.title.focus();
    announce("You are in the meeting.");
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
    this.safety?.dialog.close();
  }

  // --- what the person does ---

  async switchMicrophone() {
    const { devices } = this.app;
    await devices.set("microphone", !devices.microphoneOn);
    announce(devices.microphoneOn ? "Microphone on." : "Microphone off.");
    if (devices.problems.microphone && !devices.microphoneOn) this.app.toast(devices.problems.microphone, true);
  }

  async switchCamera() {
    const { devices } = this.app;
    await devices.set("camera", !devices.cameraOn);
    announce(devices.cameraOn ? "Camera on." : "Camera off.");
    if (devices.problems.camera && !devices.cameraOn) this.app.toast(devices.problems.camera, true);
  }

  /** @param {any} knock */
  admit(knock) {
    if (this.app.line.send({ do: "admit", knock: knock.knock })) announce(`Letting ${cleanName(knock.name)} in.`);
  }

  /** @param {any} knock */
  refuse(knock) {
    if (this.app.line.send({ do: "refuse", knock: knock.knock })) announce(`${cleanName(knock.name)} was declined.`);
  }

  /** @param {string} member @param {boolean} muted */
  mute(member, muted) {
    this.app.line.send({ do: muted ? "mute" : "unmute", member });
  }

  /** @param {string} member @param {boolean} hidden */
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
    else if (before) (before === "people" ? this.peopleButton : this.chatButton).focus();
  }

  /** @param {KeyboardEvent} event */
  #shortcut(event) {
    if (event.key === "Escape" && this.side && !document.querySelector("dialog[open]")) {
      this.showSide(null);
      return;
    }
    if (!event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || event.repeat) return;
    const action = { KeyM: () => this.switchMicrophone(), KeyV: () => this.switchCamera(), KeyP: () => this.showSide(this.side === "people" ? null : "people"), KeyC: () => this.showSide(this.side === "chat" ? null : "chat") }[event.code];
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
      announce(`${cleanName(event.name)} writes: ${String(event.text).slice(0, 200)}`);
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
    this.updateNotices();
    this.grid.playAll();
  }

  // --- what is shown ---

  /** @param {any} snapshot */
  update(snapshot) {
    if (!snapshot) return;
    const { devices, call } = this.app;
    if (snapshot !== this.newest) {
      announceChanges(this.newest, snapshot);
      this.newest = snapshot;
      for (const { member, hidden } of snapshot.members ?? []) {
        if (hidden === true) this.hidden.add(member);
        else if (hidden === false) this.hidden.delete(member);
      }
      if (Array.isArray(snapshot.chat)) this.chat.replace(snapshot.chat, snapshot.me);
    }
    const group = snapshot.group_name ? cleanName(snapshot.group_name) : "Meeting";
    say(this.title, group);
    document.title = `${group}, ${peopleCount(snapshot)} · Folkmoot`;
    const own = snapshot.me?.member;
    const members = [...(snapshot.members ?? [])].sort((one, other) => Number(other.member === own) - Number(one.member === own));
    this.grid.update(members.map((member) => this.#shown(member, own)), (member) => this.#media(member, own), own);
    this.grid.speaker(devices.chosen.speaker);
    this.people.update(snapshot, this.hidden);
    this.#updateHeader(snapshot);
    this.#updateControls(snapshot);
    this.updateNotices();
    this.#updateKnocks(snapshot);
    this.safety?.update(snapshot);
    call.allow(snapshot.confirmed !== false);
    if (devices.microphoneOn || devices.cameraOn) this.unsilence();
  }

  /** One's own switches show at once; the agent's word on them comes a moment later. @param {any} member @param {string} own */
  #shown(member, own) {
    if (member.member !== own) return member;
    return { ...member, here: true, microphone: this.app.devices.microphoneOn, camera: this.app.devices.cameraOn };
  }

  /** @param {any} member @param {string} own */
  #media(member, own) {
    const hidden = this.hidden.has(member.member);
    if (member.member === own) {
      const track = this.app.devices.tracks.camera;
      if (track !== this.ownTrack) {
        this.ownTrack = track;
        this.ownStream = track ? new MediaStream([track]) : null;
      }
      return { stream: this.ownStream ?? null, picture: Boolean(track), sound: false, hidden: false, reconnecting: false };
    }
    const stream = this.app.call.streams.get(member.member) ?? null;
    const live = Boolean(stream?.getVideoTracks().some((track) => track.readyState === "live" && !track.muted));
    return { stream, picture: Boolean(member.camera) && live && !hidden && member.here !== false, sound: !member.muted, hidden, reconnecting: false };
  }

  /** @param {any} snapshot */
  #updateHeader(snapshot) {
    const relays = snapshot.relays ?? [];
    const up = relays.filter((relay) => relay.up).length;
    const words = !relays.length ? "No relay" : up === relays.length ? (relays.length === 1 ? "Relay connected" : `${plural(up, "relay", "relays")} connected`) : up ? `${up} of ${relays.length} relays connected` : "No relay answers";
    say(this.relayLabel, words);
    this.relayDot.className = `dot ${up === relays.length && up ? "good" : up ? "fair" : "bad"}`;
    mark(this.relayPill, "aria-label", `${words}. Connection and rules`);
    const state = labelSafety(this.safetyLabel, snapshot);
    this.safetyPill.dataset.state = state;
    mark(this.safetyPill, "aria-label", state === "never" ? "Safety code, not compared yet" : `Safety code: ${this.safetyLabel.textContent}`);
  }

  /** @param {any} snapshot */
  #updateControls(snapshot) {
    const { devices } = this.app;
    const microphone = devices.microphoneOn;
    const camera = devices.cameraOn;
    updateSwitch(this.microphone, { on: microphone, label: "Mic", drawing: microphone ? "microphone" : "microphone_off", words: microphone ? "Mic is on. Turn it off" : "Mic is off. Turn it on" });
    updateSwitch(this.camera, { on: camera, label: "Camera", drawing: camera ? "camera" : "camera_off", words: camera ? "Camera is on. Turn it off" : "Camera is off. Turn it on" });
    const knocks = (snapshot.knocks ?? []).length;
    updateSwitch(this.peopleButton, { on: this.side === "people", label: "People", drawing: "people", words: knocks ? `People, ${number(knocks)} waiting to be let in` : "People" });
    updateSwitch(this.chatButton, { on: this.side === "chat", label: "Chat", drawing: "chat", words: this.unread ? `Chat, ${plural(this.unread, "new message", "new messages")}` : "Chat" });
    updateSwitch(this.inviteButton, { on: true, label: "Invite", drawing: "invite", words: "Invite somebody" });
    updateSwitch(this.settingsButton, { on: true, label: "Devices", drawing: "settings", words: "Devices: choose camera and microphone" });
    updateSwitch(this.leaveButton, { on: true, label: "Leave", drawing: "leave", words: "Leave the meeting" });
    for (const element of [this.inviteButton, this.settingsButton, this.leaveButton]) element.removeAttribute("aria-pressed");
    for (const [element, side] of [[this.peopleButton, "people"], [this.chatButton, "chat"]]) {
      element.removeAttribute("aria-pressed");
      mark(element, "aria-expanded", this.side === side ? "true" : "false");
    }
    this.#badge(this.peopleBadge, knocks);
    this.#badge(this.chatBadge, this.unread);
    this.app.tellSwitches();
  }

  /** @param {HTMLElement} badge @param {number} count */
  #badge(badge, count) {
    badge.hidden = !count;
    say(badge, count > 99 ? "99+" : String(count || ""));
  }

  updateNotices() {
    const { app } = this;
    const snapshot = app.snapshot ?? {};
    const notices = [];
    if (!app.line.up) notices.push(["warning", "The Folkmoot program on this machine does not answer. Trying again …"]);
    else if ((snapshot.relays ?? []).length && !(snapshot.relays ?? []).some((relay) => relay.up)) notices.push(["warning", "No relay answers right now. You stay in the meeting, and it goes on by itself when one is back."]);
    if (snapshot.confirmed === false) notices.push(["shield", "Not yet confirmed by who invited you. Until then your microphone and camera send nothing."]);
    if (!app.call.possible) notices.push(["warning", "This browser cannot carry sound and picture (WebRTC is missing or switched off). You can read and write."]);
    else if (app.call.state === "failed") notices.push(["warning", "Sound and picture were interrupted. Trying again …"]);
    if ((snapshot.members ?? []).length === 1 && snapshot.confirmed !== false) notices.push(["info", "You are the only one here. Invite somebody."]);
    const key = JSON.stringify([notices, this.silent]);
    if (key === this.noticesKey) return;
    this.noticesKey = key;
    fill(this.notices, ...notices.map(([kind, text]) => note(kind, text)),
      this.silent ? note("info", "Your browser waits for a click before it plays sound. ", button("Turn the sound on", () => this.unsilence(), { class: "primary" })) : null);
  }

  /** Those who knock stand over the pictures, whatever else is open. @param {any} snapshot */
  #updateKnocks(snapshot) {
    const knocks = this.side === "people" ? [] : snapshot.knocks ?? [];
    const key = JSON.stringify(knocks);
    if (key === this.knocksKey) return;
    this.knocksKey = key;
    this.knocks.hidden = !knocks.length;
    keepFocus(this.knocks, () => fill(this.knocks, ...knocks.slice(0, KNOCKS_SHOWN).map((knock) => knockRow(knock, this)),
      knocks.length > KNOCKS_SHOWN ? button(`${plural(knocks.length - KNOCKS_SHOWN, "more waits", "more wait")}`, () => this.showSide("people")) : null));
  }
}
