"""What operators can be ordered to do, a small class each. A docstring states the power that it
takes.

All are against one person, `TARGET`. `compelled` are the relays (and outside entries) whose
operators obey; nobody else does anything. Whoever has no way to know which link is the target's
has 1/N.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from folkmoot.adversary.processes import Speaking
from folkmoot.adversary.scene import HOST, INFORMANT, OTHERS, TARGET, Scene

SETTLE_S = 1.3  # what was under way, and the second that the informant counts
LISTEN_S = 1.6
ASK_S = 1.0
KEYS_EVERY_S = 0.1
STALL_S = 2.5
COPIES_LATE_S = 1.2  # until nothing of before is in a report of the informant's
GONE_FRAMES = 40  # fewer in LISTEN_S, which has one row at least: the target is not heard


@dataclass
class Found:
    """What the operators know at the end: the probability that they name the right link, and
    whether they know the target's address together with the meeting."""

    identified: float = 0.0
    located: bool = False


@dataclass
class Attack:
    """Does nothing."""

    name: ClassVar[str] = "nothing"
    informant: ClassVar[bool] = False  # whether it needs one
    seconds: ClassVar[int] = 0  # that it needs at least
    needs_entries: ClassVar[bool] = False

    scene: Scene
    compelled: Sequence[Speaking]
    began: float = 0.0
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def start(self) -> None:
        """Begins; whatever the operators learned before is another attack's."""
        self.began = asyncio.get_running_loop().time()
        self.order(do="forget")
        await self.begin()

    async def begin(self) -> None:
        """From now on the operators do it."""

    async def end(self) -> None:
        """They stop."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.order(do="forget")

    def order(self, **what: object) -> None:
        for one in self.compelled:
            one.order(**what)

    @property
    def target_id(self) -> str:
        return self.scene.ids[TARGET]

    def hand_over_keys(self) -> None:
        """The informant's keys reach the operators, those of new epochs at once."""
        self.order(do="target", member=self.target_id)
        self.tasks.append(asyncio.create_task(self._keys()))

    async def _keys(self) -> None:
        given = 0
        while True:
            for keys in self.scene.keys[given:]:
                self.order(do="keys", **keys)
            given = len(self.scene.keys)
            await asyncio.sleep(KEYS_EVERY_S)

    @property
    def guess(self) -> float:
        """The probability of naming the right one of all links without knowing anything."""
        return 1 / len(self.scene.members) if self.compelled else 0.0

    async def found(self) -> Found:
        """What is known, and whether it is true: where an informant's keys say whose link it is,
        that, and where that link comes from, also by way of an entry that is compelled, too."""
        named = [
            told.event
            for one in self.compelled
            for told in one.after(self.began, "identified")
            if told.event["member"] == self.target_id
        ]
        hosts = {str(one.get("host")) for one in named} | await self.hosts_behind(named)
        return Found(1.0 if named else self.guess, self.scene.hosts[TARGET] in hosts)

    async def links(self) -> list[dict[str, Any]]:
        """What the compelled operators know of each link now."""
        return [link for told in await self._reports() for link in told["links"]]

    async def _reports(self) -> list[dict[str, Any]]:
        now = asyncio.get_running_loop().time()
        self.order(do="links")
        await asyncio.sleep(ASK_S)
        return [told.event for one in self.compelled for told in one.after(now, "links")[-1:]]

    async def hosts_behind(self, links: Iterable[dict[str, Any]]) -> set[str]:
        """Where these links really come from, as far as the compelled operators can tell: the
        room's relay sees a port of the entry, and the entry knows whose tunnel that is."""
        ports = {int(one["port"]) for one in links if one.get("port")}
        return {
            str(tunnel["host"])
            for report in await self._reports()
            for tunnel in report["tunnels"]
            if tunnel["port"] in ports
        }


class Nothing(Attack):
    """No operator is compelled: what this machine does by itself."""


class CloseLink(Attack):
    """Closes the target's link each time that it appears: an operator, with an informant's keys."""

    name = "close the link"
    informant = True

    async def begin(self) -> None:
        self.hand_over_keys()
        self.order(do="close")


