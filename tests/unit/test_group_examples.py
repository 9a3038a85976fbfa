"""GROUP.md says what the code does: its examples, sizes and limits."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from folkmoot.agreement import NAMING_BYTES_MAX, agreement, candidates, presence, tally, votes
from folkmoot.governance import EXTENSION_TYPE, PRESETS, extension, motion, roll
from folkmoot.meeting import door, entrance, invite

GROUP = Path(__file__).resolve().parents[2] / "protocol" / "GROUP.md"
TEXT = " ".join(GROUP.read_text(encoding="utf-8").split())


@pytest.mark.parametrize("name", PRESETS)
def test_the_presets_have_these_bytes_and_hashes(name: str) -> None:
    row = re.search(rf"\| `{name}` \| `([0-9a-f]+)` \| `([0-9a-f]+)` \|", TEXT)
    assert row is not None
    assert bytes.fromhex(row[1]) == PRESETS[name].encode()
    assert bytes.fromhex(row[2]) == PRESETS[name].hash


@pytest.mark.parametrize(
    "sentence",
    [
        f"extension 0x{EXTENSION_TYPE:X}",
        f"vector of 1 to {extension.RELAYS_MAX} relays",
        f"at most {extension.RESERVE_MAX} relays",
        f"at most {extension.LANES_MAX} lanes",
        f"vector of 1 to {extension.PACES_MAX} paces",
        f"extension 0x{roll.EXTENSION_TYPE:X}",
        f"each once, {roll.ROLL_MAX:,} at most",
        f"opaque subject ({motion.SUBJECT_BYTES_MAX:,} at most)",
        f"{motion.MOTION_S_MIN} to {motion.MOTION_S_MAX} later; {motion.MOTION_S} unless",
        *(f"| {kind.value} {kind.name.lower()} |" for kind in motion.MotionKind),
        f"vector of 1 to {invite.RELAYS_MAX} relays",
        f"opaque of {invite.GROUP_ID_BYTES_MIN} to {invite.GROUP_ID_BYTES_MAX}",
        f"opaque sealed ({door.KNOCK_SEALED_BYTES:,}) ‖ nonce u64",
        f"Plaintext, {door.KNOCK_BYTES:,} bytes",
        f"an MLSMessage | opaque, at most {door.KEY_PACKAGE_BYTES_MAX}",
        f"bits u8, {door.WORK_BITS_MIN} to {door.WORK_BITS_MAX}",
        f"opaque Welcome (at most {door.WELCOME_BYTES_MAX >> 10} KiB)",
        f"opaque ratchet tree (at most {door.TREE_BYTES_MAX >> 10} KiB)",
        f"at most {door.HANDSHAKES_MAX} opaque handshakes",
        f"sentence as text, at most {door.SENTENCE_BYTES_MAX}",
        f"At most {entrance.KNOCKS_MAX} knock at a time",
        f"Silent for {entrance.KNOCK_SILENT_S:.0f} s: gone",
        f"More than {entrance.NEW_KNOCKS_MAX} new ones in {entrance.RECENT_S:.0f} s",
        f"36 or {NAMING_BYTES_MAX} bytes",
        f"heard within {presence.PRESENT_S:.0f} s",
        f"r times {candidates.RANK_S * 1000:.0f} ms",
        f"asked again after {agreement.ASK_AGAIN_S:.0f} s",
        f"At most {candidates.CANDIDATES_MAX}, of electors only",
        f"{agreement.ROUND_S} s + {agreement.ROUND_MORE_S} s a round "
        f"({agreement.ROUND_S_MAX:.0f} s at most)",
        f"from {agreement.ROUND_S_MIN_MORE} s a round",
        f"from round {votes.MUTE_ROUNDS} on without",
        f"said again every {agreement.RESEND_S * 1000:.0f} ms",
        f"Counted are {tally.ROUNDS_KEPT} rounds of each elector",
    ],
)
def test_the_limits_are_those_of_the_code(sentence: str) -> None:
    assert sentence in TEXT
