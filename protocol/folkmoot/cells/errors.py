"""What our own caller did wrong; whatever comes from outside is a DecodeError or None instead."""

from __future__ import annotations


class UsageError(ValueError):
    """A function of the cells was called with what it cannot take."""
