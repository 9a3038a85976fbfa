"""The byte tables of protocol/CELLS.md add up, and the code lays cells out as they say."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from folkmoot.cells import council, fragments, media, picture_format, records, reliable, voice
from folkmoot.cells.authorship import Author
from folkmoot.cells.frames import Codec, EncodedFrame, MediaKind
from folkmoot.cells.picture import PicturePacker
from folkmoot.wire.lanes import LANE_RULES, LaneSlot

TEXT = (Path(__file__).resolve().parents[2] / "protocol" / "CELLS.md").read_text(encoding="utf-8")
KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
AUTHOR = Author(b"group", b"a" * 32, b"s" * 16, leaf=3, epoch=5)


def tables() -> dict[str, tuple[int, list[tuple[str, int]]]]:
    """Heading of each table with a size: that size, and the rows below it."""
    found = {}
    for part in re.split(r"^#+ ", TEXT, flags=re.MULTILINE):
        heading = re.match(r"(.+): (\d+) bytes\n", part)
        if heading:
            rows = re.findall(r"^\| (.+) \| (\d+) \|$", part, flags=re.MULTILINE)
            found[heading[1]] = int(heading[2]), [(name, int(size)) for name, size in rows]
    return found


TABLES = tables()


def offsets(title: str) -> list[slice]:
    place, places = 0, []
    for _, size in TABLES[title][1]:
        places.append(slice(place, place + size))
        place += size
    return places


@pytest.mark.parametrize("title", TABLES)
def test_each_table_adds_up(title: str) -> None:
    total, rows = TABLES[title]
    assert len(rows) > 1
    assert sum(size for _, size in rows) == total


def test_the_sizes_are_those_of_the_code() -> None:
    assert {title: total for title, (total, _) in TABLES.items()} == {
        "Voice cell": media.cell_bytes(media.VOICE),
        "Picture cell": media.cell_bytes(media.CAMERA),
        "Voice plaintext": voice.PLAINTEXT_BYTES,
        "Voice slot": voice.SLOT_BYTES,
        "Picture plaintext": picture_format.PLAINTEXT_BYTES,
        "Council cell": council.CELL_BYTES,
        "Largest entry": council.PLAINTEXT_BYTES,
        "Largest fragment of two": fragments.ENTRY_BYTES_MAX,
        "Digest of one bucket": 21,
        "Have of one record": 29,
    }
    assert LANE_RULES[LaneSlot.DOOR].cell_bytes == council.CELL_BYTES
    assert dict(TABLES["Voice cell"][1])["plaintext"] == voice.PLAINTEXT_BYTES
    assert dict(TABLES["Picture cell"][1])["plaintext"] == picture_format.PLAINTEXT_BYTES
    assert dict(TABLES["Council cell"][1])["plaintext"] == council.PLAINTEXT_BYTES


def test_a_voice_plaintext_is_laid_out_so() -> None:
    packer = voice.VoicePacker(first_number=6)
    for number in range(4):
        time_us = 1_000_000 + 20_000 * number
        payload = (bytes([number + 65]) * 63,)
        packer.push(EncodedFrame(MediaKind.VOICE, Codec.OPUS, True, time_us, payload))
    packer.next_plaintext(KEY, AUTHOR, 0)
    plaintext = packer.next_plaintext(KEY, AUTHOR, 1)
    fields = [plaintext[place] for place in offsets("Voice plaintext")]
    assert fields[0] == b"\x01"
    assert fields[1] == (8).to_bytes(4, "big")
    assert fields[2] == (1_040_000).to_bytes(6, "big")
    assert fields[3] == (1_000_000).to_bytes(6, "big")
    assert fields[4:8] == [bytes([63]) + letter * 63 for letter in (b"A", b"B", b"C", b"D")]
    assert fields[8] == bytes(22)
    assert len(fields[9]) == 64
    slot = [fields[4][place] for place in offsets("Voice slot")]
    assert slot == [bytes([63]), b"A" * 63]


def test_a_picture_plaintext_is_laid_out_so() -> None:
    packer = PicturePacker(MediaKind.CAMERA, first_number=258)
    packer.push(EncodedFrame(MediaKind.CAMERA, Codec.VP8, True, 7, (b"p" * 1200,)), 0.0)
    first, last = (packer.next_plaintext(KEY, AUTHOR, counter, 0.0) for counter in range(2))
    fields = [first[place] for place in offsets("Picture plaintext")]
    assert fields[:4] == [b"\x01", b"\0\0\1\2", b"\0", (1119).to_bytes(2, "big")]
    body_head = b"\x01\x01" + (7).to_bytes(6, "big") + b"\0\1" + (1200).to_bytes(2, "big")
    assert fields[4].startswith(body_head + b"ppp")
    fields = [last[place] for place in offsets("Picture plaintext")]
    rest = len(body_head) + 1200 - 1119
    assert fields[:4] == [b"\x02", b"\0\0\1\2", b"\1", rest.to_bytes(2, "big")]
    assert fields[4][:rest] == b"p" * rest
    assert not any(fields[4][rest + 4 + 64 :])
    assert fields[4][rest + 4 + 63]


def test_entries_and_fragments_are_laid_out_so() -> None:
    record = random.Random(1).randbytes(2 * 1082)
    entries = records.entries_of(record)
    head, data = (entries[1][place] for place in offsets("Largest entry"))
    assert head == (0x8000 | 1118).to_bytes(2, "big")
    parts = [data[place] for place in offsets("Largest fragment of two")]
    assert parts[1:3] == [b"\0\1", b"\0\2"]
    assert parts[4] == record[1082:]
    assert entries[0][2:18] == parts[0]


def test_digests_and_haves_are_laid_out_so() -> None:
    log = reliable.RecordLog()
    log.add(reliable.encode_record(10_000, 0, b"x"), 10_000.0)
    digest = log.digest(10_540.0, lambda size: b"s" * size)
    fields = [digest[place] for place in offsets("Digest of one bucket")]
    assert len(digest) == 21
    assert fields[0] == (10_000 // 16).to_bytes(4, "big")
    assert fields[1] == (10_538).to_bytes(4, "big")
    assert fields[2:4] == [b"s" * 8, b"\1"]
    (have,) = log.have(10_000 // 16)
    fields = [have[place] for place in offsets("Have of one record")]
    number = reliable.record_id(reliable.encode_record(10_000, 0, b"x"))
    assert fields == [fields[0], bytes(8), b"\xff" * 8, b"\1", number[:8]]
    assert len(have) == 29


def test_the_numbers_in_the_text_are_those_of_the_code() -> None:
    named = {
        "window of 1,024 counters": 1024,
        "At most 262,144 bytes, 512 payloads of 1 to 1,500 bytes": picture_format.FRAME_BYTES_MAX,
        "number of buckets, at most 73": reliable.BUCKETS_MAX,
        "number of ids, at most 128": reliable.HAVE_IDS_MAX,
        "missing one is waited for 60 ms": round(voice.HOLD_S * 1000),
        "64 records under way": fragments.PARTIAL_RECORDS_MAX,
        "4,096\nrecords, 4 MiB": reliable.RECORDS_MAX,
    }
    for words, number in named.items():
        assert words in TEXT, words
        assert str(number) in words.replace(",", "")
