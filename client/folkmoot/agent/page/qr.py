"""The invite as a QR code, for the page to draw: rows of '0' and '1', without the quiet zone."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import segno

INVITE_BYTES_MAX: Final = (
    2_953  # byte mode, version 40, error correction L: larger modules, easier on a camera
)


@lru_cache(maxsize=4)
def rows(invite: str) -> tuple[str, ...] | None:
    """A square of dark ('1') and light ('0') modules, or None for what no QR code can hold."""
    if not 0 < len(invite.encode()) <= INVITE_BYTES_MAX:
        return None
    code = segno.make_qr(invite, error="l", boost_error=False)
    return tuple("".join("1" if module else "0" for module in row) for row in code.matrix)
