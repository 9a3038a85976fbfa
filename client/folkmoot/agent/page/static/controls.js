/**
 * The row of buttons below the pictures.
 */

import { leaveDialog, settingsDialog } from "./dialogs.js";
import { h, mark, say } from "./dom.js";
import { deviceSwitch, updateSwitch } from "./parts.js";
import { number, plural } from "./words.js";

const COUNT_MAX = 99;

/**
 * @param {() => void} onclick
 * @param {{class?: string, shortcut?: string, badge?: HTMLElement}} [options]
 */
function control(onclick, options = {}) {
  const element = h("button", {
    type: "button",
    class: `control ${options.class ?? ""}`.trim(),
    onclick,
    "aria-keyshortcuts": options.shortcut,
  });
  return { element, wrap: h("div", { class: "control-wrap" }, element, options.badge) };
}

function makeBadge() {
  return h("span", { class: "badge", "aria-hidden": "true" });
}

/**
 * @param {HTMLElement} badge
 * @param {number} count
 */
function count(badge, count) {
  badge.hidden = !count;
  say(badge, count > COUNT_MAX ? `${COUNT_MAX}+` : String(count || ""));
}

export class Controls {
  /** @param {import("./meeting.js").Meeting} meeting */
  constructor(meeting) {
    this.meeting = meeting;
    this.knocks = makeBadge();
    this.unread = makeBadge();
    const side = (name, shortcut, badge) =>
      control(() => meeting.showSide(meeting.side === name ? null : name), {
        class: "panel-control",
        shortcut,
        badge,
      });
    this.microphone = control(() => meeting.turn("microphone"), { shortcut: "Alt+M" });
    this.camera = control(() => meeting.turn("camera"), { shortcut: "Alt+V" });
    this.people = side("people", "Alt+P", this.knocks);
    this.chat = side("chat", "Alt+C", this.unread);
    const invite = control(() => meeting.invite());
    const settings = control(() => settingsDialog(meeting.app));
    const leave = control(() => leaveDialog(meeting.app), { class: "leave-control" });
    updateSwitch(invite.element, { label: "Invite", drawing: "invite", words: "Invite somebody" });
    updateSwitch(settings.element, {
      label: "Devices",
      drawing: "settings",
      words: "Devices: choose camera and microphone",
    });
    updateSwitch(leave.element, { label: "Leave", drawing: "leave", words: "Leave the meeting" });
    const all = [this.microphone, this.camera, this.people, this.chat, invite, settings, leave];
    const bar = h(
      "div",
      { class: "controls", role: "group", "aria-label": "Controls of the meeting" },
      ...all.map(({ wrap }) => wrap),
    );
    this.element = h("footer", { class: "controls-bar" }, bar);
  }

  /** @param {any} snapshot */
  update(snapshot) {
    const { app, side, unread } = this.meeting;
    deviceSwitch(this.microphone.element, "microphone", app.devices.microphoneOn);
    deviceSwitch(this.camera.element, "camera", app.devices.cameraOn);
    const knocks = (snapshot.knocks ?? []).length;
    updateSwitch(this.people.element, {
      label: "People",
      drawing: "people",
      words: knocks ? `People, ${number(knocks)} waiting to be let in` : "People",
    });
    updateSwitch(this.chat.element, {
      label: "Chat",
      drawing: "chat",
      words: unread ? `Chat, ${plural(unread, "new message", "new messages")}` : "Chat",
    });
    mark(this.people.element, "aria-expanded", String(side === "people"));
    mark(this.chat.element, "aria-expanded", String(side === "chat"));
    count(this.knocks, knocks);
    count(this.unread, unread);
  }

  /** The button that opened a side has the focus again. @param {"people"|"chat"} side */
  focus(side) {
    this[side].element.focus();
  }
}
