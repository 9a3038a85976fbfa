"""Names and texts that people choose: safe to show, and told apart when they look alike."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from folkmoot.meeting.names import (
    clean_name,
    clean_text,
    member_id,
    safety_code,
    skeleton,
    tags,
)
from folkmoot.meeting.records import NAME_BYTES_MAX

ADA, EVE, BOB = b"\xad\xa0" * 8, b"\xe0\xe1" * 8, b"\xb0\xb1" * 8


@pytest.mark.parametrize(
    ("chosen", "shown"),
    [
        ("Ada", "Ada"),
        ("  Ada \t\n Lovelace  ", "Ada Lovelace"),
        ("Ada\u00a0\u3000\u2028Lovelace", "Ada Lovelace"),
        ("A\x00d\x1ba\x7f\x9b", "Ada"),
        ("Ada\u202egnp.exe\u202c", "Adagnp.exe"),
        ("\u2066Ada\u2069\u200f\u061c\u200e", "Ada"),
        ("A\u200bd\u200da\ufeff\u2060", "Ada"),
        ("Ada\ud800", "Ada"),
        ("Ada\ue000\U000e0041", "Ada"),
        ("E\u0301va", "Éva"),
        ("E\x1f\u0301va", "Éva"),
        ("李清照", "李清照"),
        ("Ada 🦊", "Ada 🦊"),
        ("", "nameless"),
        (" \u202e\x00 ", "nameless"),
        ("\u3164\u2800", "nameless"),
        ("\u034f\ufe0f", "nameless"),
        (
            "Z\u0351\u0352\u0353\u0354\u0355a" + "\u0489" * 20,
            "Z\u0353\u0354\u0355a\u0489\u0489\u0489",
        ),
        ("👩\u200d👩\u200d👧\u200d👦" * 4, "👩👩👧👦" * 4),
        ("<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>"),
    ],
)
def test_names_are_made_safe_to_show(chosen: str, shown: str) -> None:
    assert clean_name(chosen) == shown


@pytest.mark.parametrize(
    ("letter", "kept"), [("a", 64), ("é", 32), ("李", 21), ("🦊", 16), ("a🦊", 25)]
)
def test_long_names_are_cut_between_letters(letter: str, kept: int) -> None:
    name = clean_name(letter * 100)
    assert name == (letter * 100)[:kept]
    assert len(name.encode()) <= NAME_BYTES_MAX


def test_no_space_is_left_where_a_name_was_cut() -> None:
    assert clean_name("a" * 63 + " bcd") == "a" * 63


@given(st.text(st.characters(codec=None), max_size=90))
def test_whatever_is_chosen_a_name_is_short_clean_text(chosen: str) -> None:
    name = clean_name(chosen)
    assert 0 < len(name.encode()) <= NAME_BYTES_MAX
    assert name == " ".join(name.split())
    assert not [one for one in name if unicodedata.category(one)[0] == "C"]


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("a\x1b[31mred\x07\r\x85", "a[31mred"),
        ("\u202aa\u202bb\u202cc\u202dd\u202ee", "abcde"),
        ("\u2066a\u2067b\u2068c\u2069d\u061ce", "abcde"),
        ("a\udfff", "a"),
        ("👩\u200d🚀", "👩\u200d🚀"),
        ("a" + "\u0301" * 1000 + "b", "a\u0301\u0301\u0301b"),
        ("\x1b]0;title\x07\x9b31m\x1b[2J", "]0;title31m[2J"),
    ],
)
def test_texts_lose_what_changes_how_others_are_shown(written: str, shown: str) -> None:
    assert clean_text(written) == shown


@pytest.mark.parametrize(
    "twin",
    [
        "PAULA ROSE",
        "paula  rose",
        "Páula Röse",
        "\uff30\uff41\uff55\uff4c\uff41 \uff32\uff4f\uff53\uff45",
        "\u0420\u0430ul\u0430 R\u043e\u0455\u0435",  # Cyrillic er, a, o, dze, ie
        "\u03a1aula R\u03bfse",  # Greek capital rho, omicron
        "Pau1a R0se",
        "PauIa Ro5e",
        "Paula\u034f Rose\ufe0f",  # nothing of these is seen
        "Paula Rose\u3164",
        "".join(chr(0x1D400 + ord(one) - 65 - 6 * (one > "Z")) for one in "PaulaRose"),  # bold
    ],
)
def test_names_that_look_alike_have_one_skeleton(twin: str) -> None:
    assert skeleton(twin) == skeleton("Paula Rose")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Barn", "Bam"),
        ("Vvilma", "Wilma"),
        ("\u0392\u0395n", "BEN"),  # Greek beta, epsilon
        ("\u0397\u039c\u0396\u03a7", "HMZX"),  # Greek eta, mu, zeta, chi
        ("\u0422\u041e\u041c", "TOM"),  # Cyrillic
    ],
)
def test_more_look_alikes(one: str, other: str) -> None:
    assert skeleton(one) == skeleton(other)


def test_names_that_do_not_look_alike_differ() -> None:
    names = ["Paula", "Paul", "Paolo", "李清照", "李清", "Κλειώ", "Иван", "Éva", "Ivo"]
    assert len({skeleton(name) for name in names}) == len(names)


def test_tags_are_shown_where_names_look_alike_only() -> None:
    assert tags({ADA: "Ada", EVE: "\u0410D\u0410", BOB: "Bob"}) == {
        ADA: "ada0",
        EVE: "e0e1",
        BOB: "",
    }
    assert tags({ADA: "Ada", BOB: "Bob"}) == {ADA: "", BOB: ""}
    assert tags({}) == {}


@pytest.mark.parametrize("name", ["You", "you", "Y\u043eu", "(you)", "YOU (you)"])
def test_who_poses_as_the_page_s_own_person_has_a_tag(name: str) -> None:
    assert tags({ADA: "Ada", EVE: name}) == {ADA: "", EVE: "e0e1"}


def test_who_poses_as_somebody_s_own_tile_has_a_tag() -> None:
    assert tags({ADA: "Ada", EVE: "Ada (you)"}) == {ADA: "ada0", EVE: "e0e1"}


@given(st.text(st.characters(codec=None), max_size=90))
def test_whatever_is_written_no_pile_of_marks_is_left(written: str) -> None:
    for shown in (clean_name(written), clean_text(written)):
        marks = "".join("m" if unicodedata.category(one)[0] == "M" else "." for one in shown)
        assert "mmmm" not in marks


def test_a_member_is_named_by_half_of_its_seat() -> None:
    assert member_id(bytes(range(16))) == "0001020304050607"


def test_safety_codes_are_thirty_digits_of_the_epoch() -> None:
    code = safety_code(b"a" * 32)
    groups = code.split(" ")
    assert [len(group) for group in groups] == [5] * 6
    assert "".join(groups).isdigit()
    assert code == safety_code(b"a" * 32) != safety_code(b"a" * 31 + b"b")
