"""The charter: the rules that members agree to by joining (architecture §6, "Charter").

Five fields and a version in at most 10 bytes, so that the whole charter fits an invite and its hash
is the same for everybody who reads it. What must not be possible does not decode: a removal by two
thirds or less, an amendment by fewer than a removal, everyone who walks in voting on who is thrown
out.

Where removal is `never` the amendment fraction has nothing to be compared with, and a charter could
be amended to allow removals by a smaller majority than everybody counted on. So `never` stays
`never` (`amendment_refused`): no amendment brings removal into a meeting that was opened without
it; who wants it walks out together into another meeting.
"""

from __future__ import annotations

import enum
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from folkmoot.wire import codec

CHARTER_VERSION = 1
CHARTER_BYTES_MAX = (
    64  # of any later version too, so that an invite stays small enough for a QR code
)
CHARTER_HASH_BYTES = 32
BALLOTS_MIN = 3  # a removal by fewer ballots than this is a quarrel, not a decision
TWO_THIRDS = Fraction(2, 3)
_HASH_PREFIX = b"Folkmoot 1 charter"


class CharterError(ValueError):
    """This charter cannot be used; the text is a sentence for the person who wrote it."""


class NewerCharterError(codec.DecodeError):
    """This charter was made by a newer version of Folkmoot. Install that version to read it."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class Admission(enum.IntEnum):
    """Who may come in."""

    OPEN = 1
    SPONSOR = 2
    BALLOT = 3


class Electors(enum.IntEnum):
    """Who votes, admits and commits."""

    EVERYONE = 1
    VOUCHED = 2


@dataclass(frozen=True, slots=True)
class Share:
    """A part of all electors: more than (`strictly`) or at least `numerator`/`denominator`, both
    from 1 to 255 and in lowest terms."""

    numerator: int
    denominator: int
    strictly: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.numerator <= self.denominator <= 255:
            raise CharterError(
                "A fraction has two whole numbers from 1 to 255, the first not larger."
            )
        if math.gcd(self.numerator, self.denominator) != 1:
            raise CharterError("A fraction must be in its lowest terms.")
        if self.strictly and self.numerator == self.denominator:
            raise CharterError("More than everybody is nobody.")
        if not self.above_two_thirds():
            raise CharterError("Two thirds or less of the electors must never be enough.")

    def above_two_thirds(self) -> bool:
        """Whether this many are more than two thirds, always."""
        return self.value > TWO_THIRDS or (self.strictly and self.value == TWO_THIRDS)

    @property
    def value(self) -> Fraction:
        return Fraction(self.numerator, self.denominator)

    @property
    def rank(self) -> tuple[Fraction, bool]:
        """To compare two shares: the larger rank never needs fewer electors."""
        return self.value, self.strictly

    def needed(self, electors: int) -> int:
        """How many of so many electors this is."""
        exact = self.numerator * electors
        if self.strictly:
            return exact // self.denominator + 1
        return -(-exact // self.denominator)

    def words(self) -> str:
        """`more than 2/3`, as in a charter's file."""
        return f"{'more than' if self.strictly else 'at least'} {self.numerator}/{self.denominator}"

    @classmethod
    def parse(cls, words: str) -> Share:
        """`more than 2/3`, `at least 3/4` or `3/4`; raises CharterError."""
        form, strictly = words.strip().lower(), False
        if form.startswith("more than "):
            form, strictly = form.removeprefix("more than "), True
        else:
            form = form.removeprefix("at least ")
        above, _, below = (part.strip() for part in form.partition("/"))
        if not (above.isascii() and above.isdigit() and below.isascii() and below.isdigit()):
            raise CharterError(f'"{words}" is not a fraction such as "more than 2/3" or "3/4".')
        if len(above) > 3 or len(below) > 3 or int(below) == 0:
            raise CharterError(f'"{words}" is not a fraction of numbers from 1 to 255.')
        divisor = math.gcd(int(above), int(below))
        return cls(int(above) // divisor, int(below) // divisor, strictly)


MORE_THAN_TWO_THIRDS = Share(2, 3, strictly=True)
_NEVER, _AT_LEAST, _MORE_THAN = 0, 1, 2


def _encode_share(share: Share | None) -> bytes:
    if share is None:
        return codec.u8(_NEVER)
    form = _MORE_THAN if share.strictly else _AT_LEAST
    return codec.u8(form) + codec.u8(share.numerator) + codec.u8(share.denominator)


def _read_share(reader: codec.Reader) -> Share | None:
    form = reader.u8()
    if form == _NEVER:
        return None
    if form not in (_AT_LEAST, _MORE_THAN):
        raise codec.DecodeError(f"an unknown form of fraction: {form}")
    return Share(reader.u8(), reader.u8(), form == _MORE_THAN)


@dataclass(frozen=True, slots=True)
class Charter:
    """The rules of a meeting. `removal` and `amendment`: a share of all electors on the roster, or
    None for never. `lineage`: whether all whom one inviter brought in speak as one line."""

    admission: Admission
    electors: Electors
    removal: Share | None
    amendment: Share | None
    lineage: bool

    def __post_init__(self) -> None:
        everybody = self.admission is Admission.OPEN and self.electors is Electors.EVERYONE
        if self.lineage and everybody:
            raise CharterError("Where anybody may come in and everyone votes, there are no lines.")
        if self.removal is None:
            return
        if self.admission is Admission.OPEN and self.electors is Electors.EVERYONE:
            # Whoever walks in ten times would have ten votes on who is thrown out.
            raise CharterError(
                "Where anybody may come in and everyone votes, removal must be never."
            )
        if self.amendment is not None and self.amendment.rank < self.removal.rank:
            raise CharterError("Changing the charter must not need fewer than removing somebody.")

    def encode(self) -> bytes:
        """Version, admission, electors, removal, amendment, lineage: 6 to 10 bytes."""
        return (
            codec.u8(CHARTER_VERSION)
            + codec.u8(self.admission)
            + codec.u8(self.electors)
            + _encode_share(self.removal)
            + _encode_share(self.amendment)
            + codec.u8(self.lineage)
        )

    @classmethod
    def decode(cls, data: bytes) -> Charter:
        """The charter of these bytes; raises DecodeError, NewerCharterError for a later version."""
        if data[:1] > codec.u8(CHARTER_VERSION):
            raise NewerCharterError
        try:
            return codec.decode(cls._read, data)
        except CharterError as error:
            raise codec.DecodeError(str(error)) from None

    @classmethod
    def _read(cls, reader: codec.Reader) -> Charter:
        version, admission, electors = reader.u8(), reader.u8(), reader.u8()
        if version != CHARTER_VERSION:
            raise codec.DecodeError(f"a charter of version {version}")
        if admission not in Admission._value2member_map_:
            raise codec.DecodeError(f"an unknown admission rule: {admission}")
        if electors not in Electors._value2member_map_:
            raise codec.DecodeError(f"an unknown rule for electors: {electors}")
        removal, amendment = _read_share(reader), _read_share(reader)
        return cls(Admission(admission), Electors(electors), removal, amendment, reader.boolean())

    @property
    def hash(self) -> bytes:
        """32 bytes that name these rules; what stands beside them (relays, lanes) is not in it."""
        return charter_hash(self.encode())

    def removal_needed(self, electors: int, *, accused_votes: bool = True) -> int | None:
        """How many ballots remove somebody where so many electors are on the roster, the accused
        among them unless it is a guest; None when nobody can be removed: never, or too few to
        outvote one without a ballot. With three electors or fewer nobody is, guest or not."""
        if self.removal is None or electors <= BALLOTS_MIN:
            return None
        needed = max(self.removal.needed(electors), BALLOTS_MIN)
        return needed if needed <= electors - accused_votes else None

    @property
    def share_for_admission(self) -> Share:
        """Of all electors, to let somebody in where admission is by ballot."""
        return MORE_THAN_TWO_THIRDS

    def amendment_needed(self, electors: int) -> int | None:
        """How many ballots change the charter, raise a guest, or change relays or lanes."""
        return None if self.amendment is None else self.amendment.needed(electors)


def charter_hash(encoded: bytes) -> bytes:
    """32 bytes of SHA-256 over an encoded charter, of this version or a later one."""
    return hashlib.sha256(_HASH_PREFIX + encoded).digest()


def amendment_refused(before: Charter, after: Charter) -> str | None:
    """Why no majority may change the one charter into the other, or None when one may.

    Who votes, and whether lines count, stay as they were at the beginning: guests who became
    electors all at once would be whoever walked in, and who came in uncounted has no line."""
    if before.amendment is None:
        return "This charter can never be changed."
    if after == before:
        return "This is the charter that there is."
    if before.removal is None and after.removal is not None:
        return "A meeting that began without removal stays without it; walk out together instead."
    if (before.electors, before.lineage) != (after.electors, after.lineage):
        return "Who votes, and how lines count, stays as it was; walk out together instead."
    return None


PRESETS: Mapping[str, Charter] = {
    # Few people who know each other.
    "circle": Charter(
        Admission.SPONSOR, Electors.EVERYONE, MORE_THAN_TWO_THIRDS, MORE_THAN_TWO_THIRDS, False
    ),
    # Public: anybody may listen and speak, who is vouched for decides, one line has one voice.
    "assembly": Charter(
        Admission.OPEN, Electors.VOUCHED, MORE_THAN_TWO_THIRDS, MORE_THAN_TWO_THIRDS, True
    ),
    # Until its person chooses: nobody can be taken out by anybody.
    "unremovable": Charter(Admission.SPONSOR, Electors.EVERYONE, None, MORE_THAN_TWO_THIRDS, False),
}
DEFAULT_PRESET = "unremovable"
_FIELDS = ("admission", "electors", "removal", "amendment", "lineage")


def from_mapping(values: Mapping[str, object]) -> Charter:
    """The charter of a parsed TOML file: `preset` names the one to begin with, the five fields
    change it; without a preset all five must be there. Raises CharterError with a sentence."""
    unknown = sorted(set(values) - {*_FIELDS, "preset"})
    if unknown:
        raise CharterError(f'A charter has no field "{unknown[0]}".')
    fields: dict[str, object] = {}
    if "preset" in values:
        preset = values["preset"]
        if not isinstance(preset, str) or preset not in PRESETS:
            raise CharterError(f'There is no preset "{preset}"; there are {", ".join(PRESETS)}.')
        fields.update(to_mapping(PRESETS[preset]))
    fields.update({name: values[name] for name in _FIELDS if name in values})
    missing = [name for name in _FIELDS if name not in fields]
    if missing:
        raise CharterError(f'The charter does not say "{missing[0]}".')
    lineage = fields["lineage"]
    if not isinstance(lineage, bool):
        raise CharterError('"lineage" is true or false.')
    return Charter(
        Admission[_choice("admission", fields["admission"], Admission)],
        Electors[_choice("electors", fields["electors"], Electors)],
        _share("removal", fields["removal"]),
        _share("amendment", fields["amendment"]),
        lineage,
    )


def _choice(name: str, value: object, choices: type[enum.IntEnum]) -> str:
    words = [choice.name.lower() for choice in choices]
    if not isinstance(value, str) or value not in words:
        raise CharterError(f'"{name}" is one of: {", ".join(words)}.')
    return value.upper()


def _share(name: str, value: object) -> Share | None:
    if not isinstance(value, str):
        raise CharterError(f'"{name}" is "never" or a fraction such as "more than 2/3".')
    if value.strip().lower() == "never":
        return None
    try:
        return Share.parse(value)
    except CharterError as error:
        raise CharterError(f'"{name}": {error}') from None


def to_mapping(charter: Charter) -> dict[str, str | bool]:
    """The five fields as they stand in a TOML file."""
    return {
        "admission": charter.admission.name.lower(),
        "electors": charter.electors.name.lower(),
        "removal": "never" if charter.removal is None else charter.removal.words(),
        "amendment": "never" if charter.amendment is None else charter.amendment.words(),
        "lineage": charter.lineage,
    }
