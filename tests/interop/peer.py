"""Our MLS behind JSON lines, so that any other MLS can be held against it.

    python tests/interop/peer.py

One request a line on standard input, one answer a line on standard output: `{"id", "op", "client",
…}` gives `{"id", "ok": true, …}` or `{"id", "ok": false, "error"}`. One process holds any number of
named clients. Bytes are lower-case hex, MLS objects framed as MLSMessages except the ratchet tree.
A failed request changes nothing.
"""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from importlib import metadata
from typing import Any, TextIO

from folkmoot import mls
from folkmoot.mls.framing import COMMIT, PrivateMessage, PublicMessage
from folkmoot.mls.message import decode_message, wire_format_of

Request = dict[str, Any]
Answer = dict[str, Any]

_KINDS = "add update remove psk reinit external_init group_context_extensions"
PROPOSAL_NAMES = dict(enumerate(_KINDS.split(), 1))
WIRE_FORMAT_NAMES = {1: "mls_public_message", 2: "mls_private_message"}
CLIENTS_MAX = 4096
KEY_PACKAGES_MAX = 64  # of one client; the oldest go first
LINE_BYTES_MAX = 1 << 26


class RequestError(ValueError):
    """A request that makes no sense here."""


def unhex(request: Request, name: str, default: bytes | None = None) -> bytes:
    """The bytes in a field of a request."""
    value = request.get(name)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        raise RequestError(f"{name} is missing")
    try:
        return bytes.fromhex(value)
    except ValueError:
        raise RequestError(f"{name} is not hex") from None


def ratchet_tree(request: Request) -> bytes | None:
    return None if request.get("ratchet_tree") is None else unhex(request, "ratchet_tree")


def number(request: Request, name: str, default: int | None = None) -> int:
    """The whole number in a field of a request, 0 or more."""
    value = request.get(name, default)
    if type(value) is not int or value < 0:
        raise RequestError(f"{name} is not a number")
    return value


def read_extensions(items: Iterable[Request] | None) -> list[mls.Extension]:
    return [mls.Extension(number(item, "type"), unhex(item, "data", b"")) for item in items or ()]


def show_proposal(proposal: mls.Proposal, sender: int | None) -> Answer:
    name = PROPOSAL_NAMES.get(proposal.type, proposal.type)
    shown: Answer = {"type": name, "sender": sender}
    if isinstance(proposal, mls.Remove):
        shown["removed"] = proposal.leaf
    if isinstance(proposal, mls.Custom):
        shown["data"] = proposal.data.hex()
    return shown


@dataclass(frozen=True)
class Client:
    """One client; a request that succeeds gives the next one, a request that fails gives none."""

    suite: int = 1
    bundles: tuple[mls.KeyPackageBundle, ...] = ()  # the newest first
    psks: dict[bytes, bytes] = field(default_factory=dict)
    retain_epochs: int = 1
    group: mls.Group | None = None
    pending: mls.Staged | None = None
    earlier: tuple[mls.Group, ...] = ()  # the newest first
    removed: bool = False

    def any_group(self) -> mls.Group:
        if self.group is None:
            raise RequestError("not in a group: create or join one first")
        return self.group

    def active_group(self) -> mls.Group:
        if self.removed:
            raise RequestError("removed from the group")
        return self.any_group()

    def newest(self) -> mls.KeyPackageBundle:
        if not self.bundles:
            raise RequestError("no key package: make one first")
        return self.bundles[0]

    def entered(self, group: mls.Group) -> Client:
        """In a group that it was not in before."""
        return replace(self, group=group, pending=None, earlier=(), removed=False)

    def merged(self, staged: mls.Staged) -> Client:
        """Where a commit leads."""
        before = self.active_group()
        if staged.self_removed:
            return replace(self, removed=True, pending=None)
        earlier = (before, *self.earlier)[: self.retain_epochs]
        return replace(self, group=staged.merge(), pending=None, earlier=earlier)

    def tail(self) -> Answer:
        """What every answer of an operation on a group ends with."""
        group = self.any_group()
        return {
            "epoch": group.epoch,
            "epoch_authenticator": group.epoch_authenticator.hex(),
            "own_leaf": group.own_leaf,
            "active": "removedFromGroup" if self.removed else "active",
        }


