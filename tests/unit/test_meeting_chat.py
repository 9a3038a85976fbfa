"""Chat: shown once, from whom it is, and sealed again only where nobody had it."""

from __future__ import annotations

import pytest

from folkmoot import mls
from folkmoot.meeting.chat import (
    MESSAGES_BURST,
    MESSAGES_COST_MAX,
    MESSAGES_MAX,
    OWN_MAX,
    UNOPENED_MAX,
    ChatBook,
)
from folkmoot.meeting.events import ChatReceived
from folkmoot.meeting.records import Chat, Content
from folkmoot.wire import codec
from unit.meeting_parts import TICK, People

AT = TICK * 1000 + 10_000
NAMES: dict[bytes, str] = {}


@pytest.fixture
def people() -> People:
    found = People("ada", "bob", "eve")
    NAMES.update({one.seat: one.name.title() for one in found.members.values()})
    return found


def write(
    people: People, book: ChatBook, text: str, *, by: str = "ada", at_ms: int = AT,
    cut_off: bool = False,
) -> bytes:  # fmt: skip
    return book.write(text, people[by].state, at_ms=at_ms, cut_off=cut_off, entropy=people.entropy)


def books(people: People) -> tuple[ChatBook, ChatBook]:
    return ChatBook(people["ada"].seat), ChatBook(people["bob"].seat)


def again(people: People, book: ChatBook, tick: int | None, by: str = "ada") -> list[bytes]:
    return book.again(people[by].state, tick, people.entropy)


def test_a_message_is_shown_to_both_once(people: People) -> None:
    ada, bob = books(people)
    body = write(people, ada, "hello\u202e")
    shown = [ChatReceived(people["ada"].seat, "Ada", "hello", AT)]
    assert ada.take(NAMES) == shown
    bob.receive(body, [people["bob"].state], 0.0)
    assert bob.take(NAMES) == shown
    assert ada.take(NAMES) == bob.take(NAMES) == []
    assert ada.messages == bob.messages == shown


def test_a_message_in_two_records_is_shown_once(people: People) -> None:
    ada, bob = books(people)
    body = write(people, ada, "hello", cut_off=True)
    bob.receive(body, [people["bob"].state], 0.0)
    people.commit("bob")
    (second,) = again(people, ada, TICK)
    bob.receive(second, [people["bob"].state], 0.0)
    assert [one.text for one in bob.take(NAMES)] == ["hello"]


def test_two_members_may_use_one_message_id(people: People) -> None:
    _, bob = books(people)
    for name in ("ada", "eve"):
        state = people[name].state
        chat = Chat(b"same  id", AT, name)
        message = state.group.seal(chat.encode(), entropy=people.entropy)
        bob.receive(Content(state.authenticator, message).encode(), [people["bob"].state], 0.0)
    assert [(one.name, one.text) for one in bob.take(NAMES)] == [("Ada", "ada"), ("Eve", "eve")]


def test_who_has_no_name_yet_is_somebody(people: People) -> None:
    ada, _ = books(people)
    write(people, ada, "hello")
    assert ada.take({})[0].name == "somebody"


def test_a_message_of_an_epoch_not_known_yet_waits(people: People) -> None:
    ada, bob = books(people)
    before = people["bob"].state
    people.commit("ada")
    bob.receive(write(people, ada, "hello"), [before], 0.0)
    bob.retry([before], 0.0)
    assert bob.take(NAMES) == []
    bob.retry([people["bob"].state, before], 0.0)
    assert [one.text for one in bob.take(NAMES)] == ["hello"]
    bob.retry([people["bob"].state], 0.0)
    assert bob.take(NAMES) == []


def test_only_the_newest_that_wait_are_kept(people: People) -> None:
    ada, bob = books(people)
    before = people["bob"].state
    people.commit("ada")
    for number in range(UNOPENED_MAX + 1):
        bob.receive(write(people, ada, str(number)), [before], 0.0)
    bob.retry([people["bob"].state], 0.0)
    assert [one.text for one in bob.take(NAMES)] == [str(1 + n) for n in range(UNOPENED_MAX)]


def test_what_was_written_after_the_commit_is_sealed_again_in_its_epoch(people: People) -> None:
    """Whoever made the commit had left for it already, and could not open what we wrote."""
    ada, bob = books(people)
    write(people, ada, "late")
    assert again(people, ada, TICK) == []
    people.commit("bob")
    (body,) = again(people, ada, TICK)
    bob.receive(body, [people["bob"].state], 0.0)
    assert [one.text for one in bob.take(NAMES)] == ["late"]
    # Not once more in the same epoch, once more in the next.
    assert again(people, ada, TICK) == []
    people.commit("bob")
    assert len(again(people, ada, TICK)) == 1


