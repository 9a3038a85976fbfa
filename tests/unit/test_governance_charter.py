"""The charter: what it may say, how it is written, and what it means."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from folkmoot.governance.charter import (
    CHARTER_BYTES_MAX,
    MORE_THAN_TWO_THIRDS,
    PRESETS,
    Admission,
    Charter,
    CharterError,
    Electors,
    NewerCharterError,
    Share,
    amendment_refused,
    from_mapping,
    to_mapping,
)
from folkmoot.governance.sentences import changes, differences, sentences
from folkmoot.wire.codec import DecodeError


def _all_shares() -> list[Share]:
    made = []
    for below in (*range(1, 40), 254, 255):
        for above in range(1, below + 1):
            for strictly in (False, True):
                try:
                    made.append(Share(above, below, strictly))
                except CharterError:
                    continue
    return made


ALL_SHARES = _all_shares()
FEW_SHARES = [
    None, MORE_THAN_TWO_THIRDS, Share(3, 4), Share(3, 4, strictly=True), Share(1, 1),
    Share(254, 255),
]  # fmt: skip


def charters() -> st.SearchStrategy[Charter]:
    everything = []
    for admission in Admission:
        for electors in Electors:
            for removal in FEW_SHARES:
                for amendment in FEW_SHARES:
                    for lineage in (False, True):
                        try:
                            made = Charter(admission, electors, removal, amendment, lineage)
                        except CharterError:
                            continue
                        everything.append(made)
    return st.sampled_from(everything)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_encoding_and_have_their_own_hash(name: str) -> None:
    charter = PRESETS[name]
    encoded = charter.encode()
    assert Charter.decode(encoded) == charter
    assert len(encoded) <= CHARTER_BYTES_MAX
    assert len(charter.hash) == 32
    assert [one.hash for one in PRESETS.values()].count(charter.hash) == 1


def test_the_bytes_of_a_charter_do_not_change() -> None:
    assert PRESETS["unremovable"].encode().hex() == "0102010002020300"
    assert PRESETS["circle"].encode().hex() == "01020102020302020300"
    assert PRESETS["assembly"].encode().hex() == "01010202020302020301"


@given(charters())
def test_every_charter_survives_bytes_and_toml(charter: Charter) -> None:
    assert Charter.decode(charter.encode()) == charter
    assert from_mapping(to_mapping(charter)) == charter
    assert len(sentences(charter)) >= 4


@given(st.binary(max_size=16))
def test_whatever_bytes_arrive_only_the_canonical_ones_decode(data: bytes) -> None:
    try:
        charter = Charter.decode(data)
    except DecodeError:
        return
    assert charter.encode() == data


@given(charters(), st.integers(0, 9), st.integers(0, 255))
def test_a_changed_byte_is_refused_or_another_charter(
    charter: Charter, place: int, value: int
) -> None:
    data = bytearray(charter.encode())
    data[place % len(data)] = value
    try:
        other = Charter.decode(bytes(data))
    except DecodeError:
        return
    assert other.encode() == bytes(data)
    assert (other.hash == charter.hash) == (other == charter)


def bytes_of(removal: str, amendment: str = "020203", head: str = "010201") -> bytes:
    return bytes.fromhex(head + removal + amendment + "00")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (bytes_of("010203"), "Two thirds"),  # at least 2/3
        (bytes_of("010102"), "Two thirds"),
        (bytes_of("020102"), "Two thirds"),  # more than 1/2
        (bytes_of("01a9fe"), "Two thirds"),  # 169/254
        (bytes_of("010403"), "not larger"),
        (bytes_of("010300"), "1 to 255"),
        (bytes_of("010608"), "lowest terms"),
        (bytes_of("020101"), "nobody"),
        (bytes_of("030304"), "form of fraction"),
        (bytes_of("010304"), "fewer than removing"),  # removal 3/4, amendment above 2/3
        (bytes_of("020203", "010203"), "Two thirds"),
        (bytes_of("020203", head="010101"), "anybody may come in"),
        (bytes_of("00", head="010101")[:-1] + b"\x01", "no lines"),
        (bytes_of("00", head="010401"), "admission"),
        (bytes_of("00", head="010203"), "electors"),
        (bytes_of("00", head="000201"), "version 0"),
        (bytes_of("00") + b"\x00", "too many"),
        (bytes_of("00")[:-1] + b"\x02", "neither 0 nor 1"),
        (bytes_of("00")[:-1], "wanted"),
        (b"", "wanted"),
    ],
)
def test_what_must_not_be_possible_does_not_decode(data: bytes, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        Charter.decode(data)


def test_a_newer_charter_is_named_as_such() -> None:
    with pytest.raises(NewerCharterError, match="newer version"):
        Charter.decode(b"\x02whatever")


@given(st.sampled_from(ALL_SHARES), st.integers(1, 2000))
def test_every_share_that_can_be_written_is_more_than_two_thirds(
    share: Share, electors: int
) -> None:
    needed = share.needed(electors)
    assert 3 * needed > 2 * electors
    exact = share.value * electors
    assert needed > exact if share.strictly else needed >= exact
    assert needed - 1 <= exact if share.strictly else needed - 1 < exact


def test_nobody_is_removed_among_three_and_never_by_fewer_than_three() -> None:
    circle = PRESETS["circle"]
    needs = [circle.removal_needed(electors) for electors in range(1, 10)]
    assert needs == [None, None, None, 3, 4, 5, 5, 6, 7]
    assert PRESETS["unremovable"].removal_needed(100) is None
    everyone = dataclasses.replace(circle, removal=Share(1, 1), amendment=Share(1, 1))
    assert everyone.removal_needed(50) is None  # the accused has no ballot


def test_removal_never_cannot_be_amended_away() -> None:
    assert amendment_refused(PRESETS["unremovable"], PRESETS["circle"]) is not None
    assert amendment_refused(PRESETS["circle"], PRESETS["unremovable"]) is None
    assert amendment_refused(PRESETS["circle"], PRESETS["circle"]) is not None
    for change in ({"lineage": True}, {"electors": Electors.VOUCHED}):
        changed = dataclasses.replace(PRESETS["circle"], **change)
        assert "Who votes" in str(amendment_refused(PRESETS["circle"], changed))
    fixed = dataclasses.replace(PRESETS["circle"], amendment=None)
    assert amendment_refused(fixed, PRESETS["circle"]) is not None
    assert fixed.amendment_needed(9) is None
    assert PRESETS["circle"].amendment_needed(9) == 7


GOOD = {
    "admission": "sponsor", "electors": "everyone", "removal": "never",
    "amendment": "more than 2/3", "lineage": False,
}  # fmt: skip


def test_a_file_may_begin_with_a_preset() -> None:
    assert from_mapping({"preset": "circle"}) == PRESETS["circle"]
    assert from_mapping({"preset": "unremovable", "admission": "open"}).admission is Admission.OPEN
    assert from_mapping(GOOD) == PRESETS["unremovable"]
    assert from_mapping({**GOOD, "amendment": "75/100"}).amendment == Share(3, 4)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({**GOOD, "removal": "2/3"}, '"removal": Two thirds or less'),
        ({**GOOD, "removal": "at least 1/2"}, "Two thirds or less"),
        ({**GOOD, "removal": "often"}, "not a fraction"),
        ({**GOOD, "removal": "٣/٤"}, "not a fraction"),
        ({**GOOD, "removal": "3/0"}, "1 to 255"),
        ({**GOOD, "removal": "9999999999/3"}, "1 to 255"),
        ({**GOOD, "removal": "255/256"}, "1 to 255"),
        ({**GOOD, "removal": 0.75}, "never"),
        ({**GOOD, "admission": "anyone"}, "open, sponsor, ballot"),
        ({**GOOD, "admission": ["open"]}, "open, sponsor, ballot"),
        ({**GOOD, "lineage": "yes"}, "true or false"),
        ({**GOOD, "colour": "red"}, 'no field "colour"'),
        ({"preset": "duel"}, "no preset"),
        ({"preset": ["circle"]}, "no preset"),
        ({"admission": "open"}, 'does not say "electors"'),
        ({"preset": "circle", "admission": "open"}, "anybody may come in"),
        ({"preset": "circle", "removal": "9/10"}, "must not need fewer"),
    ],
)
def test_a_wrong_file_gets_a_sentence(values: dict[str, object], reason: str) -> None:
    with pytest.raises(CharterError, match=reason):
        from_mapping(values)


def test_people_read_sentences() -> None:
    assert sentences(PRESETS["assembly"])[2] == (
        "Somebody is removed only when more than two thirds of all who vote say yes, those who "
        "are away counted too, and never by fewer than three."
    )
    assert "Nobody can be removed" in sentences(PRESETS["unremovable"])[2]
    changed = differences(PRESETS["unremovable"], PRESETS["circle"])
    assert changed == [sentences(PRESETS["circle"])[2]]
    assert differences(PRESETS["circle"], PRESETS["circle"]) == []
    lines_off = dataclasses.replace(PRESETS["assembly"], lineage=False)
    assert len(differences(PRESETS["assembly"], lines_off)) == 1
    [change] = changes(PRESETS["assembly"], lines_off)
    assert change.before == sentences(PRESETS["assembly"])[-1]
    assert "heads alone" in change.after
    [change] = changes(lines_off, PRESETS["assembly"])
    assert change == ("", sentences(PRESETS["assembly"])[-1])
    assert str(change) == change.after


def test_a_change_says_what_was_and_what_will_be() -> None:
    [change] = changes(PRESETS["circle"], PRESETS["unremovable"])
    assert change == (sentences(PRESETS["circle"])[2], sentences(PRESETS["unremovable"])[2])
    assert str(change) == " → ".join(change)
    assert changes(PRESETS["circle"], PRESETS["circle"]) == []
    assert len(changes(PRESETS["circle"], PRESETS["assembly"])) == 3