Result = tuple[Client, Answer]


def key_package(client: Client, request: Request) -> Result:
    suite = number(request, "suite", 1)
    bundle = mls.create_key_package(
        suite,
        unhex(request, "identity", str(request.get("client")).encode()),
        secrets.token_bytes,
        leaf_extensions=read_extensions(request.get("leaf_extensions")),
        extensions=read_extensions(request.get("extensions")),
        extension_types=request.get("extension_types") or (),
        proposal_types=request.get("proposal_types") or (),
    )
    after = replace(
        client,
        suite=suite,
        bundles=(bundle, *client.bundles)[:KEY_PACKAGES_MAX],
        retain_epochs=number(request, "retain_epochs", 1),
    )
    return after, {"key_package": bundle.key_package.hex(), "ref": bundle.ref.hex()}


def add_psk(client: Client, request: Request) -> Result:
    psk_id, psk = unhex(request, "psk_id"), unhex(request, "psk")
    if client.group is not None:
        client.group.add_psk(psk_id, psk)  # cannot fail after this
    return replace(client, psks={**client.psks, psk_id: psk}), {}


def create(client: Client, request: Request) -> Result:
    group = mls.Group.create(
        client.suite,
        unhex(request, "group_id"),
        client.newest(),
        read_extensions(request.get("extensions")),
        entropy=secrets.token_bytes,
    )
    for psk_id, psk in client.psks.items():
        group.add_psk(psk_id, psk)
    return client.entered(group), {}


def join(client: Client, request: Request) -> Result:
    welcome, tree = unhex(request, "welcome"), ratchet_tree(request)
    client.newest()
    for bundle in client.bundles:
        try:
            group = mls.Group.join(welcome, bundle, ratchet_tree=tree, psks=client.psks)
        except mls.MlsError as error:
            if error.check is not mls.Check.WELCOME_NOT_OURS:
                raise
        else:
            return client.entered(group), {}
    raise mls.StateError(mls.Check.WELCOME_NOT_OURS)


def external_join(client: Client, request: Request) -> Result:
    group, commit = mls.Group.external_join(
        unhex(request, "group_info"),
        client.newest(),
        ratchet_tree=ratchet_tree(request),
        resync=bool(request.get("resync")),
        psks=client.psks,
        authenticated_data=unhex(request, "aad", b""),
        entropy=secrets.token_bytes,
    )
    return client.entered(group), {"commit": commit.hex()}


def read_proposal(group: mls.Group, item: Request) -> mls.Proposal:
    kind = item.get("kind")
    if kind == "add":
        return mls.Add(unhex(item, "key_package"))
    if kind == "remove":
        return mls.Remove(number(item, "leaf"))
    if kind == "psk":
        return group.external_psk(unhex(item, "psk_id"), secrets.token_bytes)
    if kind == "gce":
        return mls.GroupContextExtensions(read_extensions(item.get("extensions")))
    if kind == "custom":
        return mls.Custom(number(item, "type"), unhex(item, "data", b""))
    raise RequestError(f"no kind {kind!r} of proposal is known")