def test_readmitted_we_say_again_what_nobody_heard(people: People) -> None:
    ada, bob = books(people)
    write(people, ada, "heard")
    write(people, ada, "cut off", cut_off=True)
    people.commit("bob")
    (body,) = again(people, ada, None)
    bob.receive(body, [people["bob"].state], 0.0)
    assert [one.text for one in bob.take(NAMES)] == ["cut off"]


def test_nothing_is_sealed_again_after_a_later_commit(people: People) -> None:
    ada, _ = books(people)
    write(people, ada, "before", at_ms=TICK * 1000 - 1, cut_off=True)
    write(people, ada, "after", at_ms=TICK * 1000, cut_off=True)
    people.add("bob", "cleo")
    bodies = again(people, ada, TICK)
    cleo = ChatBook(people["cleo"].seat)
    for body in bodies:
        cleo.receive(body, [people["cleo"].state], 0.0)
    assert [one.text for one in cleo.take(NAMES)] == ["after"]


def test_what_somebody_else_was_in_the_epoch_of_is_not_sealed_again(people: People) -> None:
    ada, _ = books(people)
    write(people, ada, "first", cut_off=True)
    first = people["ada"].state.authenticator
    people.commit("bob")
    write(people, ada, "second", cut_off=True)
    ada.heard_in(first)
    people.commit("bob")
    assert len(again(people, ada, None)) == 1


def test_messages_to_seal_again_are_bounded(people: People) -> None:
    ada, _ = books(people)
    for number in range(OWN_MAX + 3):
        write(people, ada, str(number), cut_off=True)
    people.commit("bob")
    assert len(again(people, ada, TICK)) == OWN_MAX


def test_messages_shown_are_bounded(people: People) -> None:
    ada, _ = books(people)
    for number in range(MESSAGES_MAX + 1):
        write(people, ada, str(number))
    assert len(ada.take(NAMES)) == MESSAGES_MAX + 1
    assert [ada.messages[0].text, ada.messages[-1].text] == ["1", str(MESSAGES_MAX)]
    assert len(ada.messages) == MESSAGES_MAX


def test_a_look_alike_writes_with_a_tag(people: People) -> None:
    ada, bob = books(people)
    names = {**NAMES, people["eve"].seat: "\u0410da"}
    bob.receive(write(people, ada, "hello"), [people["bob"].state], 0.0)
    bob.receive(
        write(people, ChatBook(people["eve"].seat), "hello", by="eve"), [people["bob"].state], 0.0
    )
    assert [one.tag for one in bob.take(names)] == [
        people[one].seat.hex()[:4] for one in ("ada", "eve")
    ]


def test_a_flood_is_cut_and_costs_nobody_else_a_message(people: People) -> None:
    ada, bob = books(people)
    eve = ChatBook(people["eve"].seat)
    listening = people["bob"].state
    now = 100.0
    for number in range(900):
        bob.receive(write(people, eve, f"flood {number}", by="eve"), [listening], now)
        if number % 300 == 0:
            bob.receive(write(people, ada, f"hello {number}"), [listening], now)
        now += 0.1
    assert bob.floods == {people["eve"].seat}
    shown = [one.text for one in bob.take(NAMES)]
    assert [text for text in shown if text.startswith("hello")] == [
        "hello 0",
        "hello 300",
        "hello 600",
    ]
    assert len(shown) <= MESSAGES_BURST + 2 * 90 + 5


def test_nobody_writes_others_messages_away(people: People) -> None:
    ada, bob = books(people)
    eve = ChatBook(people["eve"].seat)
    listening = people["bob"].state
    for number in range(20):
        bob.receive(write(people, ada, f"hello {number}"), [listening], 0.0)
    for number in range(400):
        bob.receive(write(people, eve, "\n" * 4000, by="eve"), [listening], number * 1.0)
        bob.take(NAMES)
    kept = [one for one in bob.messages if one.name == "Ada"]
    assert [one.text for one in kept] == [f"hello {number}" for number in range(20)]
    assert sum(len(one.text.encode()) for one in bob.messages) <= MESSAGES_COST_MAX
    assert len(bob.messages) <= MESSAGES_MAX


def test_nothing_else_is_shown(people: People) -> None:
    ada, bob = books(people)
    state, listening = people["ada"].state, people["bob"].state
    good = codec.decode(Content.read, write(people, ada, "hello"))
    unknown = state.group.seal(b"\x02something", entropy=people.entropy)
    proposal = state.group.propose(
        mls.Add(people.bundle("cleo").key_package), public=False, entropy=people.entropy
    )
    for message in (
        good.message[:-1] + b"x",
        b"",
        unknown,
        proposal,
        people.bundle("x").key_package,
    ):
        bob.receive(Content(state.authenticator, message).encode(), [listening], 0.0)
    bob.receive(b"no record", [listening], 0.0)
    stored = listening.group.stored_references()
    assert bob.take(NAMES) == []
    assert not stored
    bob.receive(good.encode(), [listening], 0.0)
    assert [one.text for one in bob.take(NAMES)] == ["hello"]
