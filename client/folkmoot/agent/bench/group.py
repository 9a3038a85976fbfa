"""`folkmoot bench group`: what commits, additions and joining cost, and how long the messages are,
in groups whose trees are filled."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Sequence
from functools import partial

from folkmoot import mls
from folkmoot.agent.bench import primitives
from folkmoot.agent.bench.crowd import Crowd
from folkmoot.agent.bench.openmls import compare_with_openmls
from folkmoot.agent.bench.primitives import Count, Primitives
from folkmoot.agent.bench.report import Pair, Report, in_milliseconds
from folkmoot.agent.bench.timing import Spent, spent
from folkmoot.agent.console import Output

SUITE = mls.SUITE_X25519_AES128
PROCESS_GOAL_MS, CREATE_GOAL_MS, ADD_GOAL_MS, JOIN_GOAL_MS = 3.0, 6.0, 1000.0, 500.0
# Additions and joining take up to a second each.
SLOW_ROUNDS_MAX = 5
IN_SHORT = "the signatures, key agreements, key pairs and ciphers of this, alone"
SHOWN = {
    "members": "members",
    "suite": "suite",
}


class GroupBench:
    """One size of group."""

    def __init__(self, crowd: Crowd, bare: Primitives, rounds: int) -> None:
        self._crowd, self._bare = crowd, bare
        self._rounds, self._slow_rounds = rounds, min(rounds, SLOW_ROUNDS_MAX)
        self._members = len(crowd.bundles)
        self._depth = (self._members - 1).bit_length()

    def _pair(
        self, what: str, ours: Spent, count: Count, goal_ms: float, sizes: dict[str, int]
    ) -> Pair:
        parameters = {"members": self._members, "suite": SUITE}
        note = f"alone: {count.words()}"
        peer, theirs = primitives.name(), self._bare.sum(count)
        return Pair(what, parameters, ours, peer, theirs, note, IN_SHORT, goal_ms, sizes)

    def create(self) -> Pair:
        """The founder's commit without proposals: a fresh path."""
        founder, made = self._crowd.founder, []

        def create() -> None:
            made.append(founder.commit(entropy=self._crowd.entropy).message)

        created = spent([create] * self._rounds)
        # Two signatures; at each node of the path a key pair, and a fresh one to encrypt with.
        count = Count(2, 0, self._depth, 2 * self._depth + 1, 0, self._depth + 2)
        sizes = {"message_bytes": len(made[-1])}
        return self._pair("create_commit", created, count, CREATE_GOAL_MS, sizes)

    def process(self) -> Pair:
        """The founder's neighbour follows such commits, each the first of its sender."""
        saved, neighbour = self._crowd.founder.save(), self._crowd.neighbour
        messages = [
            mls.Group.load(saved).commit(entropy=self._crowd.entropy).message
            for _ in range(self._rounds)
        ]
        followed = spent([partial(neighbour.stage, message) for message in messages])
        count = Count(0, 2, 1, self._depth, self._depth + 1, 3)
        sizes = {"message_bytes": len(messages[-1])}
        return self._pair("process_commit", followed, count, PROCESS_GOAL_MS, sizes)

    def add_all(self) -> Pair:
        """A group of one adds all the others at once."""
        made: list[mls.Created] = []
        added = spent([lambda: made.append(self._crowd.found())] * self._slow_rounds)
        welcome = made[-1].welcome
        assert welcome is not None
        sizes = {"message_bytes": len(made[-1].message), "welcome_bytes": len(welcome)}
        others = self._members - 1
        # Each key package has two signatures, and is encrypted to with a fresh key.
        count = Count(3, 2 * others, others, others + 2, others, others + 3)
        return self._pair("add_all", added, count, ADD_GOAL_MS, sizes)

    def join(self) -> Pair:
        """One more comes into the filled tree, which it is handed beside the Welcome."""
        bundle = self._crowd.bundle()
        created = self._crowd.founder.commit(
            [mls.Add(bundle.key_package)], tree_extension=False, entropy=self._crowd.entropy
        )
        welcome, group = created.welcome, created.staged.group
        assert welcome is not None
        assert group is not None
        tree = group.ratchet_tree()
        joined = spent(
            [partial(mls.Group.join, welcome, bundle, ratchet_tree=tree)] * self._slow_rounds
        )
        sizes = {"welcome_bytes": len(welcome), "tree_bytes": len(tree)}
        # All leaves and the GroupInfo are verified, all keys of the tree loaded.
        count = Count(0, self._members + 2, 1, self._depth, 2 * self._members, 2)
        return self._pair("join", joined, count, JOIN_GOAL_MS, sizes)


def bench_group(sizes: Sequence[int], rounds: int, output: Output) -> None:
    """Runs it for groups of these sizes."""
    report = Report(output, "A group, by one core", SHOWN, in_milliseconds, "ms", "goal_ms")
    entropy: Callable[[int], bytes] = random.Random(secrets.randbits(128)).randbytes  # noqa: S311
    with report.progress() as now:
        now("the bare primitives")
        bare = Primitives(rounds)
        benches = []
        for members in sizes:
            now(f"a group of {members:,}")
            benches.append(GroupBench(Crowd(SUITE, members, entropy), bare, rounds))
        for measure in (GroupBench.create, GroupBench.process, GroupBench.add_all, GroupBench.join):
            for members, bench in zip(sizes, benches, strict=True):
                now(f"{measure.__name__}: {members:,} members")
                report.add(measure(bench))
        compare_with_openmls(sizes, rounds, report, now, entropy)
    report.done()
