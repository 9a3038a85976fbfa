/**
 * What stands beside the pictures: the people, and the chat.
 */

import { Paced, fill, h, icon, mark, say } from "./dom.js";
import { button, iconButton, nameOf } from "./parts.js";
import { Votes, moveDialog } from "./votes.js";
import { Walkouts } from "./walkout.js";
import { cleanName, cleanText, clock, hue, initials, list, plural } from "./words.js";

const LINES_MAX = 2000;
const NEWS_MS = 4000;
const TEXT_LENGTH_MAX = 4000;

export class People {
  /** @param {import("./meeting.js").Meeting} meeting */
  constructor(meeting) {
    this.meeting = meeting;
    this.heading = h("h2", { id: "people-heading" }, "People");
    this.knocks = h("section", { class: "knock-list", "aria-label": "Waiting to be let in" });
    this.votes = new Votes(meeting);
    this.walkouts = new Walkouts(meeting);
    this.members = h("ul", { class: "people" });
    this.element = h(
      "aside",
      { class: "side", id: "people-side", "aria-labelledby": "people-heading" },
      h(
        "div",
        { class: "side-head" },
        this.heading,
        iconButton("close", "Close the list of people", () => meeting.showSide(null)),
      ),
      h(
        "div",
        { class: "side-body" },
        this.walkouts.element,
        this.knocks,
        this.votes.element,
        this.members,
        button("Invite somebody", () => meeting.invite(), { icon: "invite", class: "wide" }),
        this.walkouts.begin,
      ),
    );
  }

  focus() {
    (this.element.querySelector(".walkout button, .knock-list button, .vote button") ?? this.element.querySelector(".icon-button")).focus();
  }

  /**
   * @param {any} snapshot
   * @param {Set<string>} hidden
   */
  update(snapshot, hidden) {
    const members = snapshot.members ?? [];
    const knocks = snapshot.knocks ?? [];
    this.votes.update(snapshot);
    this.walkouts.update(snapshot);
    say(this.heading, `People (${members.length})`);
    const key = JSON.stringify([members, knocks, [...hidden], snapshot.me, snapshot.voting]);
    if (key === this.key) return;
    this.key = key;
    keepFocus(
      this.element,
      () => {
        fill(
          this.knocks,
          knocks.length ? h("h3", {}, "Waiting to be let in") : null,
          ...knocks.map((knock) => knockRow(knock, this.meeting, snapshot.voting)),
        );
        fill(this.members, ...members.map((member) => this.row(member, snapshot, hidden)));
      },
      () => this.element.querySelector(".icon-button"),
    );
  }

  /**
   * @param {any} member
   * @param {any} snapshot
   * @param {Set<string>} hidden
   */
  row(member, snapshot, hidden) {
    const own = member.member === snapshot.me?.member;
    const name = cleanName(member.name);
    const voting = snapshot.voting ?? {};
    const facts = [];
    if (own) facts.push("you");
    if (voting.guests) facts.push(member.votes ? "votes" : "guest");
    if (voting.lines && member.line) facts.push(lineOf(member, snapshot));
    if (member.here === false) facts.push("away, connection lost");
    if (member.confirmed === false && !own) facts.push("not yet confirmed");
    if (!member.microphone) facts.push("microphone off");
    if (!member.camera) facts.push("no picture");
    const avatar = h("span", { class: "avatar small", "aria-hidden": "true" }, initials(member.name));
    avatar.style.setProperty("--hue", String(hue(member.member)));
    const muted = Boolean(member.muted);
    const unseen = hidden.has(member.member);
    const mute = iconButton(
      muted ? "sound_off" : "sound",
      `Mute ${name} for me`,
      () => this.meeting.mute(member.member, !muted),
      "toggle",
    );
    const hide = iconButton(
      unseen ? "eye_off" : "eye",
      `Hide the picture of ${name} for me`,
      () => this.meeting.hide(member.member, !unseen),
      "toggle",
    );
    mark(mute, "aria-pressed", muted ? "true" : "false");
    mark(hide, "aria-pressed", unseen ? "true" : "false");
    mute.dataset.focus = `mute ${member.member}`;
    hide.dataset.focus = `hide ${member.member}`;
    const rename = iconButton("edit", "Change your name", () => this.meeting.rename());
    rename.dataset.focus = "rename";
    return h(
      "li",
      { class: member.here === false ? "person away" : "person", dataset: { member: member.member } },
      avatar,
      h(
        "div",
        { class: "person-words" },
        nameOf(member, "person-name"),
        h("span", { class: "quiet small" }, facts.join(", ")),
      ),
      h("div", { class: "person-buttons" }, ...(own ? [rename] : [mute, hide, ...this.asks(member, voting)])),
    );
  }

