"""Names that people choose, made safe to show, and told apart when they look alike (architecture
§7)."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping

from folkmoot.meeting.records import NAME_BYTES_MAX

TAG_CHARACTERS = 4
MEMBER_CHARACTERS = 16
MARKS_MAX = 3  # on one letter: more, piled up, cover the lines above and below

# Marks that turn the direction of what follows, beyond their own text.
_BIDIRECTIONAL = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x061C), None)

# Letters of other scripts, and signs, that look like Latin ones in common fonts; enough to catch a
# bad joke, and only ever used to decide whether a tag is shown.
_LOOK_ALIKES = str.maketrans(
    "аеорсухіјѕԁѵԛԝһкмнтвɡαορυνικτβεζημχ0135|!$@ıɑℓƖ∣",
    "aeopcyxijsdvqwhkmhtbgaopuviktbezhmxolesllsaialll",
)

# Letters and marks that nothing is seen of, and that are neither spaces nor format characters:
# fillers, selectors of variants, the empty Braille pattern.
_UNSEEN = dict.fromkeys(
    (
        *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0),
        *(*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)),
    )
)


# How a page speaks of its own person; in another's name it poses as that.
_YOU = "(you)"


def _without_piles(text: str) -> str:
    """At most MARKS_MAX combining marks in a row."""
    kept, marks = [], 0
    for one in text:
        marks = marks + 1 if unicodedata.category(one)[0] == "M" else 0
        if marks <= MARKS_MAX:
            kept.append(one)
    return "".join(kept)


def clean_name(name: str) -> str:
    """`name` without control, format and bidirectional characters, spaces joined, at most 64
    bytes; a name that nothing is left of is `nameless`."""
    kept = "".join(
        " " if unicodedata.category(one) in ("Zs", "Zl", "Zp") else one
        for one in name
        if unicodedata.category(one)[0] != "C" or one in "\t\n"
    )
    # Composed only now that nothing unseen stands between a letter and its accent any more.
    joined = " ".join(_without_piles(unicodedata.normalize("NFC", kept)).split())
    while len(joined.encode()) > NAME_BYTES_MAX:
        joined = joined[:-1]
    return joined.strip() if skeleton(joined) else "nameless"


def clean_text(text: str) -> str:
    """A message without characters that change how others are shown: no controls but line breaks,
    no bidirectional overrides, no piles of marks. What is left is text, whatever it looks like."""
    kept = "".join(
        one for one in text if unicodedata.category(one) not in ("Cc", "Cs") or one in "\n\t"
    )
    return _without_piles(kept.translate(_BIDIRECTIONAL))


def skeleton(name: str) -> str:
    """What is left of a name when case, accents, spaces and look-alikes are taken away, and what
    nothing is seen of."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name).casefold())
    bare = "".join(one for one in folded if not unicodedata.combining(one) and not one.isspace())
    seen = bare.translate(_UNSEEN).translate(_LOOK_ALIKES)
    seen = seen.replace(_YOU, "") or seen
    return seen.replace("i", "l").replace("rn", "m").replace("vv", "w")


def member_id(seat: bytes) -> str:
    """The short string by which programs name the member in `seat` (16 bytes)."""
    return seat.hex()[:MEMBER_CHARACTERS]


def tags(names: Mapping[bytes, str]) -> dict[bytes, str]:
    """For each seat the tag to show behind its name: empty unless another name looks the same, or
    it is what a page calls its own person."""
    count = {"you": 1, _YOU: 1}
    for name in names.values():
        bare = skeleton(name)
        count[bare] = count.get(bare, 0) + 1
    return {
        seat: seat.hex()[:TAG_CHARACTERS] if count[skeleton(name)] > 1 else ""
        for seat, name in names.items()
    }


def safety_code(authenticator: bytes) -> str:
    """30 digits in groups of five that members compare aloud: equal exactly when the epoch is the
    same."""
    number = int.from_bytes(
        hashlib.sha512(b"Folkmoot 1 safety code" + authenticator).digest(), "big"
    )
    digits = f"{number % 10**30:030d}"
    return " ".join(digits[start : start + 5] for start in range(0, 30, 5))
