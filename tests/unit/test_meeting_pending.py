"""What waits for the next commit: taken in with good evidence only, and never twice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from folkmoot import mls
from folkmoot.governance import EXTENSION_TYPE, PRESETS
from folkmoot.governance.charter import Admission
from folkmoot.governance.evidence import (
    CommitEvidence,
    Farewell,
    Readmission,
    Sponsor,
    make_farewell,
    make_readmission,
    make_sponsor,
)
from folkmoot.meeting import pending as module
from folkmoot.meeting.door import KEY_PACKAGE_BYTES_MAX
from folkmoot.meeting.founding import make_key_package
from folkmoot.meeting.pending import (
    COMMIT_ADDS_MAX,
    PENDING_AGE_S,
    Pending,
    Request,
)
from folkmoot.wire import codec
from simulation.hostile_member import in_seat
from unit.meeting_parts import GROUP, TICK, People, entropy_of, key_of, seat_of

NOW = 50.0
UNTIL = TICK + 100


@pytest.fixture
def people() -> People:
    return People("ada", "bob", "eve")


@pytest.fixture
def waiting(people: People) -> Pending:
    return Pending(people.charter, seat_of("ada"))


def ask(people: People, waiting: Pending, request: Request, wall_s: int = TICK) -> str | None:
    return waiting.ask(request, people["ada"].state, wall_s=wall_s, now=NOW)


def sponsored(people: People, name: str, by: str = "bob", until: int = UNTIL) -> Request:
    bundle = people.bundle(name)
    sponsor = make_sponsor(people[by].key, GROUP, seat_of(by), bundle.ref, until)
    return Request(bundle.key_package, sponsor)


def coming_back(people: People, name: str = "eve") -> Request:
    bundle, person = people.bundle(name), people[name]
    claim = make_readmission(person.key, GROUP, person.seat, person.leaf_hash, bundle.ref)
    return Request(bundle.key_package, claim)


def farewell(people: People, name: str = "eve") -> Farewell:
    person = people[name]
    return make_farewell(person.key, GROUP, person.seat, person.leaf_hash)


def test_a_sponsored_newcomer_waits_once(people: People, waiting: Pending) -> None:
    request = sponsored(people, "cleo")
    assert ask(people, waiting, request) is None
    assert waiting.ask(request, people["ada"].state, wall_s=TICK, now=NOW + 60) is None
    assert ask(people, waiting, replace(request, evidence=sponsored(people, "cleo").evidence))
    (one,) = waiting.adds.values()
    assert (one.request, one.seat, one.since) == (request, seat_of("cleo"), NOW)
    plan = waiting.plan(people["ada"].state)
    assert plan is not None
    assert plan.proposals == (mls.Add(request.key_package),)
    assert plan.evidence == (request.evidence,)
    assert not plan.takes_away


def test_evidence_must_be_good_now(people: People, waiting: Pending) -> None:
    good = sponsored(people, "cleo")
    assert isinstance(good.evidence, Sponsor)
    bad = [
        Request(good.key_package, None),
        Request(good.key_package, replace(good.evidence, seat=seat_of("eve"))),
        Request(good.key_package, replace(good.evidence, seat=seat_of("nobody"))),
        Request(good.key_package, replace(good.evidence, until=UNTIL + 1)),
        Request(good.key_package, replace(good.evidence, reference=b"r" * 32)),
        Request(good.key_package, sponsored(people, "dan").evidence),
        Request(good.key_package[:-1] + bytes((good.key_package[-1] ^ 1,)), good.evidence),
        Request(b"", good.evidence),
    ]
    for request in bad:
        assert ask(people, waiting, request)
    assert ask(people, waiting, good, UNTIL + 1) == "that was too long ago"
    assert not waiting.adds
    assert waiting.plan(people["ada"].state) is None
    assert ask(people, waiting, good, UNTIL) is None


def test_where_admission_is_open_no_evidence_is_asked_for(people: People) -> None:
    charter = replace(PRESETS["assembly"], removal=None)
    assert charter.admission is Admission.OPEN
    waiting = Pending(charter, seat_of("ada"))
    assert ask(people, waiting, Request(people.bundle("cleo").key_package, None)) is None
    plan = waiting.plan(people["ada"].state)
    assert plan is not None
    assert plan.evidence == ()


def test_key_packages_of_another_kind_are_refused(people: People, waiting: Pending) -> None:
    entropy = entropy_of(1)
    for bundle in (
        mls.create_key_package(2, seat_of("cleo"), entropy),
        mls.create_key_package(3, seat_of("cleo"), entropy, signature_private=key_of("cleo")),
    ):
        sponsor = make_sponsor(people["bob"].key, GROUP, seat_of("bob"), bundle.ref, UNTIL)
        why = ask(people, waiting, Request(bundle.key_package, sponsor))
        assert why == "its key package is for another kind of meeting"


def test_a_key_package_is_for_the_time_that_it_says(people: People, waiting: Pending) -> None:
    for not_before, not_after, fits in (
        (TICK + 1, TICK + 9, False),
        (TICK - 9, TICK - 1, False),
        (TICK, TICK, True),
    ):
        bundle = mls.create_key_package(
            1,
            seat_of("cleo"),
            people.entropy,
            signature_private=key_of("cleo"),
            extension_types=(EXTENSION_TYPE,),
            not_before=not_before,
            not_after=not_after,
        )
        sponsor = make_sponsor(people["bob"].key, GROUP, seat_of("bob"), bundle.ref, UNTIL)
        why = ask(people, waiting, Request(bundle.key_package, sponsor))
        assert why == (None if fits else "its key package is not for this time")
        assert len(waiting.adds) == fits


def test_seats_and_keys_of_others_are_not_given_again(people: People, waiting: Pending) -> None:
    assert ask(people, waiting, sponsored(people, "eve")) == "its seat is taken, or was"
    assert ask(people, waiting, sponsored(people, "cleo")) is None
    again = make_key_package(key_of("cleo"), people.entropy)
    into_hers = in_seat(seat_of("cleo"), key_of("dan"), people.entropy)
    under_hers = in_seat(seat_of("dan"), key_of("cleo"), people.entropy)
    for bundle, refusal in (
        (again, "its seat or key is another's"),
        (into_hers, "its seat is not the one of its key"),
        (under_hers, "its seat is not the one of its key"),
    ):
        sponsor = make_sponsor(people["bob"].key, GROUP, seat_of("bob"), bundle.ref, UNTIL)
        assert ask(people, waiting, Request(bundle.key_package, sponsor)) == refusal
    assert len(waiting.adds) == 1


def test_a_key_package_that_was_used_is_never_added_again(
    people: People, waiting: Pending, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, back = sponsored(people, "cleo"), coming_back(people)
    ask(people, waiting, request)
    waiting.done([*waiting.adds, back.evidence.reference])  # type: ignore[union-attr]
    waiting.prune(people["ada"].state, wall_s=TICK, now=NOW)
    assert not waiting.adds
    assert ask(people, waiting, request) == "its seat is taken, or was"
    assert ask(people, waiting, back) == "it has that leaf already"
    monkeypatch.setattr(module, "USED_MAX", 2)
    waiting.done([b"next"])
    assert list(waiting.used)[-1] == b"next"
    assert len(waiting.used) == 2


def test_a_seat_whose_member_left_is_never_added_again(people: People, waiting: Pending) -> None:
    """Its admission may hold for a minute more, and the record of it come late."""
    request, other = sponsored(people, "cleo"), sponsored(people, "dan")
    assert ask(people, waiting, request) is None
    assert ask(people, waiting, other) is None
    waiting.gone([seat_of("cleo")])
    assert [one.seat for one in waiting.adds.values()] == [seat_of("dan")]
    assert ask(people, waiting, request) == "its member left"


def test_not_too_many_wait(
    people: People, waiting: Pending, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PENDING_MAX", 2)
    first = sponsored(people, "n0")
    assert ask(people, waiting, first) is None
    assert ask(people, waiting, sponsored(people, "n1")) is None
    assert ask(people, waiting, sponsored(people, "n2")) == "too many wait already"
    assert ask(people, waiting, first) is None
    waiting.drop_newest()
    assert [one.seat for one in waiting.adds.values()] == [seat_of("n0")]


def test_one_member_does_not_fill_the_list(
    people: People, waiting: Pending, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SPONSORED_MAX", 2)
    first, second, third = (sponsored(people, f"n{number}", by="eve") for number in range(3))
    assert ask(people, waiting, first) is None
    assert ask(people, waiting, second) is None
    assert ask(people, waiting, third) == "too many wait already"
    assert ask(people, waiting, first) is None
    assert ask(people, waiting, sponsored(people, "cleo", by="bob")) is None


def test_one_commit_adds_so_many_and_no_more(people: People, waiting: Pending) -> None:
    for number in range(COMMIT_ADDS_MAX + 1):
        assert ask(people, waiting, sponsored(people, f"n{number}")) is None
    plan = waiting.plan(people["ada"].state)
    assert plan is not None
    assert len(plan.proposals) == len(plan.evidence) == COMMIT_ADDS_MAX


def test_members_who_come_back_count_too(
    people: People, waiting: Pending, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole meeting that comes back at once would make a commit that no record holds."""
    monkeypatch.setattr(module, "COMMIT_ADDS_MAX", 2)
    for request in (coming_back(people), coming_back(people, "bob"), sponsored(people, "cleo")):
        assert ask(people, waiting, request) is None
    plan = waiting.plan(people["ada"].state)
    assert plan is not None
    assert [type(one) for one in plan.proposals] == [mls.Remove, mls.Add] * 2
    assert len(plan.evidence) == 2
    monkeypatch.setattr(module, "COMMIT_FAREWELLS_MAX", 1)
    for name in ("eve", "bob"):
        assert waiting.say_farewell(farewell(people, name), people["ada"].state)
    plan = waiting.plan(people["ada"].state)
    assert plan is not None
    assert len([one for one in plan.evidence if isinstance(one, Farewell)]) == 1


