"""Two bridges back to back, with aiortc in the browsers' place: sound and picture cross, undecoded
on the way."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from aiortc.rtp import RtpPacket

from end_to_end.standin import StandIn, until
from folkmoot.agent.media import BadAnswer, Bridge
from folkmoot.cells.frames import EncodedFrame


class Side:
    """A bridge, its stand-in page, and what came out of it."""

    def __init__(self, luma: int = 90, bitrate: int = 24_000, make: type[Bridge] = Bridge) -> None:
        self.page = StandIn(luma, bitrate)
        self.voice: list[EncodedFrame] = []
        self.pictures: list[EncodedFrame] = []
        self.offers: list[str] = []
        self.states: list[str] = []
        self.wanted: list[str] = []
        self.other: Side | None = None
        self.drop_picture = False
        self.bridge = make(
            on_offer=self._offer,
            on_voice=self._voice,
            on_picture=self._picture,
            on_keyframe_wanted_of=self._wanted,
            on_state=lambda state, sentence: self.states.append(state),
        )
        self.tasks: list[asyncio.Task[None]] = []

    def _offer(self, sdp: str) -> None:
        self.offers.append(sdp)
        self.tasks.append(asyncio.create_task(self._answer(sdp)))

    async def _answer(self, sdp: str) -> None:
        await self.bridge.answer(await self.page.answer(sdp))

    def _voice(self, frame: EncodedFrame) -> None:
        self.voice.append(frame)
        if self.other is not None:
            self.other.bridge.play("seat-of-other", frame)

    def _picture(self, frame: EncodedFrame) -> None:
        self.pictures.append(frame)
        if self.drop_picture:
            self.drop_picture = False
            assert self.other is not None
            self.other.bridge.picture_gap("seat-of-other")
        elif self.other is not None:
            self.other.bridge.play("seat-of-other", frame)

    def _wanted(self, member: str) -> None:
        self.wanted.append(member)
        if self.other is not None and member == "seat-of-other":
            self.other.bridge.keyframe_wanted()

    async def close(self) -> None:
        await self.bridge.close()
        await self.page.close()
        await asyncio.gather(*self.tasks)


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    threads = threading.active_count()
    asyncio.run(scenario())
    assert (
        threading.active_count() <= threads + 1
    )  # aiortc keeps one worker of the default executor


def test_sound_and_picture_cross_both_ways() -> None:
    async def scenario() -> None:
        one, two = Side(luma=60), Side(luma=180)
        one.other, two.other = two, one
        for side in (one, two):
            side.bridge.member_added("seat-of-other", "Other")
            await side.bridge.offer()
        await until(lambda: min(s.page.count("video") for s in (one, two)) > 20)
        await until(lambda: min(s.page.count("audio") for s in (one, two)) > 50)
        assert one.states == two.states == ["connected"]
        # The picture that arrives is the other's, and the sound is not silence.
        assert all(abs(luma - 180) < 12 for luma in one.page.luma.values())
        assert all(abs(luma - 60) < 12 for luma in two.page.luma.values())
        assert one.page.loudest > 3_000
        # Constant voice frames of 60 bytes, 20 ms apart, whatever happens.
        assert {len(frame.payloads[0]) for frame in one.voice} == {60}
        times = [frame.time_us for frame in one.voice]
        assert {after - before for before, after in itertools.pairwise(times)} == {20_000}
        assert one.pictures[0].key
        assert all(len(payload) <= 1_300 for frame in one.pictures for payload in frame.payloads)
        # A lost picture frame: nothing is shown before the next key frame, which is asked for at
        # once.
        keys = sum(frame.key for frame in one.pictures)
        seen = two.page.count("video")
        asked = one.bridge.stats()["plis_to_page"]
        one.drop_picture = True
        await until(lambda: sum(frame.key for frame in one.pictures) > keys)
        assert two.wanted
        assert one.bridge.stats()["plis_to_page"] > asked
        await until(lambda: two.page.count("video") > seen + 10)
        for side in (one, two):
            await side.close()

    run(scenario)


def test_members_come_and_go_and_their_sections_are_used_again() -> None:
    async def scenario() -> None:
        side = Side()
        await side.bridge.offer()
        await until(lambda: side.states == ["connected"] and len(side.voice) > 3)
        for member in ("a", "b", "c"):
            side.bridge.member_added(member, member)
        await until(lambda: len(side.offers) == 2)  # three at once make one offer
        assert side.offers[1].count("m=") == 8
        await until(lambda: side.bridge.stats()["out"]["c"]["live"])
        side.bridge.member_removed("b")
        side.bridge.member_added("d", "d")
        await until(lambda: len(side.offers) == 3)
        assert side.offers[2].count("m=") == 8
        assert "msid:d d-voice" in side.offers[2]
        assert "msid:b" not in side.offers[2]
        await until(lambda: side.bridge.stats()["out"]["d"]["live"])
        side.bridge.member_removed("a")
        await until(lambda: len(side.offers) == 4)
        assert side.offers[3].count("a=inactive") == 2
        await until(lambda: side.tasks[-1].done())
        await side.close()

    run(scenario)


class Lossy(Bridge):
    """Loses one picture packet on the way in when told to, and some of those on the way out."""

    lose_one = False
    lose_every = 0
    _sent = 0

    def _picture_packet(self, packet: RtpPacket) -> None:
        if self.lose_one:
            self.lose_one = False
        else:
            super()._picture_packet(packet)

    def _send_rtp(self, packet: bytes) -> None:
        self._sent += 1
        if not self.lose_every or self._sent % self.lose_every:
            super()._send_rtp(packet)


def test_what_gets_lost_between_page_and_agent_is_made_good() -> None:
    async def scenario() -> None:
        one, two = Side(make=Lossy), Side(make=Lossy)
        one.other = two
        two.bridge.member_added("seat-of-other", "Other")
        for side in (one, two):
            await side.bridge.offer()
        await until(lambda: two.page.count("video") > 10)
        assert isinstance(one.bridge, Lossy)
        assert isinstance(two.bridge, Lossy)
        # From the page: the agent holds back what refers to the missing packet, and asks at once.
        asked = one.bridge.stats()["plis_to_page"]
        keys = sum(frame.key for frame in one.pictures)
        one.bridge.lose_one = True
        await until(lambda: one.bridge.stats()["plis_to_page"] > asked)
        await until(lambda: sum(frame.key for frame in one.pictures) > keys)
        assert one.bridge.stats()["picture_frames_dropped"] > 0
        # To the page: what it says it misses is sent again.
        two.bridge.lose_every = 20
        await until(lambda: two.bridge.stats()["out"]["seat-of-other"]["resent"] > 3)
        seen = two.page.count("video")
        await until(lambda: two.page.count("video") > seen + 25)
        for side in (one, two):
            await side.close()

    run(scenario)


def test_a_page_may_take_its_time_for_the_first_answer() -> None:
    """People think before they let a page have their camera; meanwhile others come and go."""

    async def scenario() -> None:
        offers: list[str] = []
        states: list[str] = []
        bridge = Bridge(
            on_offer=offers.append,
            on_voice=lambda frame: None,
            on_picture=lambda frame: None,
            on_keyframe_wanted_of=lambda member: None,
            on_state=lambda state, sentence: states.append(state),
        )
        bridge.member_added("a", "A")
        await bridge.offer()
        bridge.member_removed("a")
        bridge.member_added("b", "B")
        page = StandIn()
        await bridge.answer(await page.answer(offers[0]))
        assert len(offers) == 2
        assert not bridge.stats()["out"]["b"]["live"]
        await bridge.answer(await page.answer(offers[1]))
        assert bridge.stats()["out"]["b"]["live"]
        await until(lambda: states == ["connected"])
        await page.until_connected()
        await page.close()
        await until(lambda: states == ["connected", "gone"])
        await bridge.close()

    run(scenario)


def test_one_offer_is_in_flight_and_asking_again_repeats_it() -> None:
    async def scenario() -> None:
        offers: list[str] = []
        bridge = Bridge(
            on_offer=offers.append,
            on_voice=lambda frame: None,
            on_picture=lambda frame: None,
            on_keyframe_wanted_of=lambda member: None,
        )
        await bridge.offer()
        bridge.member_added("a", "A")
        await asyncio.sleep(0.01)
        assert len(offers) == 1
        await bridge.offer()
        assert offers[1] == offers[0]
        page = StandIn()
        await bridge.answer(await page.answer(offers[0]))
        assert len(offers) == 3
        assert "msid:a" in offers[2]
        await page.until_connected()
        await page.close()
        stranger = StandIn()
        answer = await stranger.answer(offers[2])
        with pytest.raises(BadAnswer, match="new connection"):
            await bridge.answer(answer)
        await stranger.close()
        await bridge.close()
        await bridge.offer()
        assert len(offers) == 3

    run(scenario)


def test_voice_that_does_not_fit_its_slot_is_replaced_and_the_bitrate_goes_down() -> None:
    async def scenario() -> None:
        side = Side(bitrate=32_000)
        await side.bridge.offer()
        await until(lambda: len(side.offers) > 1)
        assert "maxaveragebitrate=24000" in side.offers[0]
        assert "maxaveragebitrate=22000" in side.offers[1]
        assert not side.voice  # nothing has fitted yet, so there is nothing to repeat
        await until(lambda: side.tasks[-1].done())
        await side.close()

    run(scenario)
