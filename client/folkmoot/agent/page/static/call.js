/**
 * Sound and picture between this page and the agent on the same machine, by WebRTC over the loopback.
 *
 * The agent always offers and the page always answers, one offer at a time. A member's tracks come under the member's
 * id. No address of anybody else is ever involved: there is no STUN or TURN server.
 */

const RESTART_MS = 1500;
const FIGURES = [
  "framesDecoded",
  "framesDropped",
  "keyFramesDecoded",
  "freezeCount",
  "frameWidth",
  "frameHeight",
  "framesPerSecond",
  "pliCount",
  "nackCount",
];
const SOUND_FIGURES = [
  "audioLevel",
  "totalAudioEnergy",
  "totalSamplesReceived",
  "concealedSamples",
  "jitterBufferDelay",
  "jitterBufferEmittedCount",
];
const SENT_FIGURES = [
  "framesEncoded",
  "keyFramesEncoded",
  "framesSent",
  "bytesSent",
  "packetsSent",
  "targetBitrate",
];

/** The m-sections of an offer: mid, kind and direction of each, in order. @param {string} sdp */
export function sections(sdp) {
  return sdp
    .split(/\r?\nm=/)
    .slice(1)
    .map((section) => ({
      kind: section.split(" ", 1)[0],
      mid: /\na=mid:(\S+)/.exec(section)?.[1] ?? "",
      direction: /\na=(sendrecv|sendonly|recvonly|inactive)/.exec(section)?.[1] ?? "sendrecv",
    }));
}

/** Tells "streams" when members' tracks changed, "state" when the connection did. */
export class Call extends EventTarget {
  /**
   * @param {(message: Record<string, any>) => boolean} send
   * @param {import("./devices.js").Devices} devices
   */
  constructor(send, devices) {
    super();
    this.send = send;
    this.devices = devices;
    /** member -> what plays. @type {Map<string, MediaStream>} */
    this.streams = new Map();
    /** @type {RTCPeerConnection|null} */
    this.connection = null;
    /** Nothing is sent before who invited this person has confirmed the meeting. */
    this.allowed = false;
    /** @type {{microphone: RTCRtpSender|null, camera: RTCRtpSender|null}} */
    this.senders = { microphone: null, camera: null };
    /** @type {Promise<void>} */
    this.queue = Promise.resolve();
    this.possible = typeof RTCPeerConnection === "function";
    devices.addEventListener("change", () => this.sync());
  }

  get state() {
    return this.connection?.connectionState ?? "closed";
  }

  /** A fresh connection; the agent answers with an offer. */
  start() {
    this.stop();
    if (!this.possible) return;
    const connection = new RTCPeerConnection({ iceServers: [], bundlePolicy: "max-bundle" });
    this.connection = connection;
    connection.ontrack = (event) => {
      const stream = event.streams[0];
      if (!stream || connection !== this.connection) return;
      this.streams.set(stream.id, stream);
      stream.onremovetrack = () => {
        if (!stream.getTracks().length && this.streams.get(stream.id) === stream)
          this.streams.delete(stream.id);
        this.#tell("streams");
      };
      event.track.onunmute = event.track.onmute = () => this.#tell("streams");
      this.#tell("streams");
    };
    connection.onconnectionstatechange = () => {
      if (connection !== this.connection) return;
      this.#tell("state");
      if (connection.connectionState === "failed") {
        clearTimeout(this.restart);
        this.restart = setTimeout(() => {
          if (connection === this.connection) this.start();
        }, RESTART_MS);
      }
    };
    this.send({ do: "again" });
  }

  stop() {
    clearTimeout(this.restart);
    const connection = this.connection;
    this.connection = null;
    // What waits on a closed connection waits for ever (its promises never settle): the next one does not wait with it.
    this.queue = Promise.resolve();
    this.senders = { microphone: null, camera: null };
    if (connection) connection.close();
    if (this.streams.size) {
      this.streams.clear();
      this.#tell("streams");
    }
  }

