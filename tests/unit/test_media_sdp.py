"""Offers say what the design decides, and answers are read strictly."""

from __future__ import annotations

import re

import pytest
from aiortc.sdp import SessionDescription
from hypothesis import given
from hypothesis import strategies as st

from folkmoot.agent.media.sdp import (
    SECTIONS_MAX,
    BadAnswer,
    Bitrates,
    OfferWriter,
    Section,
    Transport,
    is_member,
    read_answer,
)
from folkmoot.cells.frames import MediaKind

TRANSPORT = Transport("ufrg", "p" * 32, bytes(range(32)), (("127.0.0.1", 5_000), ("192.0.2.2", 6)))
OWN = (Section(MediaKind.VOICE, "recvonly"), Section(MediaKind.CAMERA, "recvonly"))
SECTIONS = (
    *OWN,
    Section(MediaKind.VOICE, "sendonly", "5eat-1", 111),
    Section(MediaKind.CAMERA, "sendonly", "5eat-1", 222),
    Section(MediaKind.VOICE, "inactive"),
)
RATES = Bitrates(24_000, 400_000)
PRINT = ":".join(["AB"] * 32)


def section(index: int, kind: str = "audio", direction: str = "sendonly", more: str = "") -> str:
    payload_type = 111 if kind == "audio" else 96
    return (
        f"m={kind} 9 UDP/TLS/RTP/SAVPF {payload_type}\r\nc=IN IP4 0.0.0.0\r\na=mid:{index}\r\n"
        f"a=ice-ufrag:abcd\r\na=ice-pwd:{'w' * 22}\r\na=fingerprint:sha-256 {PRINT}\r\n"
        f"a=setup:active\r\na={direction}\r\na=rtcp-mux\r\n{more}"
    )


HEAD = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n"
GOOD = HEAD + section(0, more="a=ssrc:5 cname:x\r\na=ssrc:5 msid:y z\r\n") + section(1, "video")


def test_the_offer_is_understood_by_another_implementation() -> None:
    sdp = OfferWriter().write(TRANSPORT, SECTIONS, RATES)
    parsed = SessionDescription.parse(sdp)
    assert parsed.group[0].items == ["0", "1", "2", "3", "4"]
    assert [media.direction for media in parsed.media] == [
        "recvonly", "recvonly", "sendonly", "sendonly", "inactive",
    ]  # fmt: skip
    voice, camera, theirs, picture, _ = parsed.media
    assert voice.ice is not None
    assert voice.ice.iceLite
    assert [(c.ip, c.port) for c in voice.ice_candidates] == list(TRANSPORT.candidates)
    assert voice.ice_candidates[0].priority > voice.ice_candidates[1].priority
    assert voice.dtls is not None
    assert voice.dtls.fingerprints[0].value == TRANSPORT.fingerprint.hex(":").upper()
    options = {name: str(value) for name, value in voice.rtp.codecs[0].parameters.items()}
    assert options["cbr"] == "1"
    assert options["usedtx"] == options["useinbandfec"] == options["stereo"] == "0"
    assert options["maxaveragebitrate"] == "24000"
    assert re.search(r"(?m)^a=ptime:20\r$", sdp)
    assert [codec.name for codec in camera.rtp.codecs] == ["VP8"]
    assert str(camera.rtp.codecs[0].parameters["x-google-start-bitrate"]) == "400"
    feedback = {
        str(one.type) + " " + str(one.parameter) for one in camera.rtp.codecs[0].rtcpFeedback
    }
    assert feedback == {"nack None", "nack pli", "goog-remb None"}
    assert theirs.msid == "5eat-1 5eat-1-voice"
    assert picture.msid == "5eat-1 5eat-1-camera"
    assert picture.ssrc[0].ssrc == 222
    assert "extmap" not in sdp  # no audio level, no transport-cc: nothing that tells who speaks


