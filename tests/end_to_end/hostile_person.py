"""A hostile member on the real protocol code, over real links: its meeting is an agent's, and what
it seals with its own keys is whatever a test likes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections.abc import AsyncIterator, Callable

from folkmoot.agent.links import Links
from folkmoot.agent.session import Session, wall_seconds
from folkmoot.cells.frames import Codec, EncodedFrame, MediaKind
from folkmoot.meeting import Meeting
from folkmoot.meeting.inside import Inside
from folkmoot.meeting.invite import Invite
from folkmoot.meeting.records import ItemKind, KeyFrameWanted

GIANT = (0xFF, 0x3F, 0xFF, 0x3F)  # 16,383 by 16,383: 400 MB for each picture that a decoder holds
FRAME_PERIOD_S = 0.02


def key_frame(width_and_height: tuple[int, int, int, int], rest: bytes) -> bytes:
    return b"\x10\x10\x00\x00\x9d\x01\x2a" + bytes(width_and_height) + rest


class Mallory:
    """One member that keeps no rule."""

    def __init__(self, invite: str, name: str) -> None:
        self.random = random.Random(name)
        now = Session.now()
        self.meeting = Meeting.join(
            Invite.parse(invite), name=name, now=now, wall_s=wall_seconds(), entropy=os.urandom
        )
        self.session = Session(self.meeting, None)
        self.sent = 0

    @property
    def inside(self) -> Inside:
        inside = self.meeting._inside
        assert inside is not None
        return inside

    def do(self, action: Callable[[Meeting, float], object]) -> None:
        """Something that no command line does; the links carry what comes of it."""
        action(self.meeting, Session.now())
        self.session._pump()

    async def until_in(self) -> None:
        while self.meeting.phase.value != "in" or not self.meeting.confirmed:
            await asyncio.sleep(0.05)

    # -- what it sends

    def name(self, name: str) -> None:
        """Not cleaned, as `rename` would: the beacon carries it as it is."""
        self.inside.name = name
        self.do(lambda m, now: self.inside.beacon_soon(now))

    def write(self, text: str) -> None:
        self.do(lambda m, now: m.chat(text, now))

    def voice(self, payload: bytes, time_us: int) -> None:
        frame = EncodedFrame(MediaKind.VOICE, Codec.OPUS, True, time_us, (payload,))
        self.sent += 1
        self.do(lambda m, now: m.voice(frame, now))

    def picture(self, key: bool, time_us: int, *payloads: bytes) -> None:
        """Also without a key frame before, and whatever waits."""
        picture = self.inside.media._pictures[MediaKind.CAMERA]
        picture.packer._until_key = False
        frame = EncodedFrame(MediaKind.CAMERA, Codec.VP8, key, time_us, payloads)
        self.sent += 1
        self.do(lambda m, now: m.picture(frame, now))

    def want_key_frame(self, seat: bytes) -> None:
        wanted = KeyFrameWanted(seat, 1, nothing_comes=False).encode()
        self.inside.council.state(ItemKind.KEY_FRAME_WANTED, wanted, os.urandom(4))

    def switch_on(self) -> None:
        self.do(lambda m, now: m.microphone(True, now))
        self.do(lambda m, now: m.show(MediaKind.CAMERA, True, now))

    def burst(self, cells: int) -> None:
        """So many voice cells at once, beside the pace."""
        inside, media = self.inside, self.inside.media
        held = media._epochs[inside.epochs.current.authenticator]
        for _ in range(cells):
            media._seal_voice(held, inside.roots())
        self.session._pump()


@contextlib.asynccontextmanager
async def mallory(invite: str, name: str) -> AsyncIterator[Mallory]:
    """Knocks; who is inside lets it in."""
    one = Mallory(invite, name)
    links = Links(
        on_cells=one.session.on_cells,
        on_room=one.session.on_room,
        on_link=one.session.on_link,
    )
    one.session.start(links)
    try:
        yield one
    finally:
        await one.session.close()
