"""Our own beacon: when it is due, what it says, and that its time only ever rises."""

from __future__ import annotations

import pytest

from folkmoot.agreement.presence import PRESENT_S
from folkmoot.meeting.beacons import ECHO_S, BeaconMaker, beacon_period, patience
from folkmoot.meeting.presence import AWAY_AFTER_S, HEARD_S
from folkmoot.meeting.records import Beacon, Showing
from folkmoot.wire import codec
from folkmoot.wire.labels import Sign
from unit.meeting_parts import GROUP, RELAYS, WALL_S, People

NOW = 100.0


class Heard:
    """Our voice comes back from everywhere, and we miss one at the second relay."""

    def echoes(self, relay: int, now: float) -> bool:
        return relay != 2

    def missed(self, relay: int, now: float) -> tuple[bytes, ...]:
        return (b"bob!",) if relay == 1 else ()


WATCH = Heard()


def make(maker: BeaconMaker, people: People, now: float) -> Beacon:
    signed = maker.make(people["ada"].state, "Ada", Showing.SCREEN, b"digest", WATCH, now)
    assert signed.verified(people["ada"].key.public_key(), Sign.BEACON, GROUP)
    return codec.decode(Beacon.read, signed.content)


@pytest.mark.parametrize("members", [1, 2, 12, 13, 50, 51, 60, 100, 1000])
def test_whoever_says_something_at_its_pace_is_neither_absent_nor_away(members: int) -> None:
    a_beacon, a_lost_one = 1.5 * beacon_period(members), 2.5 * beacon_period(members)
    assert patience(members) * PRESENT_S >= a_beacon
    assert patience(members) * HEARD_S >= a_beacon
    assert patience(members) * AWAY_AFTER_S >= a_lost_one


@pytest.mark.parametrize(
    ("members", "period"), [(1, 1), (12, 1), (13, 2), (50, 2), (51, 2.04), (100, 4), (1000, 40)]
)
def test_beacons_are_rarer_where_many_are(members: int, period: float) -> None:
    maker = BeaconMaker(People("ada").context("ada", NOW), 0, NOW)
    assert maker.due(members, NOW)
    assert not maker.due(members, NOW + period - 0.01)
    assert maker.next_timer() == NOW + period
    assert maker.due(members, NOW + period)


def test_a_change_is_said_soon_and_never_later() -> None:
    maker = BeaconMaker(People("ada").context("ada", NOW), 0, NOW)
    maker.due(100, NOW)
    maker.soon(NOW + 1)
    assert maker.due(100, NOW + 1)
    maker.soon(NOW + 99)
    assert maker.next_timer() == NOW + 1 + beacon_period(100)


def test_a_beacon_says_who_we_are_and_where() -> None:
    people = People("ada", "bob")
    beacon = make(BeaconMaker(people.context("ada", NOW), 0, NOW), people, NOW + 2)
    state = people["ada"].state
    assert (beacon.seat, beacon.name, beacon.digest) == (people["ada"].seat, "Ada", b"digest")
    assert (beacon.epoch, beacon.authenticator) == (state.group.epoch, state.authenticator)
    assert beacon.showing is Showing.SCREEN
    assert beacon.at_ms == int((WALL_S + 2) * 1000)


def test_its_time_rises_whatever_the_clock_does() -> None:
    people = People("ada")
    future = int(WALL_S * 1000) + 10_000
    maker = BeaconMaker(people.context("ada", NOW), future, NOW)
    times = [make(maker, people, now).at_ms for now in (NOW, NOW, NOW - 5, NOW + 60, NOW)]
    assert times[:3] == [future + 1, future + 2, future + 3]
    assert times[3:] == [int(WALL_S * 1000) + 60_000, int(WALL_S * 1000) + 60_001]


def test_an_echo_is_word_of_its_relay_while_it_is_fresh() -> None:
    people = People("ada")
    maker = BeaconMaker(people.context("ada", NOW), 0, NOW)
    maker.heard_echo(1, NOW)
    # Beacons may follow each other faster than cells of ours: what came just now counts in both.
    said = [make(maker, people, NOW + after).receipts for after in (0.0, 0.01, ECHO_S)]
    assert [one.relay for one in said[0]] == [one.address.pin[:8] for one in RELAYS]
    echoes = [[one.echo for one in receipts] for receipts in said]
    assert echoes == [[False, True], [False, True], [False, False]]
    assert [[one.missed for one in receipts] for receipts in said] == [[(), (b"bob!",)]] * 3


def test_it_is_said_twice_as_often_while_somebody_is_missed() -> None:
    maker = BeaconMaker(People("ada").context("ada", NOW), 0, NOW)
    assert maker.due(12, NOW)
    maker.hurry(12, False, NOW + 0.1)
    assert maker.next_timer() == NOW + 0.5
    maker.hurry(12, False, NOW + 0.7)
    assert maker.due(12, NOW + 0.7)
    assert maker.next_timer() == NOW + 1.7


@pytest.mark.parametrize("members", [12, 50, 100])
def test_whom_others_miss_says_it_each_half_second(members: int) -> None:
    maker = BeaconMaker(People("ada").context("ada", NOW), 0, NOW)
    assert maker.due(members, NOW)
    maker.hurry(members, True, NOW + 0.1)
    assert maker.next_timer() == NOW + 0.5
