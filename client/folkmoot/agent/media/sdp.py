"""The offer, always written by the agent (RFC 8829, RFC 8839, RFC 8866), and a strict reader of the
page's answer.

Media sections are never taken away, only put to sleep and used again for another member, as JSEP
asks. The first two receive the page's own voice and camera; the rest send one remote member's voice
or picture each."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from folkmoot.cells.frames import MediaKind

VOICE_TYPE, PICTURE_TYPE = 111, 96  # RTP payload types
ANSWER_BYTES_MAX = 512 << 10  # about 2 KiB a section
LINE_BYTES_MAX = 2_048
SECTIONS_MAX = 2 + 2 * 64
SSRCS_MAX = 8  # in one section
_MEMBER = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_FINGERPRINT = re.compile(r"(?i:sha-256) ((?:[0-9A-Fa-f]{2}:){31}[0-9A-Fa-f]{2})")
_UFRAG = re.compile(r"[A-Za-z0-9+/]{4,256}")
_SSRC = re.compile(r"([0-9]{1,10})(?: .*)?")
_DIRECTIONS = frozenset({"sendrecv", "sendonly", "recvonly", "inactive"})


class BadAnswer(ValueError):
    """The page's answer does not fit the agent's offer."""


def media_name(kind: MediaKind) -> str:
    return "audio" if kind is MediaKind.VOICE else "video"


@dataclass(frozen=True, slots=True)
class Section:
    """One m-line: `direction` from the agent's side; `member` and `ssrc` only where it sends."""

    kind: MediaKind
    direction: str  # recvonly, sendonly, inactive
    member: str = ""
    ssrc: int = 0


@dataclass(frozen=True, slots=True)
class Transport:
    """What all sections share: ICE and DTLS of the one bundle. `fingerprint` has 32 bytes."""

    ufrag: str
    password: str
    fingerprint: bytes
    candidates: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Bitrates:
    """Bits a second that the offer asks the page for."""

    voice: int
    picture: int


def is_member(text: str) -> bool:
    """Whether a member's id can stand in an msid (it is a token of ours, never a name that somebody
    chose)."""
    return _MEMBER.fullmatch(text) is not None


class OfferWriter:
    """Numbers the offers of one connection."""

    def __init__(self) -> None:
        self._session = secrets.randbits(62)
        self._version = 0

    def write(self, transport: Transport, sections: Sequence[Section], rates: Bitrates) -> str:
        if len(sections) > SECTIONS_MAX:
            raise ValueError("more media sections than an offer may have")
        self._version += 1
        mids = " ".join(str(index) for index in range(len(sections)))
        lines = [
            "v=0",
            f"o=- {self._session} {self._version} IN IP4 127.0.0.1",
            "s=-",
            "t=0 0",
            f"a=group:BUNDLE {mids}",
            "a=ice-lite",
            "a=msid-semantic: WMS *",
        ]
        for index, section in enumerate(sections):
            lines += _section(index, section, transport, rates)
        return "\r\n".join(lines) + "\r\n"


def _section(index: int, section: Section, transport: Transport, rates: Bitrates) -> list[str]:
    voice = section.kind is MediaKind.VOICE
    host, port = transport.candidates[0]
    payload_type = VOICE_TYPE if voice else PICTURE_TYPE
    lines = [
        f"m={media_name(section.kind)} {port} UDP/TLS/RTP/SAVPF {payload_type}",
        f"c=IN IP4 {host}",
        f"a=mid:{index}",
        f"a=ice-ufrag:{transport.ufrag}",
        f"a=ice-pwd:{transport.password}",
        f"a=fingerprint:sha-256 {transport.fingerprint.hex(':').upper()}",
        "a=setup:actpass",
        f"a={section.direction}",
        "a=rtcp-mux",
        "a=rtcp-rsize",
    ]
    lines += _voice_codec(rates) if voice else _picture_codec(rates)
    if section.direction == "sendonly":
        assert is_member(section.member), "a member's id is a token of ours"
        name = section.kind.name.lower()
        lines.append(f"a=msid:{section.member} {section.member}-{name}")
        lines.append(f"a=ssrc:{section.ssrc} cname:{section.member}")
    for number, (address, at) in enumerate(transport.candidates):
        # Each further address has a lower priority: 127.0.0.1 first (RFC 8445 §5.1.2.1, type
        # preference 126).
        priority = (126 << 24) + ((65_535 - number) << 8) + 255
        lines.append(f"a=candidate:{number + 1} 1 udp {priority} {address} {at} typ host")
    lines.append("a=end-of-candidates")
    return lines


def _voice_codec(rates: Bitrates) -> list[str]:
    """Opus, constant bitrate, no DTX, no FEC: frame sizes must not follow speech (the cells have
    their own redundancy)."""
    options = (
        f"cbr=1;usedtx=0;useinbandfec=0;stereo=0;sprop-stereo=0;maxaveragebitrate={rates.voice}"
    )
    return [
        f"a=rtpmap:{VOICE_TYPE} opus/48000/2",
        f"a=fmtp:{VOICE_TYPE} minptime=20;{options}",
        "a=ptime:20",
        "a=maxptime:20",
    ]


