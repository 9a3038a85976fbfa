"""What ends a command: one sentence for the person, and the exit status."""

from __future__ import annotations

DONE = 0
FAILED = 1
WRONG_CALL = 2


class Failure(Exception):
    """The thing failed; the text says why in one sentence."""

    status = FAILED


class CallError(Failure):
    """The call was wrong; the text says what to say instead."""

    status = WRONG_CALL
