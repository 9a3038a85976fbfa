"""Commands of a person or a program, as they come on standard input or from the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from folkmoot.agent.drafts import DraftError, charter_draft, ground_of
from folkmoot.cells.frames import MediaKind
from folkmoot.governance import PRESETS, CharterError, from_mapping
from folkmoot.meeting import Meeting, UsageError
from folkmoot.meeting.calls import call_id
from folkmoot.meeting.records import CHAT_BYTES_MAX

Command = dict[str, Any]


class CommandError(ValueError):
    """This cannot be done; the text says why."""


def perform(meeting: Meeting, command: Command, now: float) -> None:
    """Does one command; raises CommandError with a sentence."""
    name = command.get("do")
    action = _ACTIONS.get(name) if isinstance(name, str) else None
    if action is None:
        raise CommandError(f"There is no command {name!r}.")
    try:
        action(meeting, command, now)
    except UsageError as error:
        raise CommandError(str(error)) from None


def _text(command: Command, field: str) -> str:
    value = command.get(field)
    if not isinstance(value, str) or not value:
        raise CommandError(f'"{field}" is missing.')
    return value


def _switch(command: Command) -> bool:
    value = command.get("on")
    if not isinstance(value, bool):
        raise CommandError('"on" is true or false.')
    return value


def _chat(meeting: Meeting, command: Command, now: float) -> None:
    # A lone surrogate, which JSON can say, is half a character and has no bytes.
    text = _text(command, "text").encode("utf-8", "replace").decode()
    if len(text.encode()) > CHAT_BYTES_MAX:
        raise CommandError(f"A message has at most {CHAT_BYTES_MAX} bytes.")
    meeting.chat(text, now)


def _move(meeting: Meeting, command: Command, now: float) -> None:
    kind, subject = _text(command, "kind"), command.get("subject")
    ground, today = command.get("ground"), meeting.extension
    if ground is not None and (today is None or ground != ground_of(kind, today)):
        what = "rules" if kind == "amend" else "relays"
        raise CommandError(
            f"The {what} were changed while you wrote this, and nobody was asked. Look at it "
            "again: it may mean something else now."
        )
    if kind == "amend" and not _is_encoded(subject):
        try:
            subject = charter_draft(subject, meeting.charter).encode().hex()
        except DraftError as error:
            raise CommandError(str(error)) from None
    if not isinstance(subject, str) or not subject:
        raise CommandError('"subject" is missing.')
    meeting.move(kind, subject, now)


def _is_encoded(subject: object) -> bool:
    """Whether this is a charter's bytes in hex, as programs may have them."""
    return isinstance(subject, str) and subject != "" and not set(subject) - set("0123456789abcdef")


def _vote(meeting: Meeting, command: Command, now: float) -> None:
    motion, choice = _text(command, "motion"), command.get("choice")
    if choice not in ("yes", "no"):
        raise CommandError('"choice" is "yes" or "no".')
    if any(call_id(one.name) == motion for one in meeting.calls()):
        meeting.answer_call(motion, choice == "yes", now)
    else:
        meeting.vote(motion, choice == "yes", now)


def _secede(meeting: Meeting, command: Command, now: float) -> None:
    members, rules = command.get("with"), command.get("charter")
    if not isinstance(members, list) or not all(isinstance(one, str) for one in members):
        raise CommandError('"with" is a list of members.')
    charter = None
    try:
        if isinstance(rules, dict):
            charter = from_mapping(rules)
        elif rules is not None:
            charter = PRESETS[rules]
    except CharterError as error:
        raise CommandError(str(error)) from None
    except (KeyError, TypeError):
        raise CommandError(f'"charter" is one of {", ".join(PRESETS)}, or its fields.') from None
    meeting.call(members, charter, now)


_ACTIONS: dict[str, Callable[[Meeting, Command, float], None]] = {
    "chat": _chat,
    "admit": lambda meeting, command, now: meeting.admit(_text(command, "knock"), now),
    "refuse": lambda meeting, command, now: meeting.refuse(_text(command, "knock"), now),
    "rename": lambda meeting, command, now: meeting.rename(_text(command, "name"), now),
    "mute": lambda meeting, command, now: meeting.mute(_text(command, "member"), True, now),
    "unmute": lambda meeting, command, now: meeting.mute(_text(command, "member"), False, now),
    "hide": lambda meeting, command, now: meeting.hide(_text(command, "member"), True, now),
    "show": lambda meeting, command, now: meeting.hide(_text(command, "member"), False, now),
    "microphone": lambda meeting, command, now: meeting.microphone(_switch(command), now),
    "camera": lambda meeting, command, now: meeting.show(MediaKind.CAMERA, _switch(command), now),
    "screen": lambda meeting, command, now: meeting.show(MediaKind.SCREEN, _switch(command), now),
    "accept_charter": lambda meeting, command, now: meeting.accept_charter(now),
    "move": _move,
    "vote": _vote,
    "secede": _secede,
    "leave": lambda meeting, command, now: meeting.leave(now),
}
