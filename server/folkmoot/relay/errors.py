"""What keeps a relay from running, each as the sentence that its operator reads."""

from __future__ import annotations


class RelayError(Exception):
    """The relay cannot run; the message is one sentence that says why. `status`: the exit
    status."""

    status = 1


class CallError(RelayError):
    """The command was called wrongly."""

    status = 2