def _picture_codec(rates: Bitrates) -> list[str]:
    """VP8 without RTX: on one machine a lost packet is rare enough to send again as it was. Neither
    transport-cc nor abs-send-time: the page's rate is what REMB says, and the start rate spares it
    the slow ramp from 300 kbit/s."""
    start_kbit = max(100, rates.picture // 1_000)
    return [
        f"a=rtpmap:{PICTURE_TYPE} VP8/90000",
        f"a=fmtp:{PICTURE_TYPE} x-google-start-bitrate={start_kbit}",
        *(f"a=rtcp-fb:{PICTURE_TYPE} {what}" for what in ("nack", "nack pli", "goog-remb")),
    ]


@dataclass(frozen=True, slots=True)
class AnswerSection:
    """`accepted`: the page has the codec; `direction` from the page's side."""

    accepted: bool
    direction: str
    ssrcs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """`fingerprint`: SHA-256 of the page's certificate, 32 bytes."""

    ufrag: str
    fingerprint: bytes
    sections: tuple[AnswerSection, ...]


def read_answer(sdp: str, offered: Sequence[Section]) -> Answer:
    """Raises BadAnswer unless every section answers the offered one in its place."""
    if len(sdp) > ANSWER_BYTES_MAX:
        raise BadAnswer("the page's answer is too long")
    session, *blocks = re.split(r"(?m)^(?=m=)", sdp.replace("\r\n", "\n"))
    if not session.startswith("v=0\n"):
        raise BadAnswer("the page's answer is not a session description")
    if len(blocks) != len(offered):
        raise BadAnswer("the page's answer has another number of media sections than the offer")
    shared = _attributes(session)
    parsed = [_attributes(block) for block in blocks]
    sections = tuple(
        _answer_section(index, block, attributes, offered[index])
        for index, (block, attributes) in enumerate(zip(blocks, parsed, strict=True))
    )
    first = next((index for index, entry in enumerate(sections) if entry.accepted), None)
    if first is None:
        raise BadAnswer("the page's browser takes neither Opus nor VP8")
    # Of a bundle only the first accepted section has to carry the transport (RFC 9143 §7.3.3).
    own = parsed[first]
    ufrag = _one(own, shared, "ice-ufrag")
    if not _UFRAG.fullmatch(ufrag):
        raise BadAnswer("the page's answer has a malformed ice-ufrag")
    prints = own.get("fingerprint") or shared.get("fingerprint") or []
    found = [match for match in map(_FINGERPRINT.fullmatch, prints) if match]
    if len(found) != 1:
        raise BadAnswer("the page's answer must name one sha-256 fingerprint")
    if _one(own, shared, "setup") != "active":
        raise BadAnswer("the page's answer leaves the handshake to the agent")
    return Answer(ufrag, bytes.fromhex(found[0][1].replace(":", "")), sections)


def _attributes(block: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in block.split("\n"):
        if len(line) > LINE_BYTES_MAX:
            raise BadAnswer("the page's answer has a line that is too long")
        if line.startswith("a="):
            name, _, value = line[2:].partition(":")
            found.setdefault(name, []).append(value)
    return found


def _one(own: dict[str, list[str]], shared: dict[str, list[str]], name: str) -> str:
    values = own.get(name) or shared.get(name) or []
    if len(values) != 1:
        raise BadAnswer(f"the page's answer must have one {name}")
    return values[0]


def _answer_section(
    index: int, block: str, attributes: dict[str, list[str]], offered: Section
) -> AnswerSection:
    words = block.split("\n", 1)[0][2:].split(" ")
    if len(words) < 4 or words[0] != media_name(offered.kind) or not words[1].isdecimal():
        raise BadAnswer(f"media section {index} of the page's answer is not what was offered")
    if words[1] == "0":  # rejected (RFC 8829 §5.3.1)
        return AnswerSection(False, "inactive", ())
    if attributes.get("mid") != [str(index)]:
        raise BadAnswer(f"media section {index} of the page's answer has another mid")
    payload_type = VOICE_TYPE if offered.kind is MediaKind.VOICE else PICTURE_TYPE
    if words[3:] != [str(payload_type)]:
        raise BadAnswer(
            f"media section {index} of the page's answer takes a codec that was not offered"
        )
    if "rtcp-mux" not in attributes:
        raise BadAnswer(f"media section {index} of the page's answer wants a port of its own")
    directions = [name for name in attributes if name in _DIRECTIONS]
    if len(directions) > 1:
        raise BadAnswer(f"media section {index} of the page's answer has two directions")
    ssrcs: list[int] = []
    for value in attributes.get("ssrc", ()):
        match = _SSRC.fullmatch(value)
        if match is None or int(match[1]) >= 1 << 32:
            raise BadAnswer(f"media section {index} of the page's answer has a malformed ssrc")
        if int(match[1]) not in ssrcs:
            ssrcs.append(int(match[1]))
    if len(ssrcs) > SSRCS_MAX:
        raise BadAnswer(f"media section {index} of the page's answer has too many sources")
    return AnswerSection(True, directions[0] if directions else "sendrecv", tuple(ssrcs))