class FilterCells(Attack):
    """Keeps back what the target sends: an operator that opens the cells of each link with an
    informant's keys, and so knows whose they are."""

    name = "filter by keys"
    informant = True

    async def begin(self) -> None:
        self.hand_over_keys()
        self.order(do="drop")


class KeepFromOne(Attack):
    """Keeps what the target sends from one other alone: an operator, with an informant's keys. No
    two miss the target then, so that nobody is told."""

    name = "keep from one"
    informant = True

    async def begin(self) -> None:
        self.hand_over_keys()
        self.order(do="keep_from", listener=self.scene.ids[OTHERS[0]])


class Deafen(Attack):
    """Keeps back from the target what others send: an operator, with an informant's keys."""

    name = "deafen"
    informant = True

    async def begin(self) -> None:
        self.hand_over_keys()
        self.order(do="deafen")


class WatchAndDrop(Attack):
    """Keeps back half of the links, then half of those, until the informant says that the target
    went silent: an operator, with an informant who only listens. Where several operators obey, the
    others keep back all links meanwhile: their copies would fill the gap."""

    name = "watch and drop"
    informant = True
    seconds = 30
    _links: Sequence[int] = ()
    _sure = False

    async def begin(self) -> None:
        self.tasks.append(asyncio.create_task(self._search()))

    async def _search(self) -> None:
        first, others = self.compelled[0], self.compelled[1:]
        known = await self.links()
        mine = [int(str(one["link"])) for one in first.after(0.0, "links")[-1].event["links"]
                if one["voice"]]  # fmt: skip
        everything = [int(str(one["link"])) for one in known]
        for one in others:
            one.order(do="drop_links", links=everything)
        while len(mine) > 1:
            half = mine[: len(mine) // 2]
            if await self._silences(first, half):
                mine = half
            elif await self._silences(first, mine[len(mine) // 2 :]):
                mine = mine[len(mine) // 2 :]
            else:
                break  # the target is heard all the same: by another way
        self._sure = len(mine) == 1
        self._links = mine
        if self._sure:
            first.order(do="drop_links", links=mine)
        else:
            self.order(do="nothing")

    async def _silences(self, relay: Speaking, links: list[int]) -> bool:
        relay.order(do="drop_links", links=links)
        await asyncio.sleep(SETTLE_S)
        since = asyncio.get_running_loop().time()
        await asyncio.sleep(LISTEN_S)
        rows = self.scene.members[INFORMANT].after(since, "hearing")
        heard = sum(
            int(one.event["frames"])
            for one in rows
            if one.event["member"] == self.target_id and one.event["kind"] == "voice"
        )
        return heard < GONE_FRAMES

    async def found(self) -> Found:
        if not self._sure:
            return Found(self.guess)
        # Whether it is the right one is for us to know, not for the operator: by keys that this
        # attack had no use for.
        self.hand_over_keys()
        await asyncio.sleep(ASK_S)
        links = [one for one in await self.links() if one["link"] in self._links]
        right = [one for one in links if one["member"] == self.target_id]
        host = self.scene.hosts[TARGET]
        return Found(float(bool(right)), any(one["host"] == host for one in right))


class Collude(Attack):
    """Finds the target's link with an informant's keys, where it comes from by asking the entries,
    and then refuses that address everywhere: operators of a room's relay and of its entries, all
    compelled together."""

    name = "collude and block"
    informant = True
    needs_entries = True
    _hosts: Collection[str] = ()

    async def begin(self) -> None:
        self.hand_over_keys()
        self.tasks.append(asyncio.create_task(self._block()))

    async def found(self) -> Found:
        known = await super().found()
        return Found(known.identified, self.scene.hosts[TARGET] in self._hosts)

    async def _block(self) -> None:
        hosts = self._hosts = set[str]()
        while True:
            named = [
                told.event
                for one in self.compelled
                for told in one.after(self.began, "identified")
                if told.event["member"] == self.target_id
            ]
            fresh = {str(one["host"]) for one in named if one["host"] != HOST}
            fresh |= await self.hosts_behind(named)
            if fresh - hosts:
                hosts |= fresh
                self.order(do="geoblock", hosts=sorted(hosts))


class WatchTunnels(Attack):
    """Holds up the tunnels of one address after the other for two seconds each, until the informant
    says that the target's copies through some relay came late: an operator of an entry, with an
    informant. It needs no relay of the room."""

    name = "watch the tunnels"
    informant = True
    needs_entries = True
    seconds = 24
    _host = ""

    async def begin(self) -> None:
        self.tasks.append(asyncio.create_task(self._search()))

    async def _search(self) -> None:
        hosts = sorted({
            str(tunnel["host"]) for report in await self._reports() for tunnel in report["tunnels"]
        })  # fmt: skip
        for host in hosts:
            self.order(do="stall", hosts=[host])
            await asyncio.sleep(STALL_S)
            since = asyncio.get_running_loop().time() - STALL_S + COPIES_LATE_S
            gone = self._without_copies(since)
            self.order(do="stall", hosts=[])
            if gone:
                self._host = host
                return
            await asyncio.sleep(COPIES_LATE_S)

    def _without_copies(self, since: float) -> bool:
        """Whether, since then, some relay brought others' copies and none of the target's."""
        sums: dict[str, dict[str, int]] = {}
        for told in self.scene.members[INFORMANT].after(since, "copies"):
            for member, relays in told.event["copies"].items():
                for relay, count in relays.items():
                    by = sums.setdefault(relay, {})
                    by[member] = by.get(member, 0) + count
        return any(by and self.target_id not in by for by in sums.values())

    async def found(self) -> Found:
        right = self._host == self.scene.hosts[TARGET]
        return Found(1.0 if right else self.guess, right)


class WithholdHandshakes(Attack):
    """Keeps back commits, ballots, beacons: an operator alone; nothing tells them apart, so it
    keeps back all council cells."""

    name = "withhold handshakes"

    async def begin(self) -> None:
        self.order(do="withhold")


class AddGhost(Attack):
    """Brings somebody in whom no member let in: an informant with all its keys, by a commit from
    outside, and operators who pass it on."""

    name = "add a ghost"
    informant = True

    async def begin(self) -> None:
        self.scene.members[INFORMANT].order(do="ghost")


class TwoViews(Attack):
    """Shows each half of the links only what that half sends: an operator alone."""

    name = "two views"

    async def begin(self) -> None:
        self.order(do="part")


class Delay(Attack):
    """Hands everything on two seconds late: an operator alone."""

    name = "delay by 2 s"

    async def begin(self) -> None:
        self.order(do="delay")


class Geoblock(Attack):
    """Takes no connections from the target's address, and closes those that there are: an operator
    who was told the address."""

    name = "geoblock"

    async def begin(self) -> None:
        self.order(do="geoblock", hosts=[self.scene.hosts[TARGET]])

    async def found(self) -> Found:
        host = self.scene.hosts[TARGET]
        # It was told the address; what it learns is whether that address is in this meeting. (An
        # entry learns only that it goes to some relay.)
        seen = any(
            told.event.get("host") == host and told.event["room"]
            for one in self.compelled
            for told in one.after(self.began, "blocked")
        )
        return Found(1.0 if seen else self.guess, seen)


class Flood(Attack):
    """Sends cells that nobody can open to everybody, 400 a second in each room: an operator
    alone."""

    name = "flood"

    async def begin(self) -> None:
        self.order(do="flood")


class Kill(Attack):
    """Switches its machine off: an operator alone."""

    name = "kill"

    async def begin(self) -> None:
        for one in self.compelled:
            one.kill()

    async def end(self) -> None:
        await self.scene.revive()


ATTACKS: tuple[type[Attack], ...] = (
    CloseLink,
    WatchAndDrop,
    FilterCells,
    KeepFromOne,
    Deafen,
    Collude,
    WatchTunnels,
    WithholdHandshakes,
    AddGhost,
    TwoViews,
    Delay,
    Geoblock,
    Flood,
    Kill,
)
