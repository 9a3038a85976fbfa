"""What the page may say to the agent: JSON text, checked field by field before anything acts on it.

The page is our own code, but what reaches the socket is judged as if it were not: a key too many,
a wrong type, a number that is no number, a name with control characters are all `MessageError`,
and the connection is closed with a sentence. Nothing here does I/O.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NoReturn, TypeAlias

TEXT_BYTES_MAX: Final = (
    262_144  # an answer for 50 members has 102 m-sections of some 600 B; the WebSocket's own limit
)
COMMAND_BYTES_MAX: Final = 32_768  # everything that is not an answer or the digest of statistics
SDP_CHARACTERS_MAX: Final = 200_000
CHAT_CHARACTERS_MAX: Final = 4_000
NAME_CHARACTERS_MAX: Final = 64
MEMBERS_MAX: Final = (
    1_000  # in one digest of statistics, and in a list of those who walk out together
)
WRITTEN_CHARACTERS_MAX: Final = 8_000  # eleven addresses with the longest names, or rules
NUMBER_MAX: Final = 1_000_000_000  # of drafts, counted up by one loaded page
FIELDS_MAX: Final = 8  # of a charter
FIGURES_MAX: Final = 24  # statistics of one member
SHORT_CHARACTERS_MAX: Final = 128  # ids, tokens, secrets


class MessageError(ValueError):
    """The page sent something that the agent does not understand. Reload the page."""


@dataclass(frozen=True, slots=True)
class Hello:
    """The first message: the session secret, and a number that one loaded page keeps while it
    reconnects."""

    secret: str
    instance: str


@dataclass(frozen=True, slots=True)
class Return:
    """The first message of a page that lost its line: the agent must prove first who it is."""

    nonce: str
    instance: str


@dataclass(frozen=True, slots=True)
class Proof:
    """The second message of such a page."""

    proof: str


@dataclass(frozen=True, slots=True)
class Take:
    """'Use it here': this tab takes the meeting over from the other one."""


@dataclass(frozen=True, slots=True)
class Again:
    """The page has a fresh RTCPeerConnection and asks for an offer."""


@dataclass(frozen=True, slots=True)
class Answer:
    sdp: str


@dataclass(frozen=True, slots=True)
class Stats:
    """A digest of getStats, once a second: member -> figure -> value, and the figures of what is
    sent."""

    members: Mapping[str, Mapping[str, float]]
    sent: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Command:
    """Anything else: goes to `Session.do` as it is."""

    body: Mapping[str, object]


PageMessage: TypeAlias = Hello | Return | Proof | Take | Again | Answer | Stats | Command
Check: TypeAlias = Callable[[object], bool]


def _flag(value: object) -> bool:
    return isinstance(value, bool)


def _text(limit: int) -> Check:
    def check(value: object) -> bool:
        return isinstance(value, str) and 0 < len(value) <= limit

    return check


def _short(value: object) -> bool:
    """Ids and secrets: printable ASCII without spaces, so that nothing in them can mean anything
    elsewhere."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= SHORT_CHARACTERS_MAX
        and all("!" <= character <= "~" for character in value)
    )


def _name(value: object) -> bool:
    return (
        isinstance(value, str)
        and len(value) <= NAME_CHARACTERS_MAX
        and bool(value.strip())
        and not any(unicodedata.category(character) in ("Cc", "Cs") for character in value)
    )


def _shorts(value: object) -> bool:
    return isinstance(value, list) and 0 < len(value) <= MEMBERS_MAX and all(map(_short, value))


def _number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= NUMBER_MAX


def _rules(value: object) -> bool:
    """Some of a charter's fields, or a text that means a whole one."""
    if isinstance(value, dict):
        return 0 < len(value) <= FIELDS_MAX and all(
            _short(name) and (isinstance(one, bool) or _words(one)) for name, one in value.items()
        )
    return _written(value)


_words = _text(64)
_written = _text(WRITTEN_CHARACTERS_MAX)

# What is moved or drafted, by its kind: a member, a knock, rules, or what a person wrote as
# addresses of relays. What of it means nothing gets a sentence from whoever reads it.
SUBJECTS: Final[Mapping[str, Check]] = {
    "remove": _short,
    "raise": _short,
    "admit": _short,
    "amend": _rules,
    "relays": _written,
}


def _subject(value: object) -> bool:
    return any(check(value) for check in SUBJECTS.values())


def _choice(*choices: str) -> Check:
    def check(value: object) -> bool:
        return isinstance(value, str) and value in choices

    return check


