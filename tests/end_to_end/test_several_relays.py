"""A meeting on several real relays: they are killed one after the other and all at once, and the
members move to others by a vote."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from end_to_end.gathering import FRAME_MS, Gathering, Member, until, voice_times_ms
from end_to_end.material import speech
from end_to_end.processes import Command, Commands

pytestmark = pytest.mark.alone

RESUMES_S = 3.0  # architecture C8, on a machine with nothing else to do
BUSY_S = 5.0  # what a machine that has may add


@pytest.fixture
def commands(tmp_path: Path) -> Iterator[Commands]:
    made = Commands(tmp_path)
    try:
        yield made
    finally:
        made.close()


class Moot(Gathering):
    """One meeting on several relays."""

    def __init__(self, commands: Commands, folder: Path, relays: int) -> None:
        super().__init__(commands, folder)
        self.relays = [self.relay, *(self._one_more(number) for number in range(1, relays))]
        self.addresses = [str(one.wait_for("ready")["address"]) for one in self.relays]
        self.source = speech(folder / "speech.wav")

    def _one_more(self, number: int) -> Command:
        state = str(self.folder / f"relay{number}")
        return self.commands.start("relay", "--listen", "127.0.0.1:0", "--state", state)

    def begins(self, *more: str) -> Member:
        others = [word for one in self.addresses[1:] for word in ("--relay", one)]
        return self.opens("Ann", *others, "--play", str(self.source), "--loop", *more)

    def kill(self, *numbers: int) -> None:
        for number in numbers:
            self.relays[number].process.send_signal(signal.SIGKILL)
        for number in numbers:
            self.relays[number].process.wait(10)


def gaps_ms(recording: Path) -> list[int]:
    """Steps between frames of a recording that are not one frame long."""
    times = voice_times_ms(recording)
    steps = (after - before for before, after in itertools.pairwise(times))
    return [one for one in steps if one != FRAME_MS]


def test_relays_die_one_by_one_and_all_at_once(commands: Commands, tmp_path: Path) -> None:
    moot = Moot(commands, tmp_path, relays=5)
    ann = moot.begins().is_in()
    record = tmp_path / "bob"
    bob = moot.joins("Bob", "--record", str(record)).is_in()
    cy = moot.joins("Cy").is_in()
    moot.all_in()
    for one in (bob, cy):
        one.hears(ann)
    mark = bob.mark()
    moot.kill(0)
    until(lambda: bob.after(mark, "relay_down"), what="the relay is gone")
    for one in (bob, cy):
        one.hears(ann, 150)
    moot.kill(2)
    for one in (bob, cy):
        one.hears(ann, 150)
    lost = {one.name: one.heard(ann, mark).lost for one in (bob, cy)}
    print(f"lost while two of three relays were killed: {lost}; steps {gaps_ms(_only(record))}")
    assert lost == {"Bob": 0, "Cy": 0}
    said = {ann.says("one relay is left"), cy.says("so it is")}
    for one in moot.members:
        one.reads(said)
    marks = {one.name: one.mark() for one in moot.members}
    moot.kill(1)
    took = max(one.hears(ann, 10) for one in (bob, cy))
    print(f"heard again {took:.2f} s after all relays in use were killed")
    assert took < RESUMES_S + BUSY_S
    said.add(bob.says("on the reserve"))
    for one in moot.members:
        one.reads(said)
        assert not one.after(marks[one.name], "member_out")
        assert not one.after(marks[one.name], "member_in")
    dee = moot.joins("Dee").is_in()  # with an invite that names the reserve
    dee.hears(ann)
    moot.leave(dee, cy, bob, ann)


def _only(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


def test_a_vote_moves_the_meeting_to_other_relays(commands: Commands, tmp_path: Path) -> None:
    moot = Moot(commands, tmp_path, relays=2)
    # With one relay and no entry to it nobody is hidden, and who was does not go on without a word.
    ann = moot.begins("--charter", "circle", "--rather-seen-than-silent").is_in()
    for name in ("Bob", "Cy", "Dee"):
        moot.joins(name, "--rather-seen-than-silent").is_in()
    moot.all_in()
    bob, cy = moot.members[1], moot.members[2]
    # A relay that a member runs itself is as good as any.
    own = commands.start("relay", "--listen", "127.0.0.1:0", "--state", str(tmp_path / "own"))
    address = str(own.wait_for("ready")["address"])
    cy.command.do(do="move", kind="relays", subject="not an address")
    assert "no relay address" in cy.command.wait_for("refused")["why"]
    cy.command.do(do="move", kind="relays", subject=address)
    for one in moot.members:
        motion = one.command.wait_for("motion", kind="relays")
        assert motion["subject"] == [address]
        assert any(address.partition("#")[0] in sentence for sentence in motion["changes"])
        one.command.do(do="vote", motion=motion["motion"], choice="yes")
    for one in moot.members:
        one.command.wait_for("decided", carried=True)
    mark = bob.mark()
    until(lambda: moot.members[3].after(0, "relay_up", relay=address), what="the new relay")
    moot.invite = str(until_invite(ann, address))
    bob.hears(ann, 50)
    moot.kill(0, 1)
    bob.hears(ann, 150)
    print(f"lost in the move: {bob.heard(ann, mark).lost} of {bob.heard(ann, mark).frames}")
    moot.joins("Eve").is_in().hears(ann)
    said = {cy.says("moved")}
    bob.reads(said)
    moot.leave(*reversed(moot.members[:]))


def until_invite(member: Member, address: str) -> str:
    """The invite that names this relay."""
    from folkmoot.meeting.invite import Invite

    def words() -> list[str]:
        found = [str(one["invite"]) for one in member.after(0, "invite")]
        return [
            word for word in found
            if [str(one.address) for one in Invite.parse(word).relays] == [address]
        ]  # fmt: skip

    until(words, what="an invite that names the new relay")
    return words()[-1]
