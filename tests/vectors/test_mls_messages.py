"""The official messages vectors: whatever decodes encodes to the same bytes."""

from __future__ import annotations

from collections.abc import Callable

from folkmoot.mls import framing, proposals
from folkmoot.mls.commit import Commit
from folkmoot.mls.message import decode_message, encode_message, wire_format_of
from folkmoot.mls.tree import RatchetTree
from folkmoot.mls.welcome import GroupSecrets
from folkmoot.wire import codec
from vectors import vectors

MESSAGES = {
    "mls_welcome": framing.WELCOME,
    "mls_group_info": framing.GROUP_INFO,
    "mls_key_package": framing.KEY_PACKAGE,
    "public_message_application": framing.PUBLIC_MESSAGE,
    "public_message_proposal": framing.PUBLIC_MESSAGE,
    "public_message_commit": framing.PUBLIC_MESSAGE,
    "private_message": framing.PRIVATE_MESSAGE,
}


def _again(read: Callable[[codec.Reader], object], data: bytes) -> bytes:
    encode = codec.decode(read, data).encode  # type: ignore[attr-defined]
    encoded = encode()
    assert isinstance(encoded, bytes)
    return encoded


STRUCTS: dict[str, Callable[[codec.Reader], object]] = {
    "ratchet_tree": RatchetTree.read,
    "group_secrets": GroupSecrets.read,
    "add_proposal": proposals.Add.read,
    "update_proposal": proposals.Update.read,
    "remove_proposal": proposals.Remove.read,
    "pre_shared_key_proposal": proposals.PreSharedKey.read,
    "re_init_proposal": proposals.ReInit.read,
    "external_init_proposal": proposals.ExternalInit.read,
    "group_context_extensions_proposal": proposals.GroupContextExtensions.read,
    "commit": Commit.read,
}


def test_every_field_is_read() -> None:
    for case in vectors.load("messages"):
        assert set(case) == set(MESSAGES) | set(STRUCTS)


def test_messages() -> None:
    for case in vectors.load("messages"):
        for name, wire_format in MESSAGES.items():
            data = vectors.unhex(case[name])
            body = decode_message(data)
            assert wire_format_of(body) == wire_format, name
            assert encode_message(body) == data, name


def test_structs() -> None:
    for case in vectors.load("messages"):
        for name, read in STRUCTS.items():
            data = vectors.unhex(case[name])
            assert _again(read, data) == data, name