  /**
   * Never a bare "Remove": one can ask, and all who vote decide.
   * @param {any} member
   * @param {any} voting
   */
  asks(member, voting) {
    if (!voting.votes) return [];
    const name = cleanName(member.name);
    const who = { id: member.member, name: member.name, tag: member.tag, votes: member.votes };
    const ask = (kind, drawing, words) => {
      const element = iconButton(drawing, words, () => moveDialog(this.meeting.app, kind, who));
      element.dataset.focus = `${kind} ${member.member}`;
      return element;
    };
    return [
      voting.raise && !member.votes && ask("raise", "vote_given", `Ask for a vote to give ${name} a vote …`),
      voting.remove && ask("remove", "vote", `Ask for a vote to remove ${name} …`),
    ].filter(Boolean);
  }
}

/** Whose line a member is in. @param {any} member @param {any} snapshot */
function lineOf(member, snapshot) {
  if (member.line === member.member) return "begins a line";
  const first = (snapshot.members ?? []).find((one) => one.member === member.line);
  return first ? `in the line of ${cleanName(first.name)}` : "in the line of somebody who left";
}

/**
 * Somebody who asks to come in.
 * @param {any} knock
 * @param {import("./meeting.js").Meeting} meeting
 * @param {any} voting
 */
export function knockRow(knock, meeting, voting) {
  const name = cleanName(knock.name);
  const ask = () => moveDialog(meeting.app, "admit", { id: knock.knock, name: knock.name });
  const admit = voting?.admit
    ? button("Ask for a vote", ask, { class: "primary", "aria-label": `Ask for a vote to let in ${name}` })
    : button("Let in", () => meeting.admit(knock), { class: "primary", "aria-label": `Let in ${name}` });
  const refuse = button("Decline", () => meeting.refuse(knock), { "aria-label": `Decline ${name}` });
  admit.dataset.focus = `admit ${knock.knock}`;
  refuse.dataset.focus = `refuse ${knock.knock}`;
  return h(
    "div",
    { class: "knock", dataset: { knock: knock.knock } },
    h("p", {}, h("bdi", { class: "strong" }, name), " asks to come in."),
    h("div", { class: "knock-buttons" }, admit, refuse),
  );
}

/**
 * Rebuilds, and gives the focus back to the button that does the same as before; where that is gone, to `next`.
 * @param {Element} root
 * @param {() => void} build
 * @param {() => Element|null|undefined} next
 */
export function keepFocus(root, build, next) {
  const active = document.activeElement;
  const inside = active instanceof HTMLElement && root.contains(active);
  const focus = inside ? active.dataset.focus : undefined;
  build();
  if (!inside || root.contains(document.activeElement)) return;
  const again = Array.from(root.querySelectorAll("[data-focus]")).find(
    (element) => element instanceof HTMLElement && element.dataset.focus === focus,
  );
  const place = again ?? root.querySelector("[data-focus^=admit]") ?? next();
  if (place instanceof HTMLElement) place.focus();
}

