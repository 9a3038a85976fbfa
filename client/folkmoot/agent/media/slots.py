"""Remote members' places in the page's connection: one media section for a voice, one for a
picture, used again for somebody else when a member goes. Knows what may be sent to the page, and
when a picture must wait for a key frame."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Sequence
from typing import Any

from folkmoot.agent.media import rtp
from folkmoot.agent.media.clock import PICTURE_RATE, VOICE_RATE, PlayClock
from folkmoot.agent.media.limiter import Limiter
from folkmoot.agent.media.sdp import (
    PICTURE_TYPE,
    SECTIONS_MAX,
    VOICE_TYPE,
    Answer,
    Section,
    is_member,
)
from folkmoot.cells.frames import EncodedFrame, MediaKind
from folkmoot.cells.playable import fault_of

OWN_SECTIONS = (Section(MediaKind.VOICE, "recvonly"), Section(MediaKind.CAMERA, "recvonly"))
# More are heard by nobody: the page shows who they are.
MEMBERS_MAX = (SECTIONS_MAX - len(OWN_SECTIONS)) // 2
KEY_REQUEST_INTERVAL_S = 0.5  # of one member: about a round trip and the making of a key frame
NACKS_MAX = 64  # packets sent again for one request


class _Slot:
    """One media section. `stream` is None while nobody has it; `live` once the page has answered an
    offer with it."""

    def __init__(self, kind: MediaKind) -> None:
        self.kind = kind
        self.stream: rtp.OutStream | None = None
        self.live = False
        self.needs_key = True

    def take(self) -> rtp.OutStream:
        voice = self.kind is MediaKind.VOICE
        self.stream = rtp.OutStream(
            VOICE_TYPE if voice else PICTURE_TYPE,
            VOICE_RATE if voice else PICTURE_RATE,
            voice=voice,
        )
        self.live, self.needs_key = False, True
        return self.stream


class _Seat:
    """A member's two slots, its clock, and how often we may ask it for a key frame."""

    def __init__(self, label: str, voice: _Slot, picture: _Slot) -> None:
        self.label = label
        self.voice = voice
        self.picture = picture
        self.clock = PlayClock()
        self.requests = Limiter(KEY_REQUEST_INTERVAL_S)
        self.refused = 0


