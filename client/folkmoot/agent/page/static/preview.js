/**
 * Before joining: how one looks and sounds, what the rules are, who will see one's address. Nothing leaves this machine
 * while this view is shown.
 */

import { announce, emblem, fill, h, icon, say } from "./dom.js";
import { LevelMeter } from "./devices.js";
import {
  DeviceChoice,
  Meter,
  charterList,
  limitsList,
  note,
  relayList,
  deviceSwitch,
} from "./parts.js";
import { addressSentence, cleanName } from "./words.js";

const NAME_LENGTH_MAX = 64;

export class Preview {
  /** @param {import("./app.js").App} app */
  constructor(app) {
    this.app = app;
    const { devices } = app;
    this.video = h("video", {
      class: "mirror",
      autoplay: true,
      muted: true,
      playsinline: true,
      tabindex: "-1", // Firefox would stop at it, and there is nothing to do
      "aria-label": "Your own picture",
    });
    this.video.muted = true;
    this.empty = h("p", { class: "mirror-empty" });
    this.meter = new Meter();
    this.level = new LevelMeter((level) => this.meter.draw(level));
    this.microphone = h("button", {
      type: "button",
      class: "control",
      onclick: () => devices.set("microphone", !devices.microphoneOn),
    });
    this.camera = h("button", {
      type: "button",
      class: "control",
      onclick: () => devices.set("camera", !devices.cameraOn),
    });
    this.problems = h("div", { class: "stack", role: "status" });
    this.choice = new DeviceChoice(devices, "preview");
    this.title = h("h1", { tabindex: "-1" }, "Before you join");
    this.lead = h("p", { class: "lead" });
    this.name = h("input", {
      id: "name",
      name: "name",
      maxlength: NAME_LENGTH_MAX,
      autocomplete: "nickname",
      spellcheck: "false",
      required: true,
      placeholder: "How others will call you",
      oninput: () => this.nameProblem(""),
    });
    this.nameNote = h("p", { class: "field-problem", id: "name-problem", role: "alert" });
    this.address = h("p");
    this.relays = h("div");
    this.hidden = true;
    this.hiding = h("fieldset", { class: "choice-of-way", hidden: true });
    this.rules = h("div");
    this.join = h(
      "button",
      { type: "submit", class: "button primary large" },
      icon("people"),
      h("span", {}, "Join the meeting"),
    );
    this.before = h("p", { class: "quiet small center" });
    this.form = h(
      "form",
      {
        class: "join-form",
        novalidate: true,
        onsubmit: (event) => {
          event.preventDefault();
          this.submit();
        },
      },
      h("div", { class: "field" }, h("label", { for: "name" }, "Your name"), this.name, this.nameNote),
      this.join,
      this.before,
    );
    this.element = h(
      "main",
      { class: "preview" },
      h("header", { class: "brand" }, emblem(), h("span", {}, "Folkmoot")),
      h(
        "div",
        { class: "preview-columns" },
        h(
          "section",
          { class: "preview-self", "aria-label": "Camera and microphone" },
          h(
            "div",
            { class: "mirror-frame" },
            this.video,
            this.empty,
            h("div", { class: "mirror-controls" }, this.microphone, this.camera),
          ),
          h("div", { class: "meter-row" }, icon("microphone"), this.meter.element),
          this.problems,
          h(
            "details",
            { class: "devices-more", open: matchMedia("(min-width: 861px)").matches },
            h("summary", {}, icon("settings"), "Choose devices"),
            this.choice.element,
          ),
          h("p", { class: "quiet small" }, "Picture and sound are shown to you alone until you join."),
        ),
        h(
          "section",
          { class: "preview-facts" },
          this.title,
          this.lead,
          this.form,
          h(
            "section",
            { class: "fact" },
            h("h2", {}, icon("relay"), "Who will see your address"),
            this.hiding,
            this.address,
            this.relays,
          ),
          h(
            "section",
            { class: "fact" },
            h("h2", {}, icon("people"), "The rules of this meeting"),
            this.rules,
          ),
          h(
            "details",
            { class: "fact" },
            h("summary", {}, icon("info"), "What this does not protect"),
            limitsList(),
          ),
        ),
      ),
    );
    this.refresh = () => this.update(app.snapshot);
    devices.addEventListener("change", this.refresh);
  }

  enter() {
    this.app.devices.open();
    this.title.focus();
  }

  leave() {
    this.level.stop();
    this.app.devices.removeEventListener("change", this.refresh);
  }

