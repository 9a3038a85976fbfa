/**
 * Camera, microphone and loudspeaker of this machine.
 */

import { deviceProblem } from "./words.js";

const PREFERENCES = "folkmoot-devices";

/** Tells "change" whenever a track, a list of devices or a sentence about them changed. */
export class Devices extends EventTarget {
  constructor() {
    super();
    /** @type {{microphone: MediaStreamTrack|null, camera: MediaStreamTrack|null}} */
    this.tracks = { microphone: null, camera: null };
    /** What went wrong, in a sentence. @type {{microphone: string, camera: string}} */
    this.problems = { microphone: "", camera: "" };
    /** What the person chose. */
    this.wanted = { microphone: true, camera: true };
    /** @type {{microphone: string, camera: string, speaker: string}} */
    this.chosen = { microphone: "", camera: "", speaker: "" };
    /**
     * @type {{microphone: MediaDeviceInfo[], camera: MediaDeviceInfo[], speaker: MediaDeviceInfo[]}}
     */
    this.lists = { microphone: [], camera: [], speaker: [] };
    this.asking = false;
    try {
      const saved = JSON.parse(sessionStorage.getItem(PREFERENCES) ?? "{}");
      Object.assign(this.wanted, saved.wanted);
      Object.assign(this.chosen, saved.chosen);
    } catch {
      // Nothing usable was kept: the defaults stand.
    }
    this.possible = Boolean(navigator.mediaDevices?.getUserMedia);
    navigator.mediaDevices?.addEventListener?.("devicechange", () => this.refresh());
  }

  get microphoneOn() {
    return Boolean(this.tracks.microphone?.enabled && this.tracks.microphone.readyState === "live");
  }

  get cameraOn() {
    return this.tracks.camera?.readyState === "live";
  }

