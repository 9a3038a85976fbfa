"""The newcomer's side of the door: what it takes for its meeting, and what it does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from folkmoot import mls
from folkmoot.cells.fragments import DOOR_RECORD_BYTES_MAX
from folkmoot.governance import PRESETS, Charter
from folkmoot.meeting.door import (
    HANDSHAKES_MAX,
    NO_SUCH_MEMBER,
    NOWHERE,
    SAID_NO,
    VOID,
    Answer,
    CatchUpAnswer,
    Claim,
    LeafAnswer,
    RefusedAnswer,
    Side,
    WaitAnswer,
    WelcomeAnswer,
    open_knock,
    public_of,
    seal_answer,
)
from folkmoot.meeting.events import CharterDiffers, Refused, Waiting
from folkmoot.meeting.founding import make_key_package
from folkmoot.meeting.outside import BEST_SIDE_S, LEAF_ANSWERS_MAX, WELCOME_WAIT_S, Outside
from folkmoot.meeting.records import Handshake
from simulation.hostile_member import in_seat
from unit.meeting_parts import GROUP, People, key_of, seat_of

NOW = 100.0
OTHER = PRESETS["circle"]


class Newcomer:
    """Cleo, who knocks at a meeting of ada and bob."""

    def __init__(self, charter: Charter | None = None) -> None:
        self.people = People("ada", "bob")
        self.context = self.people.context("cleo", NOW)
        self.door = self.people["ada"].state.secrets.door
        self.bundle = make_key_package(key_of("cleo"), self.people.entropy)
        self.outside = Outside(
            self.context, bundle=self.bundle, name="Cleo",
            charter=charter or self.people.charter, door_key=public_of(self.door.private),
            door_secret=self.door.secret, now=NOW,
        )  # fmt: skip

    def knock(self) -> tuple[bytes, object]:
        message = self.outside._knock(self.outside._doors[0])
        knock = open_knock(message[1:], self.door.private, GROUP)
        assert knock is not None
        return message, knock.claim

    def hear(self, answer: Answer, now: float = NOW, group: bytes = GROUP) -> list[object]:
        key = public_of(self.outside._answer_private)
        message = seal_answer(answer, key, group, self.people.entropy)
        self.outside._hear_message(self.outside._doors[0], message, now)
        told: list[object] = list(self.context.events)
        self.context.events.clear()
        return told

    def welcome(self, bundle: mls.KeyPackageBundle | None = None) -> WelcomeAnswer:
        package = (bundle or self.bundle).key_package
        welcome = self.people.commit("ada", [mls.Add(package)])
        assert welcome is not None
        return WelcomeAnswer(welcome, self.people["ada"].state.group.ratchet_tree())


def test_a_welcome_leads_into_the_epoch_of_the_others() -> None:
    cleo = Newcomer()
    assert cleo.outside.take_admitted(NOW) is None
    assert cleo.hear(cleo.welcome()) == []
    admitted = cleo.outside.take_admitted(NOW)
    assert admitted is not None
    state, ada = admitted, cleo.people["ada"].state
    assert (state.authenticator, state.secrets) == (ada.authenticator, ada.secrets)


def test_a_charter_that_differs_holds_back_until_it_is_accepted() -> None:
    cleo = Newcomer(OTHER)
    assert cleo.hear(cleo.welcome()) == []
    assert cleo.outside.take_admitted(NOW) is None
    (event,) = cleo.context.events
    assert isinstance(event, CharterDiffers)
    assert event.sentences
    assert cleo.outside.take_admitted(NOW) is None
    assert len(cleo.context.events) == 1
    # While a person reads, nothing is due: it used to be due all the time, and kept a core busy.
    cleo.outside.handle_timer(NOW + 5)
    due = cleo.outside.next_timer()
    assert due is None or due > NOW + 5
    cleo.outside.accept_charter()
    assert cleo.outside.take_admitted(NOW) is not None


def test_a_newcomer_keeps_no_commits_that_it_cannot_use() -> None:
    """Whoever opened its knock could fill its memory with them."""
    cleo = Newcomer()
    way = CatchUpAnswer((Handshake(bytes(32), b"m" * 1000, b"").encode(),) * HANDSHAKES_MAX)
    cleo.hear(way)
    assert cleo.outside.take_handshakes() == []
    cleo.outside._claim_leaf(NOWHERE, bytes(32))
    for _ in range(3):
        cleo.hear(way)
    assert len(cleo.outside.take_handshakes()) == HANDSHAKES_MAX


def test_an_answer_that_fits_no_record_is_not_sent() -> None:
    cleo = Newcomer()
    lane = cleo.outside._doors[0].lane
    assert lane.send(bytes(DOOR_RECORD_BYTES_MAX))
    for longer in (DOOR_RECORD_BYTES_MAX + 1, 5 << 20):  # the second cannot even be cut
        assert not lane.send(bytes(longer))


def test_another_meeting_is_not_ours() -> None:
    cleo = Newcomer()
    object.__setattr__(cleo.context, "group_id", b"another group...")
    (event,) = cleo.hear(cleo.welcome(), group=b"another group...")
    assert event == Refused("admission", "The door let us into another meeting.")
    assert cleo.outside.take_admitted(NOW) is None


def test_a_group_with_somebody_in_anothers_seat_is_none_of_ours() -> None:
    """The members let nobody sit down like that; so whoever sends us this is no member."""
    cleo = Newcomer()
    thief = in_seat(seat_of("dan"), key_of("thief"), cleo.people.entropy)
    cleo.people.commit("ada", [mls.Add(thief.key_package)])
    (event,) = cleo.hear(cleo.welcome())
    assert event == Refused("admission", "What the door gave us is not a meeting.")
    assert cleo.outside.take_admitted(NOW) is None


def test_a_group_with_something_beside_the_meeting_is_none_of_ours() -> None:
    """An external sender, say, who could propose from outside for ever."""
    cleo = Newcomer()
    ada = cleo.people["ada"].state.group
    sender = mls.ExternalSender(ada.members()[0].signature_key, mls.Credential.basic(b"outside"))
    more = [*ada.extensions, mls.external_senders_extension([sender])]
    cleo.people.commit("ada", [mls.GroupContextExtensions(more)])
    (event,) = cleo.hear(cleo.welcome())
    assert isinstance(event, Refused)
    assert event.why == "What the door gave us is not a meeting."
    assert cleo.outside.take_admitted(NOW) is None


@pytest.mark.parametrize("part", ["package", "tree", "welcome"])
def test_a_welcome_that_is_not_ours_leads_nowhere(part: str) -> None:
    cleo = Newcomer()
    other = cleo.people.bundle("dan")
    answer = cleo.welcome(other if part == "package" else None)
    if part == "tree":
        answer = replace(answer, tree=b"")
    if part == "welcome":
        answer = replace(answer, welcome=b"\0")
    (event,) = cleo.hear(answer)
    assert isinstance(event, Refused)
    assert cleo.outside.take_admitted(NOW) is None


def test_places_and_refusals_are_told_once() -> None:
    cleo = Newcomer()
    assert cleo.hear(WaitAnswer(2)) == [Waiting(2)]
    assert cleo.hear(WaitAnswer(2)) == []
    assert cleo.hear(RefusedAnswer(SAID_NO)) == [Refused("admission", SAID_NO)]
    assert cleo.hear(RefusedAnswer(NO_SUCH_MEMBER)) == [Refused("admission", NO_SUCH_MEMBER)]
    assert cleo.hear(RefusedAnswer(VOID)) == [Refused("admission", VOID)]
    for why in (SAID_NO, NO_SUCH_MEMBER) * 3:
        assert cleo.hear(RefusedAnswer(why)) == []


def test_whoever_answers_does_not_speak_with_our_own_voice() -> None:
    cleo = Newcomer()
    told = [
        one
        for number in range(50)
        for one in cleo.hear(RefusedAnswer(f"Your password is needed at evil.example {number}"))
    ]
    assert told == [Refused("admission", SAID_NO)]
    torn = [
        one
        for number in range(50)
        for one in cleo.hear(WelcomeAnswer(number.to_bytes(4, "big"), b"tree"))
    ]
    assert torn == [Refused("admission", "What the door gave us is not a meeting.")]
    assert cleo.outside.take_admitted(NOW) is None


def test_a_knock_is_the_same_bytes_until_a_claim_is_made() -> None:
    cleo = Newcomer()
    assert cleo.knock() == cleo.knock()
    cleo.hear(LeafAnswer(b"h" * 32, NOWHERE))
    message, claim = cleo.knock()
    assert isinstance(claim, Claim)
    assert claim.must
    assert claim.readmission.leaf_hash == b"h" * 32
    cleo.hear(LeafAnswer(b"h" * 32, NOWHERE))
    assert cleo.knock()[0] == message
    cleo.hear(LeafAnswer(b"i" * 32, NOWHERE))
    assert cleo.knock()[0] != message


def test_a_claim_is_made_anew_so_often_and_no_more() -> None:
    cleo, messages = Newcomer(), set()
    for number in range(LEAF_ANSWERS_MAX + 4):
        cleo.hear(LeafAnswer(bytes((number,)) * 32, NOWHERE))
        messages.add(cleo.knock()[0])
    assert len(messages) == LEAF_ANSWERS_MAX


def test_a_leaf_that_we_asked_for_is_waited_for() -> None:
    cleo = Newcomer()
    before = cleo.knock()[0]
    cleo.welcome()
    entry = cleo.people["ada"].state.entry_of(seat_of("cleo"))
    assert entry is not None
    for now in (NOW, NOW + WELCOME_WAIT_S - 0.1):
        cleo.hear(LeafAnswer(entry.leaf_hash, NOWHERE), now)
        assert cleo.knock()[0] == before
    cleo.hear(LeafAnswer(entry.leaf_hash, NOWHERE), NOW + WELCOME_WAIT_S)
    assert cleo.knock()[1] is not None


def test_who_can_go_on_with_its_leaf_moves_to_a_better_side_only() -> None:
    cleo = Newcomer()
    ours = Side(b"m" * 32, 5, 3)
    cleo.outside._claim_leaf(ours, b"o" * 32)
    cleo.outside._held = {b"m" * 32, b"k" * 32}
    worse = [Side(b"a" * 32, 9, 2), Side(b"a" * 32, 4, 3), Side(b"n" * 32, 5, 3)]
    own = [Side(b"k" * 32, 6, 4)]
    for side in (*worse, *own):
        cleo.hear(LeafAnswer(b"h" * 32, side))
        assert leaf_claimed(cleo) == b"o" * 32
    for number, side in enumerate((Side(b"l" * 32, 5, 3), Side(b"z" * 32, 6, 3))):
        cleo.hear(LeafAnswer(bytes((number,)) * 32, side))
        assert leaf_claimed(cleo) == bytes((number,)) * 32


def test_who_must_have_a_leaf_stays_with_the_best_side_that_it_heard_of() -> None:
    cleo = Newcomer()
    best, other = Side(b"m" * 32, 5, 3), Side(b"a" * 32, 5, 2)
    for number, side in enumerate((other, best, other, other)):
        cleo.hear(LeafAnswer(bytes((number,)) * 32, side))
    assert leaf_claimed(cleo) == b"\1" * 32
    cleo.hear(LeafAnswer(b"n" * 32, best), NOW + 1)  # its seat's leaf changed again
    assert leaf_claimed(cleo) == b"n" * 32
    cleo.hear(LeafAnswer(b"o" * 32, other), NOW + 1 + BEST_SIDE_S)  # the best is heard no more
    assert leaf_claimed(cleo) == b"o" * 32


def leaf_claimed(newcomer: Newcomer) -> bytes:
    claim = newcomer.knock()[1]
    assert isinstance(claim, Claim)
    return claim.readmission.leaf_hash