  /** @param {any} snapshot */
  update(snapshot) {
    const { devices } = this.app;
    const group = snapshot.group_name ? cleanName(snapshot.group_name) : "";
    this.opens = snapshot.opens === true;
    say(this.title, this.opens ? "Before you open the meeting" : "Before you join");
    say(this.lead, this.#lead(group));
    if (!this.join.disabled) say(this.join.querySelector("span"), this.#joinWords());
    const before = "Nothing is sent to any relay before you press this button.";
    say(
      this.before,
      this.opens ? `${before} Until then nobody can come in: whoever has the invite waits for you.` : before,
    );
    if (!this.named && snapshot.me?.name) {
      this.named = true;
      this.name.value = Array.from(cleanName(snapshot.me.name)).slice(0, NAME_LENGTH_MAX).join("");
    }
    this.#offerChoice(snapshot.choice);
    const chosen = snapshot.choice?.[this.hidden ? "hidden" : "seen"];
    const relays = chosen ?? snapshot.relays ?? [];
    say(this.address, addressSentence(relays));
    const key = JSON.stringify([relays, snapshot.charter]);
    if (key !== this.key) {
      this.key = key;
      fill(
        this.relays,
        relays.length > 1 ? relayList(relays.map((relay) => ({ ...relay, up: null }))) : null,
      );
      fill(this.rules, charterList(snapshot.charter));
    }
    const track = devices.tracks.camera;
    if (this.shown !== track) {
      this.shown = track;
      this.video.srcObject = track ? new MediaStream([track]) : null;
    }
    this.video.hidden = !track;
    say(
      this.empty,
      track
        ? ""
        : devices.asking
          ? "Your browser may ask whether this page can use camera and microphone."
          : devices.problems.camera || "Your camera is off.",
    );
    this.level.follow(devices.tracks.microphone);
    deviceSwitch(this.microphone, "microphone", devices.microphoneOn);
    deviceSwitch(this.camera, "camera", devices.cameraOn);
    const problems = [
      devices.problems.microphone,
      this.app.call.possible
        ? ""
        : "This browser cannot carry sound and picture (WebRTC is missing or switched off). You can join to read and write.",
    ].filter(Boolean);
    if (problems.join() !== this.problemsKey) {
      this.problemsKey = problems.join();
      fill(this.problems, ...problems.map((problem) => note("warning", problem)));
    }
    this.choice.update();
  }

  /** Being hidden has a price with two relays: a person chooses, once. @param {any} choice */
  #offerChoice(choice) {
    const offered = !this.hiding.hidden;
    if (!choice === !offered) return;
    this.hiding.hidden = !choice;
    fill(
      this.hiding,
      h("legend", {}, "This meeting has two relays. What matters more to you?"),
      this.#way(true, "Hide my address", "Each relay hides you from the other. If one of them fails, you hear nothing until it is back."),
      this.#way(false, "No gap", "You connect to both directly, and both see your address. If one fails, you hear nothing of it."),
    );
  }

  /** @param {boolean} hidden @param {string} title @param {string} price */
  #way(hidden, title, price) {
    return h(
      "label",
      { class: "way" },
      h("input", {
        type: "radio",
        name: "way",
        checked: hidden === this.hidden,
        onchange: () => {
          this.hidden = hidden;
          this.update(this.app.snapshot);
        },
      }),
      h("span", {}, h("b", {}, title), h("span", { class: "quiet small" }, ` ${price}`)),
    );
  }

  /** @param {string} group */
  #lead(group) {
    if (this.opens) return "You are about to open a meeting on this computer.";
    return group ? `You are about to join “${group}”.` : "You are about to join a meeting.";
  }

  #joinWords() {
    return this.opens ? "Open the meeting" : "Join the meeting";
  }

  /** @param {string} text */
  nameProblem(text) {
    say(this.nameNote, text);
    if (text) {
      this.name.setAttribute("aria-invalid", "true");
      this.name.setAttribute("aria-describedby", "name-problem");
    } else this.name.removeAttribute("aria-invalid");
  }

  submit() {
    const name = this.name.value.trim();
    if (!name) {
      this.nameProblem("Please give a name. It need not be your real one.");
      this.name.focus();
      return;
    }
    const { devices } = this.app;
    const { microphoneOn, cameraOn } = devices;
    const join = { do: "join", name, microphone: microphoneOn, camera: cameraOn, hidden: this.hidden };
    if (!this.app.line.send(join)) return;
    this.join.disabled = true;
    say(this.join.querySelector("span"), this.opens ? "Opening …" : "Joining …");
    announce(this.opens ? "Opening the meeting." : "Joining the meeting.");
    setTimeout(() => {
      this.join.disabled = false;
      say(this.join.querySelector("span"), this.#joinWords());
    }, 5000);
  }
}
