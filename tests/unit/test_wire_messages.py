"""The messages of a link: what is written is read back, and nothing else is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from folkmoot.wire import messages
from folkmoot.wire.codec import DecodeError
from folkmoot.wire.lanes import Direction, LaneSlot

KEY, CHALLENGE, SIGNATURE = b"k" * 32, b"c" * 32, b"s" * 64

FROM_RELAY: list[tuple[messages.FromRelay, str]] = [
    (messages.Hello(1, CHALLENGE, 10, 64), "01 01" + "63" * 32 + "000a 0040"),
    (messages.Challenge(CHALLENGE), "02" + "63" * 32),
    (messages.Opened(7, 0x01020304), "03 07 01020304"),
    (messages.Refused(7, 4, 16, "no"), "04 07 04 10 02 6e6f"),
    (messages.Leaving("go"), "05 02 676f"),
    (messages.Cells(5, b"x" * 384), "10 00000005" + "78" * 384),
]
FROM_AGENT: list[tuple[messages.FromAgent, str]] = [
    (messages.Ask(), "02"),
    (
        messages.Open(7, 9, LaneSlot.VOICE, Direction.BOTH, KEY, 0x0102, SIGNATURE),
        "03 07 09 02 03" + "6b" * 32 + "0000000000000102" + "73" * 64,
    ),
    (messages.Close(0x01020304), "04 01020304"),
    (messages.Cells(5, b"x" * 384), "10 00000005" + "78" * 384),
]


@pytest.mark.parametrize(("message", "expected"), FROM_RELAY)
def test_a_relays_messages_have_these_bytes(message: messages.FromRelay, expected: str) -> None:
    assert message.encode() == bytes.fromhex(expected)
    assert messages.decode_from_relay(message.encode()) == message


@pytest.mark.parametrize(("message", "expected"), FROM_AGENT)
def test_an_agents_messages_have_these_bytes(message: messages.FromAgent, expected: str) -> None:
    assert message.encode() == bytes.fromhex(expected)
    assert messages.decode_from_agent(message.encode()) == message


@pytest.mark.parametrize(("message", "_expected"), FROM_AGENT[:3])
def test_a_torn_or_a_longer_message_is_refused(message: messages.FromAgent, _expected: str) -> None:
    encoded = message.encode()
    for end in range(len(encoded)):
        with pytest.raises(DecodeError):
            messages.decode_from_agent(encoded[:end])
    with pytest.raises(DecodeError):
        messages.decode_from_agent(encoded + b"\0")


@pytest.mark.parametrize("at", [3, 4])
@pytest.mark.parametrize("value", [4, 5, 255])
def test_an_unknown_lane_or_direction_is_refused(at: int, value: int) -> None:
    encoded = bytearray(FROM_AGENT[1][0].encode())
    encoded[at] = value
    with pytest.raises(DecodeError):
        messages.decode_from_agent(bytes(encoded))


def test_an_open_for_neither_direction_is_refused() -> None:
    encoded = bytearray(FROM_AGENT[1][0].encode())
    encoded[4] = 0
    with pytest.raises(DecodeError):
        messages.decode_from_agent(bytes(encoded))


def test_longer_messages_than_a_side_may_send_are_refused() -> None:
    agents = messages.AGENT_MESSAGE_BYTES_MAX
    messages.decode_from_agent(b"\x10" + bytes(agents - 1))
    with pytest.raises(DecodeError):
        messages.decode_from_agent(b"\x10" + bytes(agents))
    relays = messages.RELAY_MESSAGE_BYTES_MAX
    messages.decode_from_relay(b"\x10" + bytes(relays - 1))
    with pytest.raises(DecodeError):
        messages.decode_from_relay(b"\x10" + bytes(relays))


def test_cells_are_whole_and_counted() -> None:
    assert messages.split_cells(b"ab" * 3, 2, 3) == [b"ab"] * 3
    for body, cells_max in ((b"", 3), (b"abc", 3), (b"ab" * 4, 3)):
        with pytest.raises(DecodeError):
            messages.split_cells(body, 2, cells_max)


def test_sentences_fit_where_they_are_sent() -> None:
    assert set(messages.CLOSING_SENTENCES) == set(messages.Closing)
    assert set(messages.REFUSAL_SENTENCES) == set(messages.Refusal)
    for sentence in messages.CLOSING_SENTENCES.values():
        assert len(sentence.encode()) <= messages.CLOSE_SENTENCE_BYTES_MAX
    for sentence in messages.REFUSAL_SENTENCES.values():
        assert len(sentence.encode()) <= messages.SENTENCE_BYTES_MAX


@given(some.binary(max_size=200) | some.binary(max_size=150).map(lambda data: b"\x03" + data))
def test_whatever_arrives_is_a_message_or_a_decode_error(data: bytes) -> None:
    for decode in (messages.decode_from_agent, messages.decode_from_relay):
        try:
            message = decode(data)
        except DecodeError:
            continue
        assert message.encode() == data  # one form for each message
