"""`folkmoot inspect INVITE`: what an invite holds, without a word to any relay."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any

from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from folkmoot.agent.console import Output, printable
from folkmoot.agent.failure import CallError
from folkmoot.governance import sentences, to_mapping
from folkmoot.meeting.invite import Invite, InviteError
from folkmoot.wire.address import encode_pin, format_host_port

FINGERPRINT_BYTES = 10
WORD_BYTES_MAX = 16_384
FROM_STANDARD_INPUT = "-"


def parse_invite(word: str) -> Invite:
    """The invite of a command line, or of standard input where that says `-`; raises CallError with
    the sentence that says what is wrong."""
    if word == FROM_STANDARD_INPUT:
        word = read_word()
    try:
        return Invite.parse(word)
    except InviteError as error:
        raise CallError(" ".join(str(error).split())) from None


def read_word() -> str:
    """A line of standard input. An invite holds the door's secret, and every user of the machine
    may read the command lines of all others."""
    if sys.stdin is not None and sys.stdin.isatty():
        sys.stderr.write("The invite: ")
        sys.stderr.flush()
    line = b""
    # Byte by byte: what follows in a pipe are a program's commands, and not ours to swallow.
    with contextlib.suppress(OSError):
        while len(line) <= WORD_BYTES_MAX and (one := os.read(0, 1)) not in (b"", b"\n"):
            line += one
    return line.decode("utf-8", "replace").strip()


def fingerprint(key: bytes) -> str:
    """The beginning of a key, for people to tell two apart: 20 hexadecimal digits in fives."""
    digits = key[:FINGERPRINT_BYTES].hex()
    return " ".join(digits[at : at + 5] for at in range(0, len(digits), 5))


def facts(invite: Invite) -> dict[str, Any]:
    """The invite for programs. Its door's secret is in the word itself and nowhere else."""
    return {
        "event": "invite",
        "invite": invite.word(),
        "group": invite.group_id.hex(),
        "inviter": {"seat": invite.inviter_seat.hex(), "key": invite.inviter_key.hex()},
        "door": {"key": invite.door_key.hex()},
        "relays": [
            {
                "address": str(relay.address),
                "host": relay.address.host,
                "port": relay.address.port,
                "pin": encode_pin(relay.address.pin),
                "label": relay.label,
            }
            for relay in invite.relays
        ],
        "charter": {
            **to_mapping(invite.charter),
            "hash": invite.charter_hash.hex(),
            "sentences": sentences(invite.charter),
        },
    }


def inspect(word: str, output: Output) -> None:
    """Says what the invite holds."""
    invite = parse_invite(word)
    output.event(facts(invite))
    if not output.as_json:
        output.say(_panel(invite))


def _panel(invite: Invite) -> Panel:
    relays = Table(box=None, padding=(0, 3, 0, 0), pad_edge=False)
    relays.add_column("Relay", no_wrap=True)
    relays.add_column("Run by")
    for relay in invite.relays:
        place = format_host_port(relay.address.host, relay.address.port)
        label = printable(relay.label, 64) if relay.label else "—"
        pin = Text(f"\n  pin {encode_pin(relay.address.pin)}", style="dim")
        relays.add_row(Text(place).append(pin), Text(label))
    lines: list[Text | Table] = [
        Text("Who can carry this meeting, and cannot read it", style="bold"),
        relays,
        Text(),
        Text("Its charter", style="bold"),
    ]
    lines += [Text(f"• {sentence}") for sentence in sentences(invite.charter)]
    lines += [
        Text(),
        Text("Its door", style="bold"),
        Text("• Whoever holds this invite can knock. Only members can read who knocks."),
        Text(f"• Door key {fingerprint(invite.door_key)}"),
        Text(f"• Signed by the member who invites you, key {fingerprint(invite.inviter_key)}"),
        Text("• It is void once that member has left the meeting, or anybody is removed from it."),
        Text(),
        Text("Nothing was sent to anybody by looking at it.", style="dim"),
    ]
    return Panel(Group(*lines), title="An invite to a Folkmoot meeting", title_align="left")
