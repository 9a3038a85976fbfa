"""An informant: a member whom the others let in, and who passes on everything, keys included:
`python -m folkmoot.adversary.informant NAME --via WAY` (or `--entry ADDRESS`), with the invite as
the first line of standard input.

It tells on standard output what any member is told, and `keys` of each epoch as it comes: which
leaf is whose, and with what their voice is sealed. Asked to (`ghost` on standard input), it helps
somebody in whom no member let in: by a commit from outside, which MLS knows and this meeting does
not.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
import threading
from collections.abc import Sequence
from typing import Any

from folkmoot import mls
from folkmoot.agent import said
from folkmoot.agent.links import Links
from folkmoot.agent.path_choice import PathChoice, Wish
from folkmoot.agent.session import Session, wall_seconds
from folkmoot.cells.frames import Codec, EncodedFrame, MediaKind
from folkmoot.cells.media import VOICE
from folkmoot.governance.evidence import CommitEvidence
from folkmoot.meeting import Meeting
from folkmoot.meeting.epoch_state import EpochState
from folkmoot.meeting.founding import make_key_package
from folkmoot.meeting.inside import Inside
from folkmoot.meeting.invite import Invite
from folkmoot.meeting.media import MediaPlane
from folkmoot.meeting.names import member_id
from folkmoot.meeting.records import Handshake, RecordKind
from folkmoot.meeting.rooms import VOICE as VOICE_ROOM
from folkmoot.meeting.rooms import Lane

FRAME_S = 0.02
FRAME_BYTES = 60
LOOK_EVERY_S = 0.05
COPIES_EVERY_S = 0.5
OPUS_20_MS = b"\x78"  # how a frame of 20 ms begins (RFC 6716 §3.1)


def say(event: str, **values: Any) -> None:
    print(json.dumps({"event": event, **values}), flush=True)


class Informant:
    """One member, and what it gives away."""

    def __init__(self, invite: str, name: str) -> None:
        self.meeting = Meeting.join(
            Invite.parse(invite),
            name=name,
            now=Session.now(),
            wall_s=wall_seconds(),
            entropy=os.urandom,
        )
        self.session = Session(self.meeting, None)
        self._told: set[bytes] = set()
        self._copies: dict[str, dict[str, int]] = {}  # by member and relay, since they were told
        self._counted: MediaPlane | None = None
        self.session.subscribe(self._tell)

    @staticmethod
    def _tell(event: dict[str, Any]) -> None:
        if event["event"] != "snapshot":
            print(json.dumps(event), flush=True)

    @property
    def _inside(self) -> Inside | None:
        return self.meeting._inside

    async def run(self, wish: Wish) -> None:
        choice = PathChoice(wish, self.meeting.relay_uses, turn=0)
        links = Links(
            on_cells=self.session.on_cells,
            on_room=self.session.on_room,
            on_link=self.session.on_link,
            route_for=choice.route_for,
            on_way=choice.on_way,
        )
        self.session.start(links)
        speaking = asyncio.create_task(self._speak())
        watching = asyncio.create_task(self._watch())
        telling = asyncio.create_task(self._tell_copies())
        try:
            await self.session.run()
        finally:
            for task in (speaking, watching, telling):
                task.cancel()
            await links.close()

    async def _speak(self) -> None:
        """Speaks as all others do: an informant that is silent is not counted as one who lost
        something."""
        loop = asyncio.get_running_loop()
        began, on = loop.time(), False
        for number in itertools.count():
            await asyncio.sleep(max(0.0, began + number * FRAME_S - loop.time()))
            if self.meeting.phase.value != "in":
                continue
            if not on:
                on = True
                self.session.do({"do": "microphone", "on": True})
            payload = OPUS_20_MS + bytes((number % 251,)) * (FRAME_BYTES - 1)
            self.session.voice_in(
                EncodedFrame(MediaKind.VOICE, Codec.OPUS, True, number * 20_000, (payload,))
            )

    def _count_copies(self, media: MediaPlane) -> None:
        """Each relay brings a copy of each cell: whose came through which is what an operator wants
        to know who holds one of them up."""
        receive = media.receive

        def counted(
            relay: int, lane: Lane, root: bytes, cells: Sequence[bytes], now: float
        ) -> None:
            if lane == VOICE_ROOM:
                pin = self.meeting.relays[relay].address.pin
                for cell in cells:
                    self._count(media, relay, pin, cell)
            receive(relay, lane, root, cells, now)

        setattr(media, "receive", counted)  # noqa: B010

    def _count(self, media: MediaPlane, relay: int, pin: bytes, cell: bytes) -> None:
        for held in media._order:
            opened = media._keys(held, relay).open(VOICE, cell)
            entry = None if opened is None else held.state.entry_at(opened.leaf)
            if entry is not None:
                copies = self._copies.setdefault(member_id(entry.seat), {})
                copies[pin.hex()[:16]] = copies.get(pin.hex()[:16], 0) + 1
                return

    async def _tell_copies(self) -> None:
        while True:
            await asyncio.sleep(COPIES_EVERY_S)
            copies, self._copies = self._copies, {}
            say("copies", copies=copies)

    async def _watch(self) -> None:
        """Passes on the keys of every epoch that it hears."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            inside = self._inside
            if inside is not None and inside.media is not self._counted:
                self._counted = inside.media
                self._count_copies(inside.media)
            for state in () if inside is None else inside.epochs.states():
                if state.authenticator not in self._told:
                    self._told.add(state.authenticator)
                    self._give_away(state)

    @staticmethod
    def _give_away(state: EpochState) -> None:
        say(
            "keys",
            epoch=state.group.epoch,
            authenticator=state.authenticator.hex(),
            base_key=state.base_key.hex(),
            leaves={str(one.leaf): member_id(one.seat) for one in state.roster},
        )

    def ghost(self) -> None:
        """Publishes a commit by which somebody comes in from outside."""
        inside = self._inside
        if inside is None:
            return
        state = inside.epochs.current
        bundle = make_key_package(os.urandom(32), os.urandom)
        evidence = CommitEvidence(state.secrets.tick, ()).encode()
        _, message = mls.Group.external_join(
            state.group.group_info(), bundle, authenticated_data=evidence, entropy=os.urandom
        )
        handshake = Handshake(state.authenticator, message, b"")
        inside.publish(RecordKind.HANDSHAKE, handshake.encode(), Session.now())


def _listen(loop: asyncio.AbstractEventLoop, informant: Informant) -> None:
    for line in sys.stdin:
        if json.loads(line).get("do") == "ghost":
            loop.call_soon_threadsafe(informant.ghost)
    loop.call_soon_threadsafe(lambda: informant.session.do({"do": "leave"}))


async def _main(name: str, option: str, value: str) -> None:
    invite = sys.stdin.readline().strip()
    informant = Informant(invite, name)
    via, entry = (value, None) if option == "--via" else ("auto", value)
    relays = [one.address for one in informant.meeting.relays]
    loop = asyncio.get_running_loop()
    threading.Thread(target=_listen, args=(loop, informant), name="orders", daemon=True).start()
    await informant.run(said.wish(via, entry, False, relays))


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:4]))