def test_a_request_has_a_key_package_that_fits_a_knock(people: People) -> None:
    """Larger ones could only come from a member, so that others' commits fit no record."""
    request = sponsored(people, "cleo")
    longer = replace(request, key_package=request.key_package.ljust(KEY_PACKAGE_BYTES_MAX + 1))
    assert codec.decode(Request.read, request.encode()) == request
    with pytest.raises(codec.DecodeError):
        codec.decode(Request.read, longer.encode())


def test_requests_that_hold_no_more_are_dropped(people: People, waiting: Pending) -> None:
    for name in ("cleo", "dan"):
        ask(people, waiting, sponsored(people, name, by="eve"))
    state = people["ada"].state
    waiting.prune(state, wall_s=UNTIL, now=NOW + PENDING_AGE_S)
    assert len(waiting.adds) == 2
    for wall_s, now in ((UNTIL + 1, NOW), (UNTIL, NOW + PENDING_AGE_S + 1)):
        copy = replace(waiting, adds=dict(waiting.adds))
        copy.prune(state, wall_s=wall_s, now=now)
        assert not copy.adds
    people.add("ada", "cleo")
    waiting.prune(people["ada"].state, wall_s=TICK, now=NOW)
    assert [one.seat for one in waiting.adds.values()] == [seat_of("dan")]
    people.remove("ada", "eve")  # the sponsor
    waiting.prune(people["ada"].state, wall_s=TICK, now=NOW)
    assert not waiting.adds


