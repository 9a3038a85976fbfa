"""Small wounds to valid inputs, from a seeded source of chance: flips, cuts, doubles, splices."""

from __future__ import annotations

import random
from collections.abc import Sequence

_EDGES = (0, 1, 2, 3, 0x1F, 0x20, 0x3F, 0x40, 0x7F, 0x80, 0xBF, 0xC0, 0xFE, 0xFF)
WOUNDS_MAX = 6
NOISE_BYTES_MAX = 200


def wounded(seeds: Sequence[bytes], chance: random.Random) -> bytes:
    """One of the seeds with one to six wounds, now and then plain noise."""
    if not seeds or chance.random() < 0.04:
        return chance.randbytes(chance.randrange(NOISE_BYTES_MAX))
    out = bytearray(chance.choice(seeds))
    for _ in range(chance.choice((1, 1, 1, 2, 3, WOUNDS_MAX))):
        _wound(out, seeds, chance)
    return bytes(out)


def _wound(out: bytearray, seeds: Sequence[bytes], chance: random.Random) -> None:
    if not out:
        out += chance.randbytes(chance.randrange(1, 8))
    # Near the front are the types and lengths that everything else hangs on.
    place = chance.randrange(len(out))
    if chance.random() < 0.3:
        place = min(place, chance.randrange(24))
    kind = chance.randrange(8)
    if kind == 0:
        out[place] ^= 1 << chance.randrange(8)
    elif kind == 1:
        out[place] = chance.choice(_EDGES)
    elif kind == 2:
        del out[place : place + chance.choice((1, 1, 2, 4, 32))]
    elif kind == 3:
        out[place:place] = chance.randbytes(chance.choice((1, 1, 2, 4, 32)))
    elif kind == 4:
        start = chance.randrange(len(out))
        piece = out[start : start + chance.randrange(1, 64)]
        out[place : place + len(piece)] = piece
    elif kind == 5:
        del out[place:]
    elif kind == 6:
        other = chance.choice(seeds)
        start = chance.randrange(len(other) + 1)
        out[place:] = other[start:]
    else:
        width = chance.choice((1, 2, 4, 8))
        value = chance.choice((0, 1, (1 << 8 * width) - 1, 1 << 8 * width - 1))
        out[place : place + width] = value.to_bytes(width, "big")