def _figures(value: object) -> bool:
    return (
        isinstance(value, dict)
        and len(value) <= FIGURES_MAX
        and all(
            _short(name)
            and isinstance(figure, int | float)
            and not isinstance(figure, bool)
            and abs(figure) < 1e18  # keeps whole numbers within what a float can hold at all
            for name, figure in value.items()
        )
    )


def _members_figures(value: object) -> bool:
    return (
        isinstance(value, dict)
        and len(value) <= MEMBERS_MAX
        and all(_short(member) and _figures(figures) for member, figures in value.items())
    )


FIELDS: Final[Mapping[str, Mapping[str, Check]]] = {
    "hello": {"secret": _short, "instance": _short},
    "return": {"nonce": _short, "instance": _short},
    "proof": {"proof": _short},
    "take": {},
    "again": {},
    "answer": {"sdp": _text(SDP_CHARACTERS_MAX)},
    "stats": {"members": _members_figures, "sent": _figures},
    "join": {"name": _name, "microphone": _flag, "camera": _flag, "hidden": _flag},
    "leave": {},
    "rename": {"name": _name},
    "chat": {"text": _text(CHAT_CHARACTERS_MAX)},
    "microphone": {"on": _flag},
    "camera": {"on": _flag},
    "admit": {"knock": _short},
    "refuse": {"knock": _short},
    "mute": {"member": _short},
    "unmute": {"member": _short},
    "hide": {"member": _short},
    "show": {"member": _short},
    "accept_charter": {},
    "move": {"kind": _choice(*SUBJECTS), "subject": _subject, "ground": _short},
    "draft": {"draft": _number, "kind": _choice("amend", "relays"), "subject": _subject},
    "vote": {"motion": _short, "choice": _choice("yes", "no")},
    "secede": {"with": _shorts},
}
# With what rules or relays are compared that are proposed; of a motion about people there is none.
OPTIONAL: Final = frozenset({("move", "ground")})
LONG: Final = frozenset({"answer", "stats"})


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Two equal keys are refused: readers that disagree on which one counts are an old source of
    holes."""
    result = dict(pairs)
    if len(result) != len(pairs):
        raise MessageError("a key stands there twice")
    return result


def _no_constant(name: str) -> NoReturn:
    raise MessageError(f"{name} is not a number")


def _no_infinity(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise MessageError("a number is too large")
    return value


def _load(text: str) -> dict[str, object]:
    try:
        body = json.loads(
            text, object_pairs_hook=_object, parse_constant=_no_constant, parse_float=_no_infinity
        )
        # "\ud800" in JSON is a lone surrogate in Python: no UTF-8 for it, so nothing may carry it
        # further.
        json.dumps(body, ensure_ascii=False).encode()
    except MessageError:
        raise
    except (ValueError, RecursionError) as problem:
        raise MessageError("not JSON") from problem
    if not isinstance(body, dict):
        raise MessageError("not an object")
    return body


def parse(text: str) -> PageMessage:
    """One message of the page, at most TEXT_BYTES_MAX bytes, or MessageError."""
    if len(text) > TEXT_BYTES_MAX:
        raise MessageError("too long")
    body = _load(text)
    do = body.get("do")
    if not isinstance(do, str) or do not in FIELDS:
        raise MessageError("no such thing to do")
    if do not in LONG and len(text) > COMMAND_BYTES_MAX:
        raise MessageError("too long")
    fields = FIELDS[do]
    for field, value in body.items():
        if field == "do":
            continue
        check = fields.get(field)
        if check is None:
            raise MessageError(f"{do} has a field too many")
        if not check(value):
            raise MessageError(f"{do}: {field} is not as it should be")
    for field in fields:
        if field not in body and (do, field) not in OPTIONAL:
            raise MessageError(f"{do} lacks {field}")
    if "subject" in fields and not SUBJECTS[str(body["kind"])](body["subject"]):
        raise MessageError(f"{do}: subject is not as it should be")
    return _typed(do, body)


def _typed(do: str, body: dict[str, object]) -> PageMessage:
    match do:
        case "hello":
            return Hello(str(body["secret"]), str(body["instance"]))
        case "return":
            return Return(str(body["nonce"]), str(body["instance"]))
        case "proof":
            return Proof(str(body["proof"]))
        case "take":
            return Take()
        case "again":
            return Again()
        case "answer":
            return Answer(str(body["sdp"]))
        case "stats":
            members, sent = body["members"], body["sent"]
            assert isinstance(members, dict)
            assert isinstance(sent, dict)
            return Stats(members, sent)
        case _:
            return Command(body)
