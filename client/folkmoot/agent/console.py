"""Where a command's words go: rich text for people, or JSON lines for programs (`--json`).

For people everything is on standard output, and colours only when that is a terminal. With `--json`
standard output holds one object a line and nothing else, and words for people go to standard error.
"""

from __future__ import annotations

import io
import json
import os
import sys
import time
import unicodedata
from typing import Any

import segno
from rich.console import Console, RenderableType
from rich.text import Text

Event = dict[str, Any]

# Categories of characters that steer a terminal, hide, or turn text round: names and chat come from
# others, and none of these may reach the person's terminal.
_STEERING = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_JOINERS = "\u200d\u200c"  # within emoji and many scripts; they steer nothing
QR_QUIET_ZONE = 2  # modules of light around the code; four are the norm, two are read by all


def printable(text: str, characters_max: int = 2000) -> str:
    """`text` as it may be shown on a terminal."""
    shown = "".join(
        letter
        if letter in _JOINERS or unicodedata.category(letter) not in _STEERING
        else (" " if letter in "\n\t" else "\N{REPLACEMENT CHARACTER}")
        for letter in text[:characters_max]
    )
    return shown + ("…" if len(text) > characters_max else "")


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Whoever read us is gone (`| head`). That ends the words, not the meeting."""
        self.quiet = True
        # Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())


class Output:
    """One command's output. `as_json`: programs read it."""

    def __init__(self, as_json: bool = False) -> None:
        self.as_json = as_json
        self._began = time.monotonic()
        for stream in (sys.stdout, sys.stderr):
            # A terminal that cannot show a letter of somebody's name is no reason to end a meeting.
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        # Text that people may copy (invites, addresses) is never wrapped by us: soft_wrap.
        self._out = _Console(highlight=False, soft_wrap=True, emoji=False)
        self._err = _Console(highlight=False, soft_wrap=True, emoji=False, stderr=True)

    @property
    def people(self) -> Console:
        """The console that people read."""
        return self._err if self.as_json else self._out

    @property
    def on_terminal(self) -> bool:
        """Whether a person sees this on a terminal."""
        return not self.as_json and self._out.is_terminal

    def event(self, event: Event) -> None:
        """With `--json`: one line; nothing otherwise."""
        if not self.as_json:
            return
        at = round(time.monotonic() - self._began, 3)
        rest = {name: value for name, value in event.items() if name not in ("event", "at")}
        # `out` and not `print`: no line may be wrapped, coloured or cut by rich.
        self._out.out(json.dumps({"event": event["event"], "at": at, **rest}), highlight=False)
        self._out.file.flush()

    def say(self, words: RenderableType = "") -> None:
        """For people. A str is shown as it is, without markup."""
        if isinstance(words, str):
            self.people.print(Text(printable(words)))
        else:
            # Tables and panels are laid out for the width that there is; soft wrapping would let
            # them be cut off at the edge.
            self.people.print(words, soft_wrap=isinstance(words, Text))

    def fail(self, sentence: str) -> None:
        """One sentence about what went wrong, always on standard error."""
        self.event({"event": "error", "message": sentence})
        self._err.print(Text(printable(sentence), style="bold red"))

    def qr(self, word: str) -> None:
        """A QR code, if this is a terminal that is wide enough for it."""
        if not self.on_terminal:
            return
        modules = segno.make_qr(word, error="l", boost_error=False)
        rows = [list(row) for row in modules.matrix_iter(border=QR_QUIET_ZONE)]
        if len(rows) > self._out.width:
            self.say(
                f"(The QR code needs a terminal {len(rows)} columns wide; the page shows it too.)"
            )
            return
        if len(rows) % 2:
            rows.append([0] * len(rows))
        for upper, lower in zip(rows[::2], rows[1::2], strict=True):
            # Dark on light whatever the terminal's colours: not every telephone reads it inverted.
            line = "".join(_half(a, b) for a, b in zip(upper, lower, strict=True))
            self._out.print(Text(line, style="black on white"))


def _half(upper: int, lower: int) -> str:
    return (" ", "▄", "▀", "█")[(2 if upper else 0) + (1 if lower else 0)]
