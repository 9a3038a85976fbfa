"""The interop peer against itself: two processes, as another implementation would be held to it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PEER = Path(__file__).with_name("peer.py")
SUITES = (1, 2, 3)
Answer = dict[str, Any]


class Process:
    """A running peer; `client` in each call, the answer checked to be one to it."""

    def __init__(self) -> None:
        self._number = 0
        self._process = subprocess.Popen(
            [sys.executable, str(PEER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def raw(self, line: str) -> Answer:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(line + "\n")
        stdin.flush()
        answer = json.loads(stdout.readline())
        assert isinstance(answer, dict)
        return answer

    def ask(self, op: str, client: str | None = None, **fields: Any) -> Answer:
        self._number += 1
        answer = self.raw(json.dumps({"id": self._number, "op": op, "client": client, **fields}))
        assert answer.pop("id") == self._number
        return answer

    def do(self, op: str, client: str, **fields: Any) -> Answer:
        answer = self.ask(op, client, **fields)
        assert answer.pop("ok") is True, answer
        return answer

    def refused(self, op: str, client: str, **fields: Any) -> str:
        """The error; and that nothing changed, by the saved state."""
        before = self.ask("save", client).get("state")
        answer = self.ask(op, client, **fields)
        assert answer["ok"] is False, answer
        assert set(answer) == {"ok", "error"}
        assert self.ask("save", client).get("state") == before
        return str(answer["error"])

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        assert self._process.wait(timeout=10) == 0
        self._process.stdout.close()


@pytest.fixture(scope="module")
def processes() -> Iterator[tuple[Process, Process]]:
    both = Process(), Process()
    yield both
    for process in both:
        process.close()


CLIENTS = ("alice", "bob", "carol", "x")


@pytest.fixture
def here(processes: tuple[Process, Process]) -> Iterator[Process]:
    yield processes[0]
    for name in CLIENTS:
        processes[0].do("forget", name)


@pytest.fixture
def there(processes: tuple[Process, Process]) -> Iterator[Process]:
    yield processes[1]
    for name in CLIENTS:
        processes[1].do("forget", name)


@pytest.fixture(params=SUITES)
def suite(request: pytest.FixtureRequest) -> int:
    number = request.param
    assert isinstance(number, int)
    return number


TAIL = ("epoch", "epoch_authenticator", "active")


def _agree(*answers: Answer) -> None:
    """All are in one epoch, and hold the same secrets of it."""
    first, *others = ({name: answer[name] for name in TAIL} for answer in answers)
    assert all(other == first for other in others)
    assert len({answer["own_leaf"] for answer in answers}) == len(answers)


def _two(here: Process, there: Process, suite: int, **options: Any) -> None:
    """alice, here, and bob, there, in one group."""
    here.do("key_package", "alice", suite=suite, identity=b"alice".hex())
    package = there.do("key_package", "bob", suite=suite, identity=b"bob".hex(), **options)
    here.do("create", "alice", group_id="0102")
    added = here.do(
        "commit", "alice", proposals=[{"kind": "add", "key_package": package["key_package"]}]
    )
    joined = there.do("join", "bob", welcome=added["welcome"])
    _agree(added, joined)
    assert joined["epoch"] == 1
    assert joined["own_leaf"] == 1


def test_hello(here: Process) -> None:
    answer = here.ask("hello")
    assert answer["ok"] is True
    assert answer["suites"] == [1, 2, 3]
    assert answer["peer"] == "folkmoot"
    assert answer["version"]


@pytest.mark.parametrize("public", [False, True])
def test_messages_both_ways(here: Process, there: Process, suite: int, public: bool) -> None:
    _two(here, there, suite)
    for sender, receiver, by, to in (
        ("alice", "bob", here, there),
        ("bob", "alice", there, here),
    ):
        sent = by.do("send", sender, data=b"hello".hex(), aad=b"aad".hex())
        got = to.do("process", receiver, message=sent["message"])
        assert got["kind"] == "application"
        assert got["wireformat"] == "mls_private_message"
        assert (got["data"], got["aad"]) == (b"hello".hex(), b"aad".hex())
        assert got["sender"] == sent["own_leaf"]
        assert got["action"] == "accept"
        assert "used" in to.refused("process", receiver, message=sent["message"])
        moved = by.do("commit", sender, public=public, aad=b"why".hex())
        assert moved["welcome"] is None
        followed = to.do("process", receiver, message=moved["commit"])
        _agree(moved, followed)
        assert followed["kind"] == "commit"
        assert followed["aad"] == b"why".hex()
        assert followed["sender"] == moved["own_leaf"]
        assert followed["proposals"] == []
        wanted = "mls_public_message" if public else "mls_private_message"
        assert followed["wireformat"] == wanted
    secret = {
        process.do("export", name, label="label", context="00", length=48)["secret"]
        for process, name in ((here, "alice"), (there, "bob"))
    }
    assert len(secret) == 1
    assert len(secret.pop()) == 96


def test_state(here: Process, there: Process, suite: int) -> None:
    _two(here, there, suite)
    ours, theirs = here.do("state", "alice"), there.do("state", "bob")
    assert ours.pop("own_leaf") == 0
    assert theirs.pop("own_leaf") == 1
    assert ours == theirs
    assert ours["tree_hash"] == ours["computed_tree_hash"]
    assert ours["suite"] == suite
    assert [one["identity"] for one in ours["members"]] == [b"alice".hex(), b"bob".hex()]
    assert [one["leaf"] for one in ours["members"]] == [0, 1]


def test_look_and_leave_it(here: Process, there: Process, suite: int) -> None:
    _two(here, there, suite)
    before = there.do("save", "bob")["state"]
    for message in (
        here.do("commit", "alice", merge=False)["commit"],
        here.do("send", "alice", data="00")["message"],
        here.do("propose", "alice", proposal={"kind": "remove", "leaf": 1})["message"],
    ):
        looked = there.do("process", "bob", message=message, reject=True)
        assert looked["action"] == "reject"
        assert looked["epoch"] == 1
        assert there.do("save", "bob")["state"] == before


def test_nothing_is_sent_while_proposals_wait(here: Process, there: Process, suite: int) -> None:
    _two(here, there, suite)
    told = there.do("propose", "bob", proposal={"kind": "remove", "leaf": 0})
    here.do("process", "alice", message=told["message"])
    assert "(check 263, §12.4)" in here.ask("send", "alice", data="00")["error"]
    assert "(check 263, §12.4)" in there.ask("send", "bob", data="00")["error"]


def test_merge_and_discard(here: Process, there: Process, suite: int) -> None:
    _two(here, there, suite)
    made = here.do("commit", "alice", merge=False)
    assert made["epoch"] == 1
    assert "pending" in here.ask("commit", "alice")["error"]
    assert here.do("discard", "alice")["epoch"] == 1
    assert "pending" in here.refused("merge", "alice")
    made = here.do("commit", "alice", merge=False)
    _agree(here.do("merge", "alice"), there.do("process", "bob", message=made["commit"]))


@pytest.mark.parametrize("public", [False, True])
def test_proposals_by_reference(here: Process, there: Process, suite: int, public: bool) -> None:
    _two(here, there, suite)
    package = there.do("key_package", "carol", suite=suite)
    add = {"kind": "add", "key_package": package["key_package"]}
    told = there.do("propose", "bob", proposal=add, public=public, aad="0a")
    got = here.do("process", "alice", message=told["message"])
    assert got["kind"] == "proposal"
    assert got["aad"] == "0a"
    assert got["sender"] == 1
    assert got["proposals"] == [{"type": "add", "sender": 1}]
    moved = here.do("commit", "alice", public=public)
    followed = there.do("process", "bob", message=moved["commit"])
    assert followed["proposals"] == [{"type": "add", "sender": 1}]
    _agree(moved, followed, there.do("join", "carol", welcome=moved["welcome"]))


def test_removal(here: Process, there: Process, suite: int) -> None:
    _two(here, there, suite)
    moved = here.do("commit", "alice", proposals=[{"kind": "remove", "leaf": 1}])
    gone = there.do("process", "bob", message=moved["commit"])
    assert gone["proposals"] == [{"type": "remove", "sender": 0, "removed": 1}]
    assert gone["active"] == "removedFromGroup"
    assert gone["epoch"] == 1
    assert moved["epoch"] == 2
    assert "removed" in there.refused("send", "bob", data="00")
    assert there.do("state", "bob")["active"] == "removedFromGroup"


def test_psk_extensions_and_custom(here: Process, there: Process, suite: int) -> None:
    kinds = {"extension_types": [0xF0F1], "proposal_types": [0xF0F2]}
    here.do("key_package", "alice", suite=suite, **kinds)
    package = there.do("key_package", "bob", suite=suite, **kinds)
    here.do("create", "alice", group_id="", extensions=[{"type": 0xF0F1, "data": "01"}])
    for process, name in ((here, "alice"), (there, "bob")):
        process.do("add_psk", name, psk_id="aa", psk="bb")
    added = here.do(
        "commit",
        "alice",
        proposals=[
            {"kind": "add", "key_package": package["key_package"]},
            {"kind": "psk", "psk_id": "aa"},
        ],
        tree_extension=False,
    )
    assert "tree" in there.refused("join", "bob", welcome=added["welcome"])
    joined = there.do("join", "bob", welcome=added["welcome"], ratchet_tree=added["ratchet_tree"])
    _agree(added, joined)
    moved = there.do(
        "commit",
        "bob",
        proposals=[
            {"kind": "gce", "extensions": [{"type": 0xF0F1, "data": "02"}]},
            {"kind": "custom", "type": 0xF0F2, "data": "c0de"},
            {"kind": "psk", "psk_id": "aa"},
        ],
    )
    followed = here.do("process", "alice", message=moved["commit"])
    _agree(moved, followed)
    assert followed["proposals"] == [
        {"type": "group_context_extensions", "sender": 1},
        {"type": 0xF0F2, "sender": 1, "data": "c0de"},
        {"type": "psk", "sender": 1},
    ]
    assert here.do("state", "alice")["extensions"] == [{"type": 0xF0F1, "data": "02"}]
    missing = [{"kind": "psk", "psk_id": "ab"}]
    assert "pre-shared" in here.refused("commit", "alice", proposals=missing)


def test_external_join_and_resync(here: Process, there: Process, suite: int) -> None:
    _two(here, there, suite)
    there.do("key_package", "carol", suite=suite)
    told = here.do("group_info", "alice", tree_extension=False)
    assert "tree" in there.refused("external_join", "carol", group_info=told["group_info"])
    carol = there.do(
        "external_join",
        "carol",
        group_info=told["group_info"],
        ratchet_tree=told["ratchet_tree"],
        aad="0c",
    )
    alice = here.do("process", "alice", message=carol["commit"])
    bob = there.do("process", "bob", message=carol["commit"])
    _agree(alice, bob, carol)
    assert alice["sender"] is None
    assert alice["aad"] == "0c"
    assert alice["proposals"] == [{"type": "external_init", "sender": None}]
    told = here.do("group_info", "alice")
    again = there.do("external_join", "carol", group_info=told["group_info"], resync=True)
    alice = here.do("process", "alice", message=again["commit"])
    assert {"type": "remove", "sender": None, "removed": 2} in alice["proposals"]
    _agree(alice, again, there.do("process", "bob", message=again["commit"]))
    assert len(here.do("state", "alice")["members"]) == 3


def test_save_and_load(here: Process, there: Process, suite: int) -> None:
    _two(here, there, suite)
    late = here.do("send", "alice", data="0a")["message"]
    moved = here.do("commit", "alice")
    there.do("process", "bob", message=moved["commit"])
    saved = there.do("save", "bob")["state"]
    there.do("forget", "bob")
    assert there.ask("state", "bob")["ok"] is False
    loaded = there.do("load", "bob", state=saved)
    _agree(moved, loaded)
    assert there.do("process", "bob", message=late)["data"] == "0a"  # of an epoch that is retained
    moved = there.do("commit", "bob")
    _agree(moved, here.do("process", "alice", message=moved["commit"]))


def test_epochs_that_are_not_retained(here: Process, there: Process, suite: int) -> None:
    _two(here, there, suite, retain_epochs=0)
    late = here.do("send", "alice", data="0a")["message"]
    moved = here.do("commit", "alice")
    there.do("process", "bob", message=moved["commit"])
    assert "epoch" in there.refused("process", "bob", message=late)


def test_what_fails_changes_nothing(here: Process, there: Process, suite: int) -> None:
    _two(here, there, suite)
    moved = here.do("commit", "alice", merge=False)["commit"]
    sent = here.do("send", "alice", data="00")["message"]
    for message in (moved, sent):
        for position in range(0, len(message), 26):
            torn = (
                message[:position] + f"{int(message[position], 16) ^ 1:x}" + message[position + 1 :]
            )
            there.refused("process", "bob", message=torn)
        there.refused("process", "bob", message=message[:-2])
    assert there.do("process", "bob", message=sent)["data"] == "00"
    there.do("process", "bob", message=moved)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "[]",
        "null",
        '{"op":"hello2","client":"x"}',
        '{"op":"state"}',
        '{"op":"state","client":"nobody"}',
        '{"op":"join","client":"nobody","welcome":"00"}',
        '{"op":"key_package","client":"x","suite":4}',
        '{"op":"key_package","client":"x","identity":"0"}',
        '{"op":"key_package","client":"x","extensions":[{"type":70000}]}',
        '{"op":"load","client":"x","state":"00"}',
        '{"op":["state"],"client":{}}',
    ],
)
def test_lines_that_are_no_requests(here: Process, line: str) -> None:
    if line:
        answer = here.raw(line)
        assert answer["ok"] is False
        assert answer["error"]
    assert here.ask("state", "x")["ok"] is False
    assert here.ask("hello")["ok"] is True
