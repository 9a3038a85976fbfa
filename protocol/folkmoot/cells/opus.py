"""How long an Opus packet plays (RFC 6716 §3): read from its first bytes, nothing is decoded."""

from __future__ import annotations

PACKET_US_MAX = 120_000  # RFC 6716 §3.2.5, rule R5
_FRAME_BYTES_MAX = 1275  # rule R2


def _frame_us(config: int) -> int:
    """The length of each frame of one of the 32 configurations (table 2)."""
    if config < 12:  # SILK
        return (10_000, 20_000, 40_000, 60_000)[config % 4]
    if config < 16:  # hybrid
        return (10_000, 20_000)[config % 2]
    return (2_500, 5_000, 10_000, 20_000)[config % 4]  # CELT


def _length(packet: bytes, at: int) -> tuple[int, int] | None:
    """A frame's length field (§3.2.1) at `at`, and where it ends."""
    if at >= len(packet):
        return None
    first = packet[at]
    if first < 252:
        return first, at + 1
    if at + 1 >= len(packet):
        return None
    return first + 4 * packet[at + 1], at + 2


def duration_us(packet: bytes) -> int | None:
    """Microseconds that the packet plays, 2,500 to 120,000; None if it is malformed (§3.4)."""
    if not packet:
        return None
    frame_us, code, rest = _frame_us(packet[0] >> 3), packet[0] & 3, len(packet) - 1
    if code == 0:
        return frame_us if rest <= _FRAME_BYTES_MAX else None
    if code == 1:
        return 2 * frame_us if rest % 2 == 0 and rest <= 2 * _FRAME_BYTES_MAX else None
    if code == 2:
        found = _length(packet, 1)
        if found is None or found[0] > len(packet) - found[1]:
            return None
        second = len(packet) - found[1] - found[0]
        return 2 * frame_us if second <= _FRAME_BYTES_MAX else None
    count = _many(packet)
    return None if count is None or count * frame_us > PACKET_US_MAX else count * frame_us


def _many(packet: bytes) -> int | None:
    """How many frames a packet of code 3 has (§3.2.5), if its lengths add up."""
    if len(packet) < 2:
        return None
    head, at, padding = packet[1], 2, 0
    count = head & 0x3F
    if head & 0x40:
        while at < len(packet):
            more = packet[at]
            at += 1
            padding += 254 if more == 255 else more
            if more != 255:
                break
        else:
            return None
    end = len(packet) - padding
    if head & 0x80:
        for _ in range(count - 1):
            found = _length(packet, at)
            if found is None:
                return None
            at = found[1]
            end -= found[0]
    left = end - at
    if count == 0 or left < 0:
        return None
    each = left if head & 0x80 else left // count
    if not head & 0x80 and left % count:
        return None
    return count if each <= _FRAME_BYTES_MAX else None
