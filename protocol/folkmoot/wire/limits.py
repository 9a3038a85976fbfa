"""The limits of a relay, each with a name: per room, per link and for the whole relay, never per
person."""

from __future__ import annotations

from dataclasses import dataclass

# One challenge is good for one proof within this time: long enough for a slow tunnel and a proof of
# work, short enough that a proof cannot be made on stock.
CHALLENGE_S = 5.0

# Cells of one message from an agent: a paced lane sends one, a Welcome at the door sends many.
AGENT_MESSAGE_CELLS_MAX = 64
# Cells of one message from a relay: what one tick may hold. 256 x 1,152 B is 295 kB.
TICK_CELLS_MAX = 256

# What a room over half full asks for: 16 bits are about 0.07 s of Python, 18 four times that. It
# makes filling a room dear and costs an honest agent less than it notices.
WORK_BITS_HALF_FULL = 16
WORK_BITS_THREE_QUARTERS_FULL = 18
# More than this no agent does, whatever a relay asks for.
WORK_BITS_MAX = 20


@dataclass(frozen=True, slots=True)
class RelayLimits:
    """Units are in the names: `_s` seconds, `_per_s` a second, `_bytes` bytes; the rest are counts.

    `rooms_queue_cells` and `links_backlog_bytes` are shared evenly by those that use them, so that
    one room or one slow link can take only its share and the relay's memory is bounded whatever
    arrives."""

    links: int = 4096
    rooms: int = 2048
    links_per_room: int = 1024  # 1,000 members, and the newest is refused beyond
    rooms_per_link: int = 64  # council, voice, door, and one picture lane for each tile shown
    challenges_per_link: int = 8  # so many rooms can be opened in one round trip

    room_queue_cells: int = 2048  # a common tick of 1,000 beacons fits twice
    rooms_queue_cells: int = 65_536  # 75 MB at most
    room_queue_cells_least: int = 32
    # out of a door's room: 1.8 Mbit/s that a flood may cost each member
    door_cells_per_s: float = 200.0
    door_burst_cells: float = 200.0

    link_bytes_per_s: float = 1_000_000.0  # camera and screen at their highest are 414 kB/s
    link_burst_bytes: float = 4_000_000.0
    # Cells over the pace are dropped, as an honest link that hung delivers late ones at once; only
    # who is this many bursts over it is closed.
    bursts_over_pace: float = 4.0
    control_per_s: float = 20.0  # ASK, OPEN and CLOSE together
    control_burst: float = 256.0
    proofs_per_s: float = 1000.0  # the whole relay: a tenth of a core in signature checks
    proofs_burst: float = 2000.0
    # Of the burst, kept for the first proofs of a link: what is left when links that are in already
    # open rooms by the thousand, so that nobody is kept out by them.
    proofs_kept: float = 1000.0
    first_proofs_per_link: int = 4

    # ticks kept for a link that does not take them: about a second of a meeting
    link_backlog_bytes: int = 262_144
    links_backlog_bytes: int = 67_108_864
    link_backlog_bytes_least: int = 8_192
    stall_s: float = 10.0  # a link that takes nothing for so long is closed
    idle_s: float = 30.0  # a link without a room is closed


def share(total: int, parts: int, most: int, least: int) -> int:
    """What each of `parts` may use of `total`, between `least` and `most`."""
    return max(least, min(most, total // max(1, parts)))


def work_bits(links: int, links_max: int) -> int:
    """Bits of work asked of who opens a room that has `links` of at most `links_max` links."""
    if links * 2 < links_max:
        return 0
    return WORK_BITS_HALF_FULL if links * 4 < links_max * 3 else WORK_BITS_THREE_QUARTERS_FULL


class Bucket:
    """A token bucket that may be overdrawn: `pace` tokens a second flow in, at most `burst` are
    kept."""

    __slots__ = ("_at", "burst", "pace", "tokens")

    def __init__(self, pace: float, burst: float, now: float) -> None:
        self.pace = pace
        self.burst = burst
        self.tokens = burst
        self._at = now

    def level(self, now: float) -> float:
        """Tokens there are now; less than nothing when overdrawn."""
        if now > self._at:
            self.tokens = min(self.burst, self.tokens + (now - self._at) * self.pace)
            self._at = now
        return self.tokens

    def take(self, count: float, now: float) -> float:
        """Takes `count` tokens, whether they are there or not, and says how many are left."""
        self.tokens = self.level(now) - count
        return self.tokens
