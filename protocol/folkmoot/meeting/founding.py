"""The first epoch of a meeting, and the key package of anybody who wants to be in one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from folkmoot import mls
from folkmoot.governance import EXTENSION_TYPE, Charter, MeetingExtension, Relay
from folkmoot.governance.roll import EXTENSION_TYPE as ROLL_TYPE
from folkmoot.governance.seat import seat_of_private
from folkmoot.governance.terms import Terms
from folkmoot.meeting.context import UsageError
from folkmoot.meeting.epoch_state import EpochState
from folkmoot.meeting.secrets import DoorSecrets, MeetingSecrets
from folkmoot.wire.codec import DecodeError
from folkmoot.wire.labels import SECRET_BYTES

SUITE = mls.SUITE_X25519_AES128


def make_key_package(key: bytes, entropy: Callable[[int], bytes]) -> mls.KeyPackageBundle:
    """A key package under the Ed25519 private key `key` (32 bytes), for the seat of that key."""
    return mls.create_key_package(
        SUITE,
        seat_of_private(key),
        entropy,
        signature_private=key,
        extension_types=(EXTENSION_TYPE, ROLL_TYPE),
    )


def found_group(
    group_id: bytes,
    key: bytes,
    charter: Charter,
    relays: Sequence[Relay],
    reserve: Sequence[Relay] = (),
    *,
    tick: int,
    entropy: Callable[[int], bytes],
) -> tuple[EpochState, MeetingExtension]:
    """A group of one; UsageError when the relays cannot carry a meeting."""
    try:
        extension = MeetingExtension(charter, tuple(relays), tuple(reserve))
    except DecodeError as error:
        raise UsageError(f"These relays cannot carry a meeting: {error}.") from None
    seat = seat_of_private(key)
    group = mls.Group.create(
        SUITE,
        group_id,
        make_key_package(key, entropy),
        [mls.Extension(*pair) for pair in Terms.founded(extension, seat).extensions()],
        entropy=entropy,
    )
    door = DoorSecrets(entropy(SECRET_BYTES), entropy(SECRET_BYTES))
    fresh = bytes(SECRET_BYTES)  # filled from the epoch's exporter
    secrets = MeetingSecrets(fresh, fresh, tick, False, tick, seat, door)
    return EpochState(group, secrets.after_commit(group.export)), extension
