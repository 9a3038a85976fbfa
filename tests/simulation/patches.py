"""Replaces parts of the product for a while: to watch them, to remember what they answered, or to
break them on purpose."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from folkmoot.cells import council
from folkmoot.governance import MeetingExtension
from folkmoot.governance.extension import DEFAULT_LANES, LanePlan, Pace
from folkmoot.meeting import founding
from folkmoot.mls import crypto
from folkmoot.wire import codec, labels
from folkmoot.wire.lanes import LANE_RULES, LaneSlot

REMEMBERED_MAX = 50_000
CELLS_REMEMBERED_MAX = 4_000


COUNCIL_LANE = next(lane for lane in DEFAULT_LANES if lane.slot is LaneSlot.COUNCIL)


def council_pace(members: int) -> int:
    """Council cells a second of each of so many members."""
    return next(one.cells_per_s for one in COUNCIL_LANE.paces if members <= one.members_max)


class Patches:
    """What was replaced, to be put back."""

    def __init__(self) -> None:
        self._undo: list[tuple[Any, str, Any]] = []

    def set(self, owner: Any, name: str, value: Any) -> None:
        """Replaces an attribute of a module or class."""
        self._undo.append((owner, name, vars(owner)[name]))
        setattr(owner, name, value)

    def everywhere(self, original: Callable[..., Any], value: Callable[..., Any]) -> None:
        """Replaces a function under every name by which a module of ours imported it."""
        for module in [one for name, one in sys.modules.items() if name.startswith("folkmoot")]:
            for name, held in list(vars(module).items()):
                if held is original:
                    self.set(module, name, value)

    def undo(self) -> None:
        """Puts everything back, the last first."""
        while self._undo:
            owner, name, value = self._undo.pop()
            setattr(owner, name, value)

    def __enter__(self) -> Patches:
        return self

    def __exit__(self, *_: object) -> None:
        self.undo()


class Memory(dict[Any, Any]):
    """Answers of a pure function; forgets all of them when there are too many."""

    def __init__(self, most: int = REMEMBERED_MAX) -> None:
        super().__init__()
        self._most = most

    def keep(self, key: Any, value: Any) -> Any:
        if len(self) >= self._most:
            self.clear()
        self[key] = value
        return value


def remember(patches: Patches) -> None:
    """All members live in one process: what one of them verified, opened or derived from the same
    bytes another need not compute again. Nothing but pure functions is remembered."""
    verified, opened, derived = Memory(), Memory(CELLS_REMEMBERED_MAX), Memory()
    decoded = Memory(CELLS_REMEMBERED_MAX)
    verify, verify_mls = labels.verify, crypto._Ed25519Public.verify
    open_cell, derive, decode = council.open, labels.derive, codec.decode

    def verify_once(
        key: Ed25519PublicKey, label: labels.Sign, content: bytes, signature: bytes
    ) -> bool:
        about = key.public_bytes_raw(), label, content, signature
        known = verified.get(about)
        if known is None:
            known = verified.keep(about, verify(key, label, content, signature))
        return bool(known)

    def verify_mls_once(self: crypto._Ed25519Public, content: bytes, signature: bytes) -> bool:
        about = self.data, content, signature
        known = verified.get(about)
        if known is None:
            known = verified.keep(about, verify_mls(self, content, signature))
        return bool(known)

    def open_once(secret: bytes, cell: bytes) -> bytes | None:
        about = secret, cell
        if about in opened:
            return opened[about]  # type: ignore[no-any-return]
        return opened.keep(about, open_cell(secret, cell))  # type: ignore[no-any-return]

    def derive_once(secret: bytes, label: labels.Derive, context: bytes, length: int = 32) -> bytes:
        about = secret, label, context, length
        known = derived.get(about)
        if known is None:
            known = derived.keep(about, derive(secret, label, context, length))
        return bytes(known)

    def decode_once(read: Callable[[codec.Reader], Any], data: bytes) -> Any:
        if "<" in read.__qualname__:  # a function made for this one time
            return decode(read, data)
        about = read, bytes(data)
        known = decoded.get(about)
        return decoded.keep(about, decode(read, data)) if known is None else known

    patches.everywhere(decode, decode_once)
    patches.everywhere(verify, verify_once)
    patches.everywhere(derive, derive_once)
    patches.set(crypto._Ed25519Public, "verify", verify_mls_once)
    patches.set(council, "open", open_once)


def thin_media(patches: Patches, voice_per_s: int = 2, picture_per_s: int = 4) -> None:
    """Meetings are founded with few cells of voice and picture a second. The council keeps its
    pace: it is what decides."""
    lanes = (
        COUNCIL_LANE,
        LanePlan(
            LaneSlot.VOICE, 0, LANE_RULES[LaneSlot.VOICE].cell_bytes, (Pace(0xFFFF, voice_per_s),)
        ),
        LanePlan(
            LaneSlot.PICTURE,
            0,
            LANE_RULES[LaneSlot.PICTURE].cell_bytes,
            (Pace(0xFFFF, picture_per_s),),
        ),
    )
    patches.set(founding, "MeetingExtension", functools.partial(MeetingExtension, lanes=lanes))