def commit(client: Client, request: Request) -> Result:
    group = client.active_group()
    if client.pending is not None:
        raise RequestError("a commit is pending: merge or discard it first")
    created = group.commit(
        [read_proposal(group, item) for item in request.get("proposals") or ()],
        authenticated_data=unhex(request, "aad", b""),
        public=bool(request.get("public")),
        tree_extension=bool(request.get("tree_extension", True)),
        group_info_extensions=read_extensions(request.get("group_info_extensions")),
        include_stored=True,
        entropy=secrets.token_bytes,
    )
    after = created.staged.group
    assert after is not None  # nobody commits its own removal
    answer = {
        "commit": created.message.hex(),
        "welcome": created.welcome and created.welcome.hex(),
        "ratchet_tree": after.ratchet_tree().hex(),
    }
    if request.get("merge", True):
        return client.merged(created.staged), answer
    return replace(client, pending=created.staged), answer


def _pending(client: Client) -> mls.Staged:
    if client.pending is None:
        raise RequestError("no commit is pending")
    return client.pending


def merge(client: Client, request: Request) -> Result:
    return client.merged(_pending(client)), {}


def discard(client: Client, request: Request) -> Result:
    _pending(client)
    return replace(client, pending=None), {}


def propose(client: Client, request: Request) -> Result:
    group = client.active_group()
    item = request.get("proposal")
    if not isinstance(item, dict):
        raise RequestError("proposal is missing")
    message = group.propose(
        read_proposal(group, item),
        public=bool(request.get("public")),
        authenticated_data=unhex(request, "aad", b""),
        entropy=secrets.token_bytes,
    )
    return client, {"message": message.hex()}


def send(client: Client, request: Request) -> Result:
    message = client.active_group().seal(
        unhex(request, "data"), unhex(request, "aad", b""), entropy=secrets.token_bytes
    )
    return client, {"message": message.hex()}


def process(client: Client, request: Request) -> Result:
    message, look = unhex(request, "message"), bool(request.get("reject"))
    group = client.active_group()
    body = decode_message(message)
    answer: Answer = {
        "wireformat": WIRE_FORMAT_NAMES.get(wire_format_of(body)),
        "action": "reject" if look else "accept",
    }
    if isinstance(body, PublicMessage | PrivateMessage):
        frame = body.content if isinstance(body, PublicMessage) else body
        if frame.content_type == COMMIT:
            staged = group.stage(message)
            answer |= {"kind": "commit", "sender": staged.committer}
            answer["aad"] = staged.authenticated_data.hex()
            answer["proposals"] = [show_proposal(*one) for one in staged.proposals]
            return client if look else client.merged(staged), answer
        group = next((one for one in client.earlier if one.epoch == frame.epoch), group)
    if look:
        group = mls.Group.load(group.save())
    received = group.receive(message)
    answer["aad"] = received.authenticated_data.hex()
    if isinstance(received, mls.Application):
        answer |= {"kind": "application", "sender": received.sender_leaf, "proposals": []}
        answer["data"] = received.data.hex()
    else:
        answer |= {"kind": "proposal", "sender": received.sender}
        answer["proposals"] = [show_proposal(received.proposal, received.sender)]
    return client, answer


def export(client: Client, request: Request) -> Result:
    label = request.get("label")
    if not isinstance(label, str):
        raise RequestError("label is missing")
    secret = client.any_group().export(
        label, unhex(request, "context", b""), number(request, "length", 32)
    )
    return client, {"secret": secret.hex()}


def group_info(client: Client, request: Request) -> Result:
    group = client.active_group()
    info = group.group_info(
        tree_extension=bool(request.get("tree_extension", True)),
        extensions=read_extensions(request.get("extensions")),
    )
    return client, {"group_info": info.hex(), "ratchet_tree": group.ratchet_tree().hex()}


def state(client: Client, request: Request) -> Result:
    group = client.any_group()
    hashes = ("tree_hash", "confirmed_transcript_hash", "confirmation_tag", "resumption_psk")
    told = ("identity", "signature_key", "encryption_key")
    return client, {
        "group_id": group.group_id.hex(),
        "suite": group.suite,
        "computed_tree_hash": group.computed_tree_hash().hex(),
        **{name: getattr(group, name).hex() for name in hashes},
        "members": [
            {"leaf": member.leaf} | {name: getattr(member, name).hex() for name in told}
            for member in group.members()
        ],
        "extensions": [
            {"type": extension.type, "data": extension.data.hex()} for extension in group.extensions
        ],
    }


