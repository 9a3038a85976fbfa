"""Machines copied and compared whole, so that every input meets the same state, and what was
refused is seen to have left none of it changed."""

from __future__ import annotations

import copy
import enum
import types
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import is_dataclass
from typing import Any, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers import aead

from folkmoot.governance import charter, extension
from folkmoot.mls import credential, extensions, group_context, leaf_node
from folkmoot.wire import address

T = TypeVar("T")

# What holds a key and never changes: a copy may share it.
_SHARED = (aead.AESGCM, aead.ChaCha20Poly1305)
_ATOMS = (bool, int, float, str, bytes, type(None), enum.Enum)


def copy_of(thing: T, stand_ins: dict[int, object] | None = None) -> T:
    """A deep copy; `stand_ins`: by id, what stands in the copy for objects that are not copied."""
    return copy.deepcopy(thing, dict(stand_ins or {}))


def _frozen(kind: type) -> bool:
    return bool(vars(kind)["__dataclass_params__"].frozen)


def _share(thing: object, memo: dict[int, object]) -> object:
    return thing


# The dispatch table is where `copy` itself keeps such types; there is no public door to it.
_dispatch: dict[type, Callable[[Any, dict[int, object]], object]] = vars(copy)["_deepcopy_dispatch"]
for _kind in _SHARED:
    _dispatch.setdefault(_kind, _share)
# Values that hold nothing but values: most of what a meeting has, and copied in vain.
for _module in (extension, charter, address, leaf_node, extensions, credential, group_context):
    for _kind in vars(_module).values():
        if is_dataclass(_kind) and isinstance(_kind, type) and _frozen(_kind):
            _dispatch.setdefault(_kind, _share)


def fingerprint(thing: object, ignored: frozenset[str] = frozenset()) -> object:
    """All that `thing` holds, as nested tuples; attributes called one of `ignored` are left out:
    caches, and buckets that fill with time."""
    return _Walk(ignored).walk(thing)


class _Walk:
    def __init__(self, ignored: frozenset[str]) -> None:
        self._ignored = ignored
        self._seen: dict[int, int] = {}

    def walk(self, thing: object) -> object:
        if isinstance(thing, _ATOMS):
            return thing
        if isinstance(thing, Ed25519PrivateKey | X25519PrivateKey):
            return thing.private_bytes_raw()
        if isinstance(thing, bytearray | memoryview):
            return bytes(thing)
        known = self._seen.get(id(thing))
        if known is not None:
            return ("again", known)
        self._seen[id(thing)] = len(self._seen)
        if isinstance(thing, dict):
            return tuple((self.walk(key), self.walk(value)) for key, value in thing.items())
        if isinstance(thing, tuple | list | deque):
            return (type(thing).__name__, *map(self.walk, thing))
        if isinstance(thing, set | frozenset):
            return frozenset(self.walk(one) for one in thing)
        if isinstance(thing, types.MethodType):
            return (thing.__func__.__qualname__, self.walk(thing.__self__))
        return (type(thing).__qualname__, *self._attributes(thing))

    def _attributes(self, thing: object) -> Iterable[object]:
        if not type(thing).__module__.startswith(("folkmoot", "fuzz", "types")):
            return
        names = [name for kind in type(thing).__mro__ for name in _slots(kind)]
        names += vars(thing) if hasattr(thing, "__dict__") else ()
        for name in names:
            if name not in self._ignored and hasattr(thing, name):
                yield name, self.walk(getattr(thing, name))


def _slots(kind: type) -> tuple[str, ...]:
    slots = vars(kind).get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


def held_bytes(thing: object) -> int:
    """How many bytes all byte strings and texts in `thing` have together: what a flood leaves."""
    total = 0
    stack = [fingerprint(thing)]
    while stack:
        one = stack.pop()
        if isinstance(one, bytes | str):
            total += len(one)
        elif isinstance(one, tuple | frozenset):
            stack.extend(one)
    return total