class Slots:
    def __init__(
        self,
        send_rtp: Callable[[bytes], None],
        send_rtcp: Callable[[bytes], None],
        on_keyframe_wanted_of: Callable[[str], None],
        wall_us: int,
    ) -> None:
        """`wall_us`: the wall clock, microseconds since 1970, when the clock of `now` stood at
        0."""
        self.own_ssrc = secrets.randbits(32)  # in our reports about the page's streams
        self._send_rtp = send_rtp
        self._send_rtcp = send_rtcp
        self._on_keyframe_wanted_of = on_keyframe_wanted_of
        self._wall_us = wall_us
        self._slots: list[_Slot] = []
        self._seats: dict[str, _Seat] = {}
        self._by_ssrc: dict[int, tuple[str, _Slot]] = {}

    def add(self, member: str) -> bool:
        if member in self._seats or len(self._seats) >= MEMBERS_MAX:
            return False
        label = member if is_member(member) else hashlib.sha256(member.encode()).hexdigest()[:16]
        voice, picture = self._free(MediaKind.VOICE), self._free(MediaKind.CAMERA)
        for slot in (voice, picture):
            self._by_ssrc[slot.take().ssrc] = (member, slot)
        self._seats[member] = _Seat(label, voice, picture)
        return True

    def _free(self, kind: MediaKind) -> _Slot:
        slot = next((s for s in self._slots if s.kind is kind and s.stream is None), None)
        if slot is None:
            slot = _Slot(kind)
            self._slots.append(slot)
        return slot

    def remove(self, member: str) -> bool:
        seat = self._seats.pop(member, None)
        if seat is None:
            return False
        for slot in (seat.voice, seat.picture):
            assert slot.stream is not None, "a seat's slots are taken"
            del self._by_ssrc[slot.stream.ssrc]
            slot.stream, slot.live = None, False
        return True

    def sections(self) -> tuple[Section, ...]:
        """All media sections of the next offer, in their fixed order."""
        sections = list(OWN_SECTIONS)
        for slot in self._slots:
            if slot.stream is None:
                sections.append(Section(slot.kind, "inactive"))
                continue
            member, _ = self._by_ssrc[slot.stream.ssrc]
            label = self._seats[member].label
            sections.append(Section(slot.kind, "sendonly", label, slot.stream.ssrc))
        return tuple(sections)

    def answered(self, offered: Sequence[Section], answer: Answer) -> None:
        """A stream is sent only once the page knows it: browsers make up a track of their own for
        an unknown SSRC."""
        for section, result in zip(offered, answer.sections, strict=True):
            found = self._by_ssrc.get(section.ssrc) if section.direction == "sendonly" else None
            if found is not None:
                found[1].live = result.accepted and result.direction in ("recvonly", "sendrecv")

    def play(self, member: str, frame: EncodedFrame, now: float) -> None:
        seat = self._seats.get(member)
        if seat is None or frame.kind is MediaKind.SCREEN:
            return  # a screen gets a section of its own when screens are shared
        if fault_of(frame) is not None:
            seat.refused += 1
            return
        slot = seat.voice if frame.kind is MediaKind.VOICE else seat.picture
        if slot.stream is None or not slot.live:
            return
        local_us = seat.clock.local_us(frame.time_us, now)
        if slot.kind is not MediaKind.VOICE:
            if slot.needs_key and not frame.key:
                self._ask(member, seat, now)
                return
            slot.needs_key = False
        first = slot.stream.packets == 0
        for packet in slot.stream.pack(frame.payloads, local_us):
            self._send_rtp(packet)
        if first:
            self._report(seat, slot, now)

    def gap(self, member: str, now: float) -> None:
        """A picture frame is missing: hold the rest back, so that the page shows a still picture
        and not a torn one."""
        seat = self._seats.get(member)
        if seat is not None:
            seat.picture.needs_key = True
            if seat.picture.live:
                self._ask(member, seat, now)

    def page_wants_key(self, ssrc: int, now: float) -> None:
        found = self._by_ssrc.get(ssrc)
        if found is None:
            return
        member, slot = found
        if slot.kind is not MediaKind.VOICE and slot.stream is not None and slot.stream.packets:
            self._ask(member, self._seats[member], now)

    def page_misses(self, ssrc: int, sequences: Sequence[int]) -> None:
        found = self._by_ssrc.get(ssrc)
        stream = None if found is None else found[1].stream
        if stream is None:
            return
        for sequence in sequences[:NACKS_MAX]:
            packet = stream.again(sequence & 0xFFFF)
            if packet is not None:
                self._send_rtp(packet)

    def reports(self, now: float) -> None:
        """Sender reports of every stream that has sent."""
        for seat in self._seats.values():
            for slot in (seat.voice, seat.picture):
                self._report(seat, slot, now)

    def stats(self) -> dict[str, dict[str, Any]]:
        found = {}
        for member, seat in self._seats.items():
            voice, picture = seat.voice.stream, seat.picture.stream
            found[member] = {
                "live": seat.voice.live or seat.picture.live,
                "voice_packets": 0 if voice is None else voice.packets,
                "picture_packets": 0 if picture is None else picture.packets,
                "resent": 0 if picture is None else picture.resent,
                "key_requests": seat.requests.passed,
                "refused": seat.refused,
            }
        return found

    def _ask(self, member: str, seat: _Seat, now: float) -> None:
        if seat.requests.take(now):
            self._on_keyframe_wanted_of(member)

    def _report(self, seat: _Seat, slot: _Slot, now: float) -> None:
        if slot.stream is not None and slot.live and slot.stream.packets:
            local_us = int(now * 1_000_000)
            report = slot.stream.report(local_us, self._wall_us + local_us, seat.label)
            self._send_rtcp(report)