def save(client: Client, request: Request) -> Result:
    if client.pending is not None:
        raise RequestError("a commit is pending: merge or discard it first")
    saved = {
        "suite": client.suite,
        "retain_epochs": client.retain_epochs,
        "removed": client.removed,
        "bundles": [bundle.encode().hex() for bundle in client.bundles],
        "psks": [(psk_id.hex(), psk.hex()) for psk_id, psk in client.psks.items()],
        "groups": [one.save().hex() for one in (client.any_group(), *client.earlier)],
    }
    return client, {"state": json.dumps(saved).encode().hex()}


def load(client: Client, request: Request) -> Result:
    saved = json.loads(unhex(request, "state"))
    group, *earlier = (mls.Group.load(bytes.fromhex(one)) for one in saved["groups"])
    bundles = [mls.KeyPackageBundle.decode(bytes.fromhex(one)) for one in saved["bundles"]]
    psks = {bytes.fromhex(psk_id): bytes.fromhex(psk) for psk_id, psk in saved["psks"]}
    retain_epochs, removed = saved["retain_epochs"], saved["removed"]
    loaded = Client(
        saved["suite"], tuple(bundles), psks, retain_epochs, group, None, tuple(earlier), removed
    )
    return loaded, {}


_ON_GROUP = (create, join, external_join, commit, merge, discard, propose, send, process, export)
# Operations on a group, whose answers say where the client is then.
ON_GROUP: dict[str, Callable[[Client, Request], Result]] = {
    one.__name__: one for one in (*_ON_GROUP, group_info, state, save, load)
}
ON_CLIENT: dict[str, Callable[[Client, Request], Result]] = {
    one.__name__: one for one in (key_package, add_psk)
}


class Peer:
    """All clients of this process."""

    def __init__(self) -> None:
        self.clients: dict[str, Client] = {}

    def perform(self, request: Request) -> Answer:
        """One operation; raises whatever is wrong, and then nothing has changed."""
        operation = request.get("op")
        if operation == "hello":
            version = metadata.version("folkmoot")
            return {"peer": "folkmoot", "version": version, "suites": [1, 2, 3]}
        name = request.get("client")
        if not isinstance(name, str):
            raise RequestError("client is missing")
        if operation == "forget":
            self.clients.pop(name, None)
            return {}
        handler = ON_GROUP.get(str(operation)) or ON_CLIENT.get(str(operation))
        if handler is None:
            raise RequestError(f"no operation {operation!r} is known")
        if name not in self.clients and len(self.clients) >= CLIENTS_MAX:
            raise RequestError(f"more than {CLIENTS_MAX} clients")
        after, answer = handler(self.clients.get(name, Client()), request)
        if operation in ON_GROUP:
            answer = answer | after.tail()
        self.clients[name] = after
        return answer

    def answer(self, line: str) -> str:
        """The answer to one line; never raises."""
        request: Any = None
        try:
            request = json.loads(line)
            if not isinstance(request, dict):
                raise RequestError("a request is an object")
            done: Answer = {"ok": True, **self.perform(request)}
        except Exception as error:  # whatever a request does, the peer stays for the next one
            done = {"ok": False, "error": f"{type(error).__name__}: {error}"}
        given = request.get("id") if isinstance(request, dict) else None
        return json.dumps({"id": given, **done})


def serve(source: TextIO, sink: TextIO) -> None:
    """Answers line by line until the input ends."""
    peer = Peer()
    while line := source.readline(LINE_BYTES_MAX):
        if line.strip():
            sink.write(peer.answer(line) + "\n")
            sink.flush()


if __name__ == "__main__":
    serve(sys.stdin, sys.stdout)
