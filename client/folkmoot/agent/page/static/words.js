/**
 * Words for people, and what others wrote made harmless to look at.
 */

const NAME_LENGTH_MAX = 64;
const TEXT_LENGTH_MAX = 4000;

// Controls, line and paragraph separators, and all that turns the direction of writing or cannot be seen: with them a
// name could pose as another, or as words of this page. Joiners stay: Persian and emoji need them.
const UNSEEN_IN_NAMES =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff0-\ufffb\u{e0000}-\u{e0fff}\p{Cs}\p{Co}]/gu;
const UNSEEN_IN_TEXT =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2060-\u206f\ufeff\ufff0-\ufffb\u{e0000}-\u{e0fff}\p{Cs}\p{Co}]/gu;
const PILED_MARKS = /(\p{M}{3})\p{M}+/gu; // marks piled up would cover the lines above and below

/**
 * A name as it may stand on the page.
 * @param {unknown} name
 * @returns {string}
 */
export function cleanName(name) {
  const text = String(name ?? "")
    .replace(UNSEEN_IN_NAMES, "\ufffd")
    .replace(PILED_MARKS, "$1")
    .replace(/\s+/gu, " ")
    .trim();
  const short = Array.from(text).slice(0, NAME_LENGTH_MAX).join("");
  return short || "Somebody without a name";
}

/**
 * What somebody wrote, lines kept.
 * @param {unknown} text
 * @returns {string}
 */
export function cleanText(text) {
  return String(text ?? "")
    .slice(0, TEXT_LENGTH_MAX)
    .replace(/\r\n?/g, "\n")
    .replace(UNSEEN_IN_TEXT, "\ufffd")
    .replace(PILED_MARKS, "$1")
    .replace(/\n{4,}/g, "\n\n\n");
}

/** One or two letters for a person without a picture. @param {string} name */
export function initials(name) {
  const words = cleanName(name)
    .split(" ")
    .map((word) => Array.from(word).find((letter) => /[\p{L}\p{N}]/u.test(letter)))
    .filter(Boolean);
  if (!words.length) return "?";
  return (words[0] + (words.length > 1 ? words[words.length - 1] : "")).toLocaleUpperCase();
}

/**
 * A hue from the member's id, not from the name: it stays when the name changes.
 * @param {string} member
 */
export function hue(member) {
  let sum = 7;
  for (const letter of String(member)) sum = (sum * 31 + letter.charCodeAt(0)) % 3600;
  return Math.round((sum % 12) * 30 + 8);
}

const NUMBERS = [
  "no one",
  "one",
  "two",
  "three",
  "four",
  "five",
  "six",
  "seven",
  "eight",
  "nine",
  "ten",
  "eleven",
  "twelve",
];

/** "two" for 2, "34" for 34. @param {number} count */
export function number(count) {
  return NUMBERS[count] ?? String(count);
}

/**
 * @param {number} count
 * @param {string} one
 * @param {string} many
 */
export function plural(count, one, many) {
  return `${count} ${count === 1 ? one : many}`;
}

/** Capital first letter. @param {string} text */
export function sentence(text) {
  return text ? text[0].toLocaleUpperCase() + text.slice(1) : text;
}

/** "Anna, Ben and two others". @param {string[]} names */
export function list(names) {
  if (names.length <= 1) return names.join("");
  if (names.length <= 3) return `${names.slice(0, -1).join(", ")} and ${names[names.length - 1]}`;
  return `${names.slice(0, 2).join(", ")} and ${number(names.length - 2)} others`;
}