def test_a_farewell_takes_its_seat_away(people: People, waiting: Pending) -> None:
    state, said = people["ada"].state, farewell(people)
    assert waiting.say_farewell(said, state)
    plan = waiting.plan(state)
    assert plan is not None
    assert plan.proposals == (mls.Remove(people["eve"].state.own_leaf),)
    assert plan.evidence == (said,)
    assert plan.takes_away
    evidence = CommitEvidence(7, plan.evidence).encode()
    assert plan.authenticated_data(7) == evidence


def test_a_farewell_is_its_own_members_and_of_this_leaf(people: People, waiting: Pending) -> None:
    state, said = people["ada"].state, farewell(people)
    for bad in (
        replace(said, seat=seat_of("bob")),
        replace(said, seat=seat_of("nobody")),
        replace(said, leaf_hash=b"h" * 32),
        make_farewell(people["eve"].key, GROUP, seat_of("eve"), b"h" * 32),
        replace(said, signature=farewell(people, "bob").signature),
    ):
        assert not waiting.say_farewell(bad, state)
    assert waiting.plan(state) is None


def test_a_farewell_of_a_leaf_that_was_replaced_is_dropped(
    people: People, waiting: Pending
) -> None:
    waiting.say_farewell(farewell(people), people["ada"].state)
    waiting.prune(people["ada"].state, wall_s=TICK, now=NOW)
    assert waiting.farewells
    people.commit("eve")  # gives its committer a new leaf
    waiting.prune(people["ada"].state, wall_s=TICK, now=NOW)
    assert not waiting.farewells


