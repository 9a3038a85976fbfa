"""What a member keeps on disk for as long as the meeting runs, to take its seat up again.

Nothing is ever sealed again in the epoch of a saved state, so no counters are kept: who comes back
gets a fresh leaf first (architecture §6, "Erasure").
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from folkmoot.governance import MeetingExtension
from folkmoot.governance.evidence import SEAT_BYTES
from folkmoot.meeting.invite import KEY_BYTES
from folkmoot.meeting.records import NAME_BYTES_MAX
from folkmoot.meeting.secrets import MeetingSecrets
from folkmoot.wire import codec

SAVED_VERSION = 5
LOCAL_MAX = 1024  # members muted, and hidden, for oneself
GROUP_BYTES_MAX = 8 << 20
BEACON_MS_MAX = 1 << 48  # the year 10889: what is later is no clock's, and leaves no time for more
CHECKSUM_BYTES = 16
_CHECKSUM_PREFIX = b"Folkmoot 1 saved seat"


def _checksum(content: bytes) -> bytes:
    """Tells a file that a disk spoiled: nothing else in it shows a secret that is not the secret
    any more, with which a member would hear nobody and never know why."""
    return hashlib.sha256(_CHECKSUM_PREFIX + content).digest()[:CHECKSUM_BYTES]


@dataclass(frozen=True, slots=True)
class Saved:
    """One seat. `group`: the epoch as `mls.Group.save` gives it; `beacon_ms`: beacons go on after
    it; `muted`, `hidden`: seats that its person does not want to hear, or to see; `inviter_key`:
    who has yet to confirm the meeting (Ed25519, 32 bytes)."""

    group: bytes = field(repr=False)
    secrets: MeetingSecrets = field(repr=False)
    extension: MeetingExtension
    seat: bytes
    name: str
    beacon_ms: int
    muted: frozenset[bytes] = frozenset()
    hidden: frozenset[bytes] = frozenset()
    inviter_key: bytes | None = None

    def encode(self) -> bytes:
        content = (
            codec.u8(SAVED_VERSION)
            + self.seat
            + codec.text(self.name)
            + codec.u64(self.beacon_ms)
            + codec.vector(sorted(self.muted)[:LOCAL_MAX])
            + codec.vector(sorted(self.hidden)[:LOCAL_MAX])
            + codec.optional(self.inviter_key)
            + codec.opaque(self.extension.encode())
            + codec.opaque(self.secrets.encode())
            + codec.opaque(self.group)
        )
        return content + _checksum(content)

    @classmethod
    def decode(cls, data: bytes) -> Saved:
        """What `encode` gave; raises DecodeError."""
        content, checksum = data[:-CHECKSUM_BYTES], data[-CHECKSUM_BYTES:]
        if _checksum(content) != checksum:
            raise codec.DecodeError("a saved seat that is damaged")
        return codec.decode(cls._read, content)

    @classmethod
    def _read(cls, reader: codec.Reader) -> Saved:
        version = reader.u8()
        if version != SAVED_VERSION:
            raise codec.DecodeError(f"a saved seat of version {version}")
        seat, name, beacon_ms = reader.take(SEAT_BYTES), reader.text(NAME_BYTES_MAX), reader.u64()
        if beacon_ms > BEACON_MS_MAX:
            raise codec.DecodeError("a saved seat of another age")
        muted, hidden = (
            reader.vector(lambda one: one.take(SEAT_BYTES), items_max=LOCAL_MAX) for _ in range(2)
        )
        inviter_key = reader.optional(lambda one: one.take(KEY_BYTES))
        extension = MeetingExtension.decode(reader.opaque(1 << 16))
        secrets = codec.decode(MeetingSecrets.read, reader.opaque(1 << 12))
        group = reader.opaque(GROUP_BYTES_MAX)
        local = frozenset(muted), frozenset(hidden)
        return cls(group, secrets, extension, seat, name, beacon_ms, *local, inviter_key)
