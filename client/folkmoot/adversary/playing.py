"""One attack after the other on a running meeting, and a row for each."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

from folkmoot.adversary.attacks import Attack
from folkmoot.adversary.measuring import WINDOW_S, collateral_of, silence_of
from folkmoot.adversary.scene import TARGET, Scene
from folkmoot.agent.failure import Failure

ATTACK_S = 12
NOTICES = ("withheld", "unreached", "deafened", "relay_down")


@dataclass(frozen=True)
class Row:
    """One line of the table, in the words of the command line's contract."""

    topology: str
    relays: int
    entries: int
    compelled: int
    informant: bool
    attack: str
    silenced: bool
    collateral: int
    identified: float
    located: bool
    detected_s: float | None
    healed_s: float | None
    worst_loss: float = 0.0
    collateral_healed_s: float | None = None

    def as_event(self) -> dict[str, object]:
        return asdict(self)

    @classmethod
    def from_event(cls, event: object) -> Row:
        """A row as it was printed; ValueError when it is none."""
        kinds: dict[str, tuple[type, ...]] = {
            "str": (str,),
            "int": (int,),
            "bool": (bool,),
            "float": (int, float),
            "float | None": (int, float, type(None)),
        }
        if not isinstance(event, dict):
            raise ValueError("no object")
        values = {}
        for one in fields(cls):
            value, kind = event.get(one.name, ...), str(one.type)
            right = isinstance(value, kinds[kind]) and isinstance(value, bool) == (kind == "bool")
            if not right or (isinstance(value, str) and not value.isprintable()):
                raise ValueError(f'"{one.name}" is missing, or of the wrong kind')
            values[one.name] = value
        return cls(**values)


async def play(scene: Scene, kind: type[Attack], compelled: int, seconds: int = ATTACK_S) -> Row:
    """Plays one attack by the first `compelled` operators, and waits until the meeting is well
    again."""
    await scene.until_well()
    loop = asyncio.get_running_loop()
    attack = kind(scene, (*scene.relays, *scene.outside)[:compelled])
    roster = _roster(scene)
    # A whole second of the members' rows, so that no window is half before the attack.
    began = loop.time()
    await attack.start()
    await asyncio.sleep(max(seconds, kind.seconds, WINDOW_S + 1))
    found = await attack.found()
    ended = loop.time()
    await attack.end()
    await scene.until_told(ended)
    length = math.floor(ended - began)
    hearings = scene.hearing(began)
    members = list(scene.members)
    others = [one for one in members if one != TARGET]
    silence = silence_of(hearings, TARGET, others, 0, length)
    collateral = collateral_of(hearings, TARGET, members, 0, length)
    if _roster(scene) != roster:
        raise Failure(f'The attack "{attack.name}" changed who is in the meeting.')
    with contextlib.suppress(Failure):
        await scene.until_well()
    return Row(
        topology=scene.topology.name,
        relays=scene.topology.relays,
        entries=scene.topology.entries,
        compelled=compelled,
        informant=kind.informant,
        attack=attack.name,
        silenced=silence.silenced,
        collateral=collateral.silenced,
        identified=round(found.identified, 2),
        located=found.located,
        detected_s=_detected(scene, began, ended),
        healed_s=silence.healed_s,
        worst_loss=round(silence.worst, 2),
        collateral_healed_s=collateral.healed_s,
    )


def _detected(scene: Scene, began: float, ended: float) -> float | None:
    """When the first of the honest members had a notice about a relay."""
    first = []
    for name in scene.honest:
        notices = [one for kind in NOTICES for one in scene.members[name].after(began, kind)]
        times = [one.at - began for one in notices if one.at <= ended]
        if times:
            first.append(min(times))
    return round(min(first), 1) if first else None


def _roster(scene: Scene) -> Sequence[int]:
    """How many members each honest member sees in its latest epoch."""
    counts = []
    for name in scene.honest:
        epochs = scene.members[name].after(0.0, "epoch")
        counts.append(int(epochs[-1].event["members"]) if epochs else 0)
    return counts