def test_nobody_commits_its_own_going_or_coming_back(people: People, waiting: Pending) -> None:
    waiting.own_seat = seat_of("eve")
    assert waiting.say_farewell(farewell(people), people["eve"].state)
    assert ask(people, waiting, coming_back(people)) is None
    assert waiting.plan(people["eve"].state) is None


def test_who_comes_back_is_removed_and_added_at_once(people: People, waiting: Pending) -> None:
    old, new = coming_back(people), coming_back(people)
    assert ask(people, waiting, old) is None
    assert ask(people, waiting, new) is None  # the newest counts
    plan = waiting.plan(people["ada"].state)
    assert plan is not None
    leaf = people["eve"].state.own_leaf
    assert plan.proposals == (mls.Remove(leaf), mls.Add(new.key_package))
    assert plan.evidence == (new.evidence,)
    assert not plan.takes_away


def test_who_said_farewell_is_not_brought_back(people: People, waiting: Pending) -> None:
    ask(people, waiting, coming_back(people))
    waiting.say_farewell(farewell(people), people["ada"].state)
    plan = waiting.plan(people["ada"].state)
    assert plan is not None
    assert plan.proposals == (mls.Remove(people["eve"].state.own_leaf),)


def test_a_claim_is_signed_by_its_member_for_this_leaf_and_key(
    people: People, waiting: Pending
) -> None:
    good, bob = coming_back(people), coming_back(people, "bob")
    assert isinstance(good.evidence, Readmission)
    assert isinstance(bob.evidence, Readmission)
    stolen = in_seat(seat_of("eve"), key_of("thief"), people.entropy)
    by_thief = make_readmission(
        people["eve"].key, GROUP, seat_of("eve"), people["eve"].leaf_hash, stolen.ref
    )
    old_leaf = make_readmission(
        people["eve"].key, GROUP, seat_of("eve"), b"h" * 32, good.evidence.reference
    )
    for request in (
        replace(good, evidence=old_leaf),
        replace(good, evidence=replace(good.evidence, signature=bob.evidence.signature)),
        replace(good, evidence=replace(good.evidence, leaf_hash=b"h" * 32)),
        replace(good, evidence=replace(good.evidence, reference=b"r" * 32)),
        replace(good, evidence=replace(good.evidence, seat=seat_of("bob"))),
        replace(good, evidence=replace(good.evidence, seat=seat_of("nobody"))),
        Request(stolen.key_package, by_thief),
        Request(good.key_package, bob.evidence),
    ):
        assert ask(people, waiting, request)
    assert not waiting.returns
    assert ask(people, waiting, good) is None
    people.commit("eve")
    waiting.prune(people["ada"].state, wall_s=TICK, now=NOW)
    assert not waiting.returns