  /** @param {string} sdp */
  offer(sdp) {
    const connection = this.connection;
    this.queue = this.queue
      .then(async () => {
        if (!connection || connection !== this.connection) return;
        await connection.setRemoteDescription({ type: "offer", sdp });
        const wanted = sections(sdp).filter((section) => section.direction === "recvonly");
        for (const transceiver of connection.getTransceivers()) {
          const section = wanted.find((candidate) => candidate.mid === transceiver.mid);
          if (!section) continue;
          const what = section.kind === "audio" ? "microphone" : "camera";
          if (this.senders[what] && this.senders[what] !== transceiver.sender) continue;
          transceiver.direction = "sendonly";
          this.senders[what] = transceiver.sender;
        }
        await this.sync();
        await connection.setLocalDescription();
        if (connection === this.connection)
          this.send({ do: "answer", sdp: connection.localDescription?.sdp ?? "" });
      })
      .catch((problem) => {
        if (connection !== this.connection) return;
        this.dispatchEvent(
          new CustomEvent("problem", {
            detail: `Sound and picture could not be started (${problem?.name ?? "unknown reason"}).`,
          }),
        );
      });
  }

  /** @param {boolean} allowed */
  allow(allowed) {
    if (allowed === this.allowed) return;
    this.allowed = allowed;
    this.sync();
  }

  /** The tracks that are open go out, and no others. */
  async sync() {
    for (const what of /** @type {const} */ (["microphone", "camera"])) {
      const sender = this.senders[what];
      const track = this.allowed ? this.devices.tracks[what] : null;
      if (sender && sender.track !== track) await sender.replaceTrack(track).catch(() => {});
    }
  }

  /** The member of each track that plays. @returns {Map<string, string>} by the track's id */
  #owners() {
    const owners = new Map();
    for (const [member, stream] of this.streams)
      for (const track of stream.getTracks()) owners.set(track.id, member);
    return owners;
  }

  /**
   * How loud each member is right now, 0 to 1: from what the browser decoded, as the agent decodes nothing.
   * @returns {Promise<Map<string, number>>}
   */
  async levels() {
    const levels = new Map();
    if (this.state !== "connected" || !this.connection) return levels;
    const owners = this.#owners();
    for (const report of (await this.connection.getStats()).values()) {
      if (report.type !== "inbound-rtp" || report.kind !== "audio" || typeof report.audioLevel !== "number")
        continue;
      const member = owners.get(report.trackIdentifier);
      if (member !== undefined) levels.set(member, report.audioLevel);
    }
    return levels;
  }

  /** A digest of getStats for the agent: what it cannot see itself, since it decodes nothing. */
  async digest() {
    const connection = this.connection;
    /** @type {Record<string, Record<string, number>>} */
    const members = {};
    /** @type {Record<string, number>} */
    const sent = {};
    if (!connection) return { members, sent };
    const owners = this.#owners();
    for (const report of (await connection.getStats()).values()) {
      if (report.type === "inbound-rtp") {
        const member = owners.get(report.trackIdentifier);
        if (member === undefined) continue;
        const prefix = report.kind === "audio" ? "audio" : "video";
        const figures = (members[member] ??= {});
        keep(report, report.kind === "audio" ? SOUND_FIGURES : FIGURES, figures);
        keep(report, ["packetsReceived", "packetsLost"], figures, prefix);
      } else if (report.type === "outbound-rtp") {
        keep(report, SENT_FIGURES, sent, report.kind === "audio" ? "audio" : "video");
      } else if (report.type === "media-source" && report.kind === "audio") {
        keep(report, ["audioLevel"], sent, "source");
      }
    }
    return { members, sent };
  }

  /** @param {string} name */
  #tell(name) {
    this.dispatchEvent(new Event(name));
  }
}

/**
 * @param {any} report
 * @param {string[]} names
 * @param {Record<string, number>} into
 * @param {string} [prefix]
 */
function keep(report, names, into, prefix = "") {
  for (const name of names) {
    const value = report[name];
    if (typeof value !== "number" || !Number.isFinite(value)) continue;
    into[prefix ? prefix + name[0].toUpperCase() + name.slice(1) : name] = value;
  }
}