export class Chat {
  /** @param {import("./meeting.js").Meeting} meeting */
  constructor(meeting) {
    this.meeting = meeting;
    this.lines = h("div", {
      class: "lines",
      role: "log",
      "aria-label": "Messages",
      "aria-live": "polite",
      tabindex: "0",
    });
    this.empty = h(
      "p",
      { class: "quiet chat-empty" },
      "Nobody has written anything yet. What you write is read by everyone in the meeting, and by nobody else.",
    );
    this.input = h("textarea", {
      id: "chat-text",
      rows: "1",
      maxlength: TEXT_LENGTH_MAX,
      placeholder: "Write to everyone",
      onkeydown: (event) => this.key(event),
      oninput: () => this.grow(),
    });
    this.note = h("p", { class: "field-problem", role: "alert" });
    this.element = h(
      "aside",
      { class: "side", id: "chat-side", "aria-labelledby": "chat-heading" },
      h(
        "div",
        { class: "side-head" },
        h("h2", { id: "chat-heading" }, "Chat"),
        iconButton("close", "Close the chat", () => meeting.showSide(null)),
      ),
      h("div", { class: "side-body chat-body" }, this.empty, this.lines),
      h(
        "form",
        {
          class: "chat-form",
          onsubmit: (event) => {
            event.preventDefault();
            this.submit();
          },
        },
        h("label", { for: "chat-text", class: "unseen" }, "Your message"),
        this.input,
        h(
          "button",
          { type: "submit", class: "icon-button primary", "aria-label": "Send", title: "Send (Enter)" },
          icon("send"),
        ),
        this.note,
      ),
    );
    this.count = 0;
    this.key_ = "";
  }

  focus() {
    this.input.focus();
    this.bottom();
  }

  /**
   * All of it, from a snapshot.
   * @param {any[]} chat
   * @param {any} me
   */
  replace(chat, me) {
    const shown = chat.slice(-LINES_MAX);
    const key = JSON.stringify(shown.map((line) => [line.from, line.name, line.tag, line.text]));
    if (key === this.key_) return;
    this.key_ = key;
    const atBottom = this.atBottom();
    // Lines that stand there already stay, so that screen readers read only what is new.
    const same =
      this.lines.children.length <= shown.length &&
      Array.from(this.lines.children).every(
        (element, index) => element.dataset.line === lineKey(shown[index]),
      );
    if (!same) fill(this.lines);
    for (const line of shown.slice(this.lines.children.length)) this.append(line, me);
    this.count = shown.length;
    this.empty.hidden = this.count > 0;
    if (atBottom) this.bottom();
  }

  /**
   * @param {any} line
   * @param {any} me
   */
  add(line, me) {
    const atBottom = this.atBottom();
    this.append(line, me, new Date());
    this.count += 1;
    this.key_ = "";
    while (this.lines.children.length > LINES_MAX) this.lines.firstElementChild?.remove();
    this.empty.hidden = true;
    if (atBottom) this.bottom();
  }

  /**
   * @param {any} line
   * @param {any} me
   * @param {Date|null} [now] when it came, where the line does not say so
   */
  append(line, me, now = null) {
    const own = line.from === me?.member;
    const before = this.lines.lastElementChild;
    const follows = before?.dataset.from === String(line.from);
    const at = moment(line) ?? now;
    const element = h(
      "div",
      {
        class: `line${own ? " own" : ""}${follows ? " follows" : ""}`,
        dataset: { from: String(line.from), line: lineKey(line) },
      },
      h(
        "div",
        { class: follows ? "line-head unseen" : "line-head" },
        own ? h("bdi", { class: "line-name" }, "You") : nameOf(line, "line-name"),
        at && h("time", { class: "quiet small" }, clock(at)),
      ),
      h("p", { class: "line-text", dir: "auto" }, cleanText(line.text)),
    );
    this.lines.append(element);
  }

  atBottom() {
    const { scrollTop, scrollHeight, clientHeight } = this.lines;
    return scrollHeight - scrollTop - clientHeight < 60;
  }

