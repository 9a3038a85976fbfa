"""Whatever text the page's socket brings, the result is a typed message or MessageError."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from folkmoot.agent.page import messages
from folkmoot.agent.page.messages import MessageError, parse


def test_each_kind_becomes_its_type() -> None:
    assert parse('{"do":"hello","secret":"s","instance":"i"}') == messages.Hello("s", "i")
    assert parse('{"do":"return","nonce":"n","instance":"i"}') == messages.Return("n", "i")
    assert parse('{"do":"proof","proof":"p"}') == messages.Proof("p")
    assert parse('{"do":"take"}') == messages.Take()
    assert parse('{"do":"again"}') == messages.Again()
    assert parse('{"do":"answer","sdp":"v=0"}') == messages.Answer("v=0")
    stats = {"do": "stats", "members": {"m1": {"framesDecoded": 3}}, "sent": {"x": 0.5}}
    assert parse(json.dumps(stats)) == messages.Stats({"m1": {"framesDecoded": 3}}, {"x": 0.5})
    join = {"do": "join", "name": "Rosa", "microphone": True, "camera": False, "hidden": True}
    assert parse(json.dumps(join)) == messages.Command(join)


@pytest.mark.parametrize("do", sorted(messages.FIELDS))
def test_a_field_missing_or_too_many_is_refused(do: str) -> None:
    examples: dict[str, object] = {
        "secret": "s", "instance": "i", "nonce": "n", "proof": "p", "sdp": "v=0", "name": "n",
        "members": {}, "sent": {},
        "microphone": True, "camera": True, "hidden": True, "text": "t", "on": True,
        "knock": "k", "member": "m",
        "draft": 7, "kind": "amend", "ground": "g", "subject": "s", "motion": "m",
        "choice": "yes", "with": ["m"],
    }  # fmt: skip
    fields = list(messages.FIELDS[do])
    whole = {"do": do, **{field: examples[field] for field in fields}}
    parse(json.dumps(whole))
    with pytest.raises(MessageError, match="too many"):
        parse(json.dumps({**whole, "extra": 1}))
    for field in fields:
        lacking = json.dumps({key: value for key, value in whole.items() if key != field})
        if (do, field) in messages.OPTIONAL:
            parse(lacking)
        else:
            with pytest.raises(MessageError, match="lacks"):
                parse(lacking)
        wrongs: tuple[object, ...] = (None, 7, [], "", {"a": None})
        for wrong in wrongs:
            if wrong == examples[field]:
                continue
            with pytest.raises(MessageError, match="as it should be"):
                parse(json.dumps({**whole, field: wrong}))


RULES = {"admission": "ballot", "lineage": True}


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        ("remove", ["bbbb0001"], [RULES, "two words", "b" * 129, "é"]),
        ("raise", ["bbbb0001"], [RULES, "two words", "\u202e"]),
        ("admit", ["k1"], [RULES, "two words"]),
        ("amend", [RULES, "circle", 'admission = "open"\n'], [{}, {"a b": "c"}, {"a": 1}, 7]),
        ("relays", ["a:1#x\nb:2#y", "what anybody wrote, é"], [RULES, {"a": "b"}, "x" * 8_001]),
    ],
)
def test_a_subject_is_judged_by_its_kind(
    kind: str, right: list[object], wrong: list[object]
) -> None:
    drafted = kind in ("amend", "relays")
    for subject in right:
        assert isinstance(_parse(do="move", kind=kind, subject=subject), messages.Command)
        _parse(do="move", kind=kind, subject=subject, ground="0123456789abcdef")
        with pytest.raises(MessageError, match="ground is not as it should be"):
            _parse(do="move", kind=kind, subject=subject, ground=7)
        if drafted:
            _parse(do="draft", draft=1, kind=kind, subject=subject)
    for subject in wrong:
        with pytest.raises(MessageError, match="subject is not as it should be"):
            _parse(do="move", kind=kind, subject=subject)
        if drafted:
            with pytest.raises(MessageError, match="subject is not as it should be"):
                _parse(do="draft", draft=1, kind=kind, subject=subject)


def test_a_kind_that_is_none_is_refused_before_its_subject() -> None:
    with pytest.raises(MessageError, match="kind is not as it should be"):
        _parse(do="move", subject="m", kind="praise")
    with pytest.raises(MessageError, match="kind is not as it should be"):
        _parse(do="draft", draft=1, kind="remove", subject="m")


@pytest.mark.parametrize("number", [0, -1, True, 1.0, "1", messages.NUMBER_MAX + 1, None])
def test_a_draft_has_a_number_that_counts(number: object) -> None:
    with pytest.raises(MessageError, match="draft is not as it should be"):
        _parse(do="draft", draft=number, kind="amend", subject=RULES)
    _parse(do="draft", draft=messages.NUMBER_MAX, kind="amend", subject=RULES)


def _parse(**body: object) -> messages.PageMessage:
    return parse(json.dumps(body))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        '"take"',
        "{",
        '{"do":"take"} ',  # trailing space is JSON; the next is not
        '{"do":"take"}x',
        '{"do":["take"]}',
        '{"do":"TAKE"}',
        '{"do":"take","do":"again"}',
        '{"do":"chat","text":"\\ud800"}',
        '{"do":"stats","members":{},"sent":{"a":NaN}}',
        '{"do":"stats","members":{},"sent":{"a":Infinity}}',
        '{"do":"stats","members":{},"sent":{"a":1e999}}',
        '{"do":"stats","members":{},"sent":{"a":1' + "0" * 400 + "}}",
        '{"do":"stats","members":{},"sent":{"a":true}}',
        '{"do":"stats","members":{"m n":{}},"sent":{}}',
        '{"do":"stats","members":{},"sent":' + '{"a":' * 20000 + "1" + "}" * 20000 + "}",
        "[" * 100000,
        '{"do":"rename","name":"   "}',
        '{"do":"rename","name":"a\\u0000b"}',
        '{"do":"rename","name":"a\\nb"}',
        '{"do":"mute","member":"a b"}',
        '{"do":"mute","member":"\\u202e"}',
        '{"do":"microphone","on":1}',
        '{"do":"vote","motion":"m","choice":"maybe"}',
        '{"do":"secede","with":[]}',
    ],
)
def test_malformed(text: str) -> None:
    if text.endswith(" "):
        assert parse(text) == messages.Take()
        return
    with pytest.raises(MessageError):
        parse(text)


def test_sizes() -> None:
    parse(json.dumps({"do": "chat", "text": "x" * messages.CHAT_CHARACTERS_MAX}))
    with pytest.raises(MessageError):
        parse(json.dumps({"do": "chat", "text": "x" * (messages.CHAT_CHARACTERS_MAX + 1)}))
    with pytest.raises(MessageError):
        parse(json.dumps({"do": "rename", "name": "x" * (messages.NAME_CHARACTERS_MAX + 1)}))
    with pytest.raises(MessageError):  # spaces between, so that no field is too long
        parse('{"do":"take"' + " " * messages.COMMAND_BYTES_MAX + "}")
    parse(json.dumps({"do": "answer", "sdp": "x" * messages.SDP_CHARACTERS_MAX}))
    with pytest.raises(MessageError):
        parse(json.dumps({"do": "answer", "sdp": "x" * (messages.SDP_CHARACTERS_MAX + 1)}))
    with pytest.raises(MessageError):
        parse(" " * (messages.TEXT_BYTES_MAX + 1))


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
field_names = st.sampled_from(sorted({f for fields in messages.FIELDS.values() for f in fields}))


# Small ones: where making them takes long, a busy machine fails the test before it has begun.
some_fields = st.dictionaries(field_names, json_values, max_size=4)


@given(st.sampled_from(sorted(messages.FIELDS)), some_fields)
def test_whatever_fields_come(do: str, fields: dict[str, object]) -> None:
    with contextlib.suppress(MessageError):
        parse(json.dumps({"do": do, **fields}))


@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")))
def test_whatever_text_comes(text: str) -> None:
    with pytest.raises(MessageError):
        parse(text)
