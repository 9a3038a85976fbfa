"""What a seed's story is about: how many people and relays, what is wrong with them."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from simulation.relay_conduct import HOSTILE

VOTES_FROM = 200  # the seeds before have no ballots
# Nor these a reserve. (Those between are known to notice mutants without one.)
NO_RESERVE = {*range(240), *range(300, 400)}
CROWD = 50
CROWD_EVERY, CROWD_AT = 100, 41  # one story in a hundred is of fifty people, and takes a minute
CROWD_TICK_S = 0.1


@dataclass(frozen=True)
class Setting:
    """What a seed draws before anything happens."""

    relays: int
    delay_s: float
    tick_s: float
    members_max: int
    steps: int
    conducts: tuple[str, ...]
    open_door: bool
    insider: bool
    wrong_clocks: bool
    votes: bool = False  # a circle, which removes people
    reserve: int = 0
    crowd: int = 0  # people who come at once, before anything happens
    insiders_max: int = 1
    voice_per_s: int = 2  # cells: two frames each

    @classmethod
    def of(cls, seed: int) -> Setting:
        """What this seed draws."""
        setting = cls.draw(random.Random(f"story {seed}"))
        if seed % CROWD_EVERY == CROWD_AT:
            return setting._crowded(random.Random(f"crowd {seed}"))
        chance = random.Random(f"votes {seed}")
        if seed < VOTES_FROM or chance.random() > 0.75:
            more = random.Random(f"reserve {seed}")
            if seed not in NO_RESERVE and not setting.insider and more.random() < 0.6:
                return replace(setting, reserve=more.choice((1, 2)))
            return setting
        return replace(
            setting,
            votes=True,
            open_door=False,
            members_max=chance.choice((5, 6, 6, 7, 8)),
            relays=1,
            conducts=(chance.choice(("honest", "parting", "withholding", *setting.conducts)),),
        )

    @classmethod
    def draw(cls, chance: random.Random) -> Setting:
        insider = chance.random() < 0.25
        relays = chance.choice((1, 1, 1, 2) if insider else (1, 1, 1, 1, 2, 2, 3))
        hostile = chance.random() < 0.6
        names = [one.name for one in HOSTILE]
        conducts = tuple(
            chance.choice(names) if hostile and chance.random() < 0.7 else "honest"
            for _ in range(relays)
        )
        return cls(
            relays=relays,
            delay_s=chance.choice((0.01, 0.05, 0.2, 0.3)),
            # The real 10 ms cost three times the work, and change little but that.
            tick_s=chance.choice((0.01, 0.06, 0.06, 0.1, 0.1, 0.1)),
            # An insider needs four at all times, as fewer than a third may lie.
            members_max=6 if insider else chance.choice((3, 4, 5, 6)) if relays < 3 else 4,
            steps=chance.choice((7, 9, 12)) if relays < 3 else 7,
            conducts=conducts,
            open_door=chance.random() < 0.25,
            insider=insider,
            wrong_clocks=chance.random() < 0.3,
        )

    def _crowded(self, chance: random.Random) -> Setting:
        """The same for fifty people, of whom fewer than a third may lie."""
        votes = chance.random() < 0.5
        relays = chance.choice((1, 1, 2))
        names = [one.name for one in HOSTILE]
        return replace(
            self,
            relays=relays,
            # All but one are hostile, or the only one.
            conducts=tuple(chance.choice(names) for _ in range(max(1, relays - 1)))
            + ("honest",) * (relays > 1),
            tick_s=CROWD_TICK_S,
            crowd=CROWD,
            members_max=CROWD + 4,
            voice_per_s=1,
            steps=chance.choice((4, 5, 6)),
            insider=chance.random() < 0.5,
            insiders_max=chance.choice((1, 4, 12)),
            votes=votes,
            open_door=not votes and chance.random() < 0.5,
        )