  bottom() {
    this.lines.scrollTop = this.lines.scrollHeight;
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      this.submit();
    }
  }

  grow() {
    say(this.note, "");
    this.input.style.setProperty("height", "auto");
    this.input.style.setProperty("height", `${Math.min(this.input.scrollHeight + 2, 140)}px`);
  }

  submit() {
    const text = this.input.value.trim();
    if (!text) return;
    if (!this.meeting.app.line.send({ do: "chat", text })) {
      say(this.note, "Not sent: the Folkmoot program does not answer. Your text is still here.");
      return;
    }
    this.input.value = "";
    this.grow();
    this.bottom();
  }
}

/**
 * When it was written, by the writer's clock, where the line says so.
 * @param {any} line
 * @returns {Date|null}
 */
function moment(line) {
  const at = Number(line.at_ms ?? line.at);
  const when = at > 1e11 ? new Date(at) : at > 1e9 ? new Date(at * 1000) : null;
  return when && Number.isFinite(when.getTime()) ? when : null; // a writer may say any number
}

/** @param {any} line */
function lineKey(line) {
  return `${line.from} ${line.name} ${line.tag ?? ""} ${line.text}`;
}

/**
 * What was written, of two accounts of it: each line once, what is only in the older one first.
 * @param {any[]} known
 * @param {any[]} fresh
 * @returns {any[]}
 */
export function joined(known, fresh) {
  // Not by the name, which may change: by who wrote what, and when.
  const key = (line) => `${line.at_ms ?? line.at} ${line.from} ${line.text}`;
  const keys = new Set(fresh.map(key));
  return [...known.filter((line) => !keys.has(key(line))), ...fresh].slice(-LINES_MAX);
}

/** Tells screen readers who came, who left and who asks to come in; at most so often, whatever others do. */
export class News {
  constructor() {
    this.came = new Paced(NEWS_MS, (names) => `${list(names)} joined.`);
    this.left = new Paced(NEWS_MS, (names) => `${list(names)} left.`);
    this.knocks = new Paced(NEWS_MS, (names) => asking(names), true);
    this.lines = new Paced(NEWS_MS, (lines) => written(lines));
  }

  /**
   * What changed in the roster.
   * @param {any} before
   * @param {any} now
   */
  changed(before, now) {
    if (!before) {
      this.knocks.add((now.knocks ?? []).map((knock) => cleanName(knock.name)));
      return;
    }
    const ids = (snapshot) => new Map((snapshot.members ?? []).map((member) => [member.member, member]));
    const old = ids(before);
    const fresh = ids(now);
    const names = (some, others) =>
      [...some.values()].filter((one) => !others.has(one.member)).map((one) => cleanName(one.name));
    this.came.add(names(fresh, old));
    // Who was removed is said with the decision.
    const removed = new Set((now.decided ?? []).map((one) => one.outcome === "carried" && one.subject));
    for (const id of removed) old.delete(id);
    this.left.add(names(old, fresh));
    const known = new Set((before.knocks ?? []).map((knock) => knock.knock));
    const knocking = (now.knocks ?? []).filter((knock) => !known.has(knock.knock));
    this.knocks.add(knocking.map((knock) => cleanName(knock.name)));
  }

  stop() {
    for (const one of [this.came, this.left, this.knocks, this.lines]) one.stop();
  }
}

/** @param {string[]} names */
function asking(names) {
  if (names.length === 1) return `${names[0]} asks to come in.`;
  return `${plural(names.length, "person asks", "people ask")} to come in.`;
}

/** @param {any[]} lines */
function written(lines) {
  const last = lines[lines.length - 1];
  if (lines.length > 1) return `${lines.length} new messages. The last is from ${cleanName(last.name)}.`;
  return `${cleanName(last.name)} writes: ${cleanText(last.text).slice(0, 200)}`;
}