def test_versions_go_up_and_sections_have_a_maximum() -> None:
    writer = OfferWriter()
    numbers = [
        int(writer.write(TRANSPORT, OWN, RATES).split("\r\n")[1].split(" ")[2]) for _ in range(3)
    ]
    assert numbers == [1, 2, 3]
    writer.write(TRANSPORT, OWN + (Section(MediaKind.VOICE, "inactive"),) * 128, RATES)
    with pytest.raises(ValueError, match="more media sections"):
        writer.write(TRANSPORT, (Section(MediaKind.VOICE, "inactive"),) * (SECTIONS_MAX + 1), RATES)


@pytest.mark.parametrize("text", ["", "a b", "a\r\na=x:y", "é", "x" * 65])
def test_only_tokens_are_members(text: str) -> None:
    assert not is_member(text)


def test_an_answer_is_read() -> None:
    answer = read_answer(GOOD, OWN)
    assert answer.ufrag == "abcd"
    assert answer.fingerprint == b"\xab" * 32
    assert answer.sections[0].ssrcs == (5,)
    assert [entry.accepted for entry in answer.sections] == [True, True]
    assert read_answer(GOOD.replace("\r\n", "\n"), OWN) == answer


def test_the_first_section_may_be_refused_and_the_transport_may_stand_above() -> None:
    refused = GOOD.replace("m=audio 9", "m=audio 0", 1)
    assert [entry.accepted for entry in read_answer(refused, OWN).sections] == [False, True]
    with_sha1 = GOOD.replace("a=setup", "a=fingerprint:sha-1 00\r\na=setup")
    assert read_answer(with_sha1, OWN).fingerprint == b"\xab" * 32
    bare = re.sub(r"a=(ice-ufrag|fingerprint|setup).*\r\n", "", GOOD)
    above = f"a=ice-ufrag:abcd\r\na=fingerprint:sha-256 {PRINT}\r\na=setup:active\r\n"
    assert read_answer(bare.replace("t=0 0\r\n", "t=0 0\r\n" + above), OWN).ufrag == "abcd"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("", "session description"),
        ("x" * 600_000, "too long"),
        (HEAD + section(0), "another number"),
        (GOOD + section(2), "another number"),
        (HEAD + section(0, "video") + section(1, "video"), "not what was offered"),
        (GOOD.replace("a=mid:1", "a=mid:0"), "another mid"),
        (GOOD.replace("SAVPF 96", "SAVPF 97"), "codec"),
        (GOOD.replace("a=rtcp-mux", "a=x"), "port of its own"),
        (GOOD.replace("a=setup:active", "a=setup:passive"), "handshake"),
        (GOOD.replace("a=setup:active\r\n", ""), "one setup"),
        (GOOD.replace("a=sendonly", "a=sendonly\r\na=recvonly"), "two directions"),
        (GOOD.replace(PRINT, PRINT[:-3]), "fingerprint"),
        (GOOD.replace("sha-256", "md5"), "fingerprint"),
        (GOOD.replace("a=ice-ufrag:abcd", "a=ice-ufrag:a"), "ice-ufrag"),
        (GOOD.replace("a=ice-ufrag:abcd", "a=ice-ufrag:abcd\r\na=ice-ufrag:efgh"), "ice-ufrag"),
        (GOOD.replace("a=ssrc:5 cname", "a=ssrc:4294967296 cname"), "ssrc"),
        (GOOD.replace("a=ssrc:5 cname", "a=ssrc:x cname"), "ssrc"),
        (GOOD + "".join(f"a=ssrc:{n}\r\n" for n in range(9)), "too many"),
        (GOOD + "a=" + "x" * 3_000, "line"),
        (
            HEAD + section(0).replace(" 9 ", " 0 ") + section(1, "video").replace(" 9 ", " 0 "),
            "Opus",
        ),
    ],
)
def test_a_bad_answer_is_refused_with_a_sentence(answer: str, why: str) -> None:
    with pytest.raises(BadAnswer, match=why):
        read_answer(answer, OWN)


@given(st.integers(0, len(GOOD)), st.integers(0, 80), st.text(max_size=40))
def test_torn_answers_are_read_or_refused(at: int, cut: int, noise: str) -> None:
    try:
        answer = read_answer(GOOD[:at] + noise + GOOD[at + cut :], OWN)
    except BadAnswer:
        return
    assert len(answer.fingerprint) == 32