  /** Opens what the person wants, asking once for both where possible. */
  async open() {
    const wants = {
      microphone: this.wanted.microphone && !this.tracks.microphone,
      camera: this.wanted.camera && !this.tracks.camera,
    };
    if (!wants.microphone && !wants.camera) return;
    if (!this.possible) {
      this.problems = {
        microphone: "This browser cannot use a microphone here. You can join and listen.",
        camera: "",
      };
      this.wanted = { microphone: false, camera: false };
      this.#changed();
      return;
    }
    this.asking = true;
    this.#changed();
    try {
      if (wants.microphone && wants.camera) {
        try {
          this.#take(
            await navigator.mediaDevices.getUserMedia({
              audio: this.#constraints("microphone"),
              video: this.#constraints("camera"),
            }),
          );
          return;
        } catch {
          // One of them may be missing or forbidden: each by itself says which.
        }
      }
      if (wants.microphone) await this.#one("microphone");
      if (wants.camera) await this.#one("camera");
    } finally {
      this.asking = false;
      await this.refresh();
    }
  }

  /** @param {"microphone"|"camera"} what */
  #constraints(what) {
    const device = this.chosen[what] ? { deviceId: { ideal: this.chosen[what] } } : {};
    if (what === "camera")
      return { ...device, width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 24, max: 30 } };
    return {
      ...device,
      channelCount: { ideal: 1 },
      echoCancellation: true,
      noiseSuppression: true,
      autoGainControl: true,
    };
  }

  /** @param {"microphone"|"camera"} what */
  async #one(what) {
    try {
      this.#take(
        await navigator.mediaDevices.getUserMedia({
          [what === "camera" ? "video" : "audio"]: this.#constraints(what),
        }),
      );
    } catch (problem) {
      this.problems[what] = deviceProblem(problem, what);
      this.wanted[what] = false;
      this.#changed();
    }
  }

  /** @param {MediaStream} stream */
  #take(stream) {
    for (const track of stream.getTracks()) {
      const what = track.kind === "video" ? "camera" : "microphone";
      const before = this.tracks[what];
      this.tracks[what] = track;
      before?.stop();
      this.problems[what] = "";
      this.chosen[what] = track.getSettings().deviceId ?? this.chosen[what];
      if (what === "camera" && "contentHint" in track) track.contentHint = "motion";
      if (!this.wanted[what]) this.#drop(what);
      track.addEventListener("ended", () => this.#lost(what, track));
    }
    this.#changed();
  }

  /**
   * Unplugged, or taken away by the system.
   * @param {"microphone"|"camera"} what
   * @param {MediaStreamTrack} track
   */
  #lost(what, track) {
    if (this.tracks[what] !== track) return;
    this.tracks[what] = null;
    this.wanted[what] = false;
    this.problems[what] =
      `The ${what} has stopped. Perhaps it was unplugged. Choose another one, or switch it on again.`;
    this.#changed();
    this.dispatchEvent(new CustomEvent("lost", { detail: this.problems[what] }));
  }

  /** @param {"microphone"|"camera"} what */
  #drop(what) {
    this.tracks[what]?.stop();
    this.tracks[what] = null;
  }

  /**
   * The switch. A camera that is off is really off; a microphone that is off goes on sending silence, so that nobody on
   * the way can tell who mutes. @param {"microphone"|"camera"} what @param {boolean} on
   */
  async set(what, on) {
    this.wanted[what] = on;
    const track = this.tracks[what];
    if (what === "microphone" && track) track.enabled = on;
    else if (what === "camera" && !on) this.#drop("camera");
    this.#changed();
    if (on && !track) await this.open();
  }

  /**
   * Another device.
   * @param {"microphone"|"camera"|"speaker"} what
   * @param {string} id
   */
  async choose(what, id) {
    this.chosen[what] = id;
    if (what !== "speaker" && this.tracks[what]) {
      // The old one goes first: many systems open a camera once only.
      const on = what === "microphone" ? this.tracks.microphone?.enabled : true;
      this.#drop(what);
      this.#changed();
      await this.#one(what);
      if (what === "microphone" && this.tracks.microphone) this.tracks.microphone.enabled = Boolean(on);
    }
    await this.refresh();
  }

  async refresh() {
    if (this.possible) {
      try {
        const all = (await navigator.mediaDevices.enumerateDevices()).filter((device) => device.deviceId);
        this.lists = {
          microphone: all.filter((device) => device.kind === "audioinput"),
          camera: all.filter((device) => device.kind === "videoinput"),
          speaker:
            "setSinkId" in HTMLMediaElement.prototype
              ? all.filter((device) => device.kind === "audiooutput")
              : [],
        };
      } catch {
        // Without a list there is nothing to choose from; the default devices still work.
      }
    }
    this.#changed();
  }

  close() {
    this.#drop("microphone");
    this.#drop("camera");
    this.#changed();
  }

  #changed() {
    try {
      sessionStorage.setItem(PREFERENCES, JSON.stringify({ wanted: this.wanted, chosen: this.chosen }));
    } catch {
      // A full or forbidden storage loses a preference, no more.
    }
    this.dispatchEvent(new Event("change"));
  }
}

/** How loud the microphone is, 0 to 1, drawn by `draw` some twenty times a second until `stop`. */
export class LevelMeter {
  /** @param {(level: number) => void} draw */
  constructor(draw) {
    this.draw = draw;
    /** @type {MediaStreamTrack|null} */
    this.track = null;
  }

  /** @param {MediaStreamTrack|null} track */
  follow(track) {
    if (track === this.track) return;
    this.stop();
    this.track = track;
    if (!track || typeof AudioContext === "undefined") return;
    const context = (this.context = new AudioContext());
    const analyser = context.createAnalyser();
    analyser.fftSize = 1024;
    context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    this.timer = setInterval(() => {
      if (context.state === "suspended") context.resume().catch(() => {});
      analyser.getFloatTimeDomainData(samples);
      let sum = 0;
      for (const sample of samples) sum += sample * sample;
      const decibels = 10 * Math.log10(sum / samples.length + 1e-9);
      this.draw(track.enabled ? Math.max(0, Math.min(1, (decibels + 60) / 50)) : 0);
    }, 50);
  }

  stop() {
    clearInterval(this.timer);
    this.context?.close().catch(() => {});
    this.context = undefined;
    this.track = null;
    this.draw(0);
  }
}
