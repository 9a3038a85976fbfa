"""Pictures go through one relay, with the next as its spare: a relay that keeps a picture from
somebody is passed by, and is not gone back to for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from folkmoot.cells.frames import MediaKind
from folkmoot.meeting import events, media, own_picture
from folkmoot.meeting.records import ItemKind
from folkmoot.wire.lanes import LANE_RULES, LaneSlot
from simulation.meeting_world import Member, World, agreed
from simulation.relay_conduct import Hostile, Later, Relaying
from simulation.test_meeting import meet, picture

FRAMES_PER_S = 20
PICTURE_BYTES = LANE_RULES[LaneSlot.PICTURE].cell_bytes
# Found out in a second, asked for within three quarters of another, and then a key frame.
BACK_S = 3.0


class KeepingPictures(Hostile):
    """Gives no cell of a picture to one link, and everything else to everybody."""

    name = "keeping pictures"

    def __init__(self, link: int) -> None:
        self.victim = link

    def cell(self, relay: Relaying, link: int, cell: bytes) -> Iterator[Later]:
        if link != self.victim or len(cell) != PICTURE_BYTES:
            yield 0.0, cell


class Showing:
    """Ann shows her camera to Bob and Cy, and makes a key frame when one is wanted."""

    def __init__(self, seed: int, relays: int = 2) -> None:
        self.world = World(seed, relays=relays)
        self.ann, self.bob, self.cy = meet(self.world, "Ann", "Bob", "Cy")
        self._number = self._wanted = 0
        self.world.do(self.ann, lambda m: m.show(MediaKind.CAMERA, True, self.world.now))
        self._shoot()
        self.world.run(8)  # until the spare of the beginning is over

    def _shoot(self) -> None:
        wanted = len(self.ann.of(events.KeyFrameNeeded))
        frame = picture(self._number, self._number == 0 or wanted > self._wanted)
        self._number, self._wanted = self._number + 1, wanted
        self.world.do(self.ann, lambda m: m.picture(frame, self.world.now))
        self.world.at(self.world.now + 1 / FRAMES_PER_S, self._shoot)

    def keep_from(self, member: Member) -> None:
        """The relay that pictures go through keeps them from this member from now on."""
        first = self.world.sim_relays[0]
        ends = [one.connection for (relay, purpose), one in member.links.items()
                if one.relay is first and purpose == "watch"]  # fmt: skip
        assert len(ends) == 1
        assert ends[0] is not None
        first.take_up(KeepingPictures(ends[0].number))

    def shown(self, member: Member) -> int:
        return sum(one.frame.kind is MediaKind.CAMERA for one in member.of(events.FrameReceived))

    def gaps(self, member: Member, seconds: float) -> list[float]:
        """How long each time was in which nothing new was shown for half a second or more."""
        found, last, count = [], self.world.now, self.shown(member)
        for _ in range(int(seconds * 10)):
            self.world.run(0.1)
            if self.shown(member) > count:
                if self.world.now - last > 0.5:
                    found.append(self.world.now - last)
                last, count = self.world.now, self.shown(member)
        if self.world.now - last > 0.5:
            found.append(self.world.now - last)
        return found


def copies(showing: Showing) -> int:
    """Through how many relays Ann's picture goes now."""
    inside = showing.ann.meeting._inside
    assert inside is not None
    return 1 + int(showing.world.now < inside.media._pictures[MediaKind.CAMERA].spare_until)


def test_a_relay_that_keeps_pictures_from_somebody_is_passed_by_for_a_while() -> None:
    showing = Showing(340)
    assert copies(showing) == 1
    showing.keep_from(showing.bob)
    gaps = showing.gaps(showing.bob, 20)
    assert len(gaps) == 1
    assert gaps[0] < BACK_S
    assert copies(showing) == 2
    # The second time, too, and then twice as long; nobody else misses anything.
    gaps = showing.gaps(showing.bob, 60)
    assert len(gaps) == 1
    assert gaps[0] < BACK_S
    assert copies(showing) == 2
    assert showing.gaps(showing.cy, 5) == []
    assert agreed([showing.ann, showing.bob, showing.cy])


def test_a_picture_that_comes_needs_no_spare() -> None:
    showing = Showing(341)
    asked = len(showing.ann.of(events.KeyFrameNeeded))
    assert showing.gaps(showing.bob, 20) == []
    assert copies(showing) == 1
    assert len(showing.ann.of(events.KeyFrameNeeded)) == asked


def test_nobody_asks_one_who_is_away_for_a_key_frame() -> None:
    showing = Showing(342)
    showing.world.kill(showing.ann)
    showing.world.run(10)
    inside = showing.bob.meeting._inside
    assert inside is not None
    assert inside.media.nothing_comes(showing.ann.meeting.seat, MediaKind.CAMERA, showing.world.now)
    said: list[ItemKind] = []
    before = inside.council.state

    def state(kind: ItemKind, body: bytes, about: bytes = b"") -> None:
        said.append(kind)
        before(kind, body, about)

    with pytest.MonkeyPatch.context() as patches:
        patches.setattr(inside.council, "state", state)
        showing.world.run(5)
    assert set(said) == {ItemKind.BEACON}


def _never_silent(patches: pytest.MonkeyPatch) -> None:
    patches.setattr(media.MediaPlane, "nothing_comes", lambda self, seat, kind, now: False)


def _spare_for_a_moment(patches: pytest.MonkeyPatch) -> None:
    patches.setattr(own_picture, "TAKE_OVER_S_MAX", own_picture.SPARE_S)
    patches.setattr(
        own_picture.OwnPicture,
        "needs_spare",
        lambda self, nothing, now: setattr(self, "spare_until", now + own_picture.SPARE_S),
    )


@pytest.mark.parametrize("break_it", [_never_silent, _spare_for_a_moment])
def test_a_rule_that_is_broken_is_noticed(break_it: Callable[[pytest.MonkeyPatch], None]) -> None:
    with pytest.MonkeyPatch.context() as patches:
        break_it(patches)
        with pytest.raises(AssertionError):
            test_a_relay_that_keeps_pictures_from_somebody_is_passed_by_for_a_while()