/** The time of day on this machine, of now. @param {Date} [date] */
export function clock(date = new Date()) {
  return date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

/**
 * What went wrong with a camera or microphone, for a person.
 * @param {any} problem
 * @param {"camera"|"microphone"} what
 */
export function deviceProblem(problem, what) {
  switch (problem?.name) {
    case "NotAllowedError":
    case "SecurityError":
      return `Your browser does not let this page use the ${what}. You can allow it beside the page's address, then try again. You can also join without.`;
    case "NotFoundError":
    case "OverconstrainedError":
      return `No ${what} was found. You can join without, and add one later.`;
    case "NotReadableError":
    case "AbortError":
      return `The ${what} cannot be opened. Perhaps another program is using it.`;
    default:
      return `The ${what} cannot be used here. You can join without.`;
  }
}

/**
 * What a relay sees of this person: `sees_address`, the address together with what it carries; `entry_to`, other relays
 * that are reached through it; `carries`, a room, only the meeting's door, or nothing.
 * @typedef {{label?: string, address: string, use?: string, sees_address?: boolean, entry_to?: string[], carries?: "room"|"door"|"", by?: string}} Relay
 */

/**
 * Who will see this person's address, in a few sentences.
 * @param {Relay[]} relays
 */
export function addressSentence(relays) {
  if (!relays.length) return "No relay is known yet, so nobody sees your internet address.";
  const seeing = relays.filter((relay) => relay.sees_address);
  const entries = relays.filter((relay) => !relay.sees_address && relay.entry_to?.length);
  const [them, they] = entries.length === 1 ? ["it", "it is"] : ["them", "they are"];
  const through = list(entries.map(relayName));
  if (seeing.length) {
    const [verb, pronoun, not] = seeing.length === 1 ? ["will see", "It", "does not"] : ["will each see", "They", "do not"];
    const also = entries.length
      ? ` ${through} also ${entries.length === 1 ? "sees" : "see"} your address, as you go through ${them} to another relay.`
      : "";
    return `${list(seeing.map(relayName))} ${verb} your internet address, from which your provider and rough place can be told, and which other addresses meet there. ${pronoun} ${not} learn your name, and cannot hear or read the meeting.${also}`;
  }
  if (entries.length) {
    return `No relay sees your internet address together with the meeting. ${through} ${entries.length === 1 ? "sees" : "each see"} your address, as you go through ${them} to another relay, and ${they} not told which meeting you are in. Relays that work together can find it out, and so can one with somebody in the meeting.`;
  }
  return "No relay that carries this meeting will see your internet address. You reach them through a proxy or another relay, which sees your address but not which meeting you are in.";
}

/**
 * What one relay sees of this person.
 * @param {Relay} relay
 */
export function relaySight(relay) {
  return [...whatItIs(relay), ...whatItSees(relay)].join(" ");
}

/** What it is to the meeting, where that is more than to carry it. @param {Relay} relay */
function whatItIs({ use, carries }) {
  if (carries === undefined) return [];
  if (use === "entry") return ["This is no relay of the meeting: it takes you to those that are."];
  if (use === "left") {
    return [`The meeting left this relay${carries === "door" ? ", and keeps a door here for those who come late" : ""}.`];
  }
  if (carries === "room") return use === "reserve" ? ["From the reserve, and carries the meeting now."] : [];
  if (use === "reserve") {
    return [carries ? "In reserve: nothing that is said goes through it, but the meeting's door is open here, too." : "In reserve."];
  }
  return carries ? ["You are at the meeting's door here."] : [];
}

/** @param {Relay} relay */
function whatItSees({ use, sees_address: direct, entry_to: entryTo = [], carries }) {
  const to = list(entryTo.map((address) => relayName({ address })));
  if (direct) {
    const with_ =
      carries === "door" ? "that somebody there waits at this meeting's door" : "that somebody there is in this meeting";
    const found = [`Sees your internet address, and ${with_}.`];
    if (to) found.push(`You go through it to ${to}, too.`);
    return found;
  }
  if (to) {
    const found = [`Sees your internet address, and that you go on to ${to}, not what you do there.`];
    if (carries === "room") {
      found.push("It carries the meeting, too: there you come by another way, and it is not told that this is you, though it may guess.");
    } else if (carries) {
      found.push("To the door you come by another way, and it is not told that this is you, though it may guess.");
    }
    return found;
  }
  if (use === "entry") return ["Does not see your internet address: you come by a proxy."];
  if (carries === "") return ["You do not connect to it now, so it sees nothing of you."];
  return ["Does not see your internet address: you come by another relay or a proxy."];
}

/** @param {{label?: string, address: string}} relay */
export function relayName(relay) {
  return cleanName(relay.label || String(relay.address).split("#")[0]);
}

/**
 * The code in groups of five.
 * @param {string} code
 * @returns {string[]}
 */
export function codeGroups(code) {
  return (
    String(code ?? "")
      .replace(/\D/g, "")
      .match(/.{1,5}/g) ?? []
  ).slice(0, 6);
}
