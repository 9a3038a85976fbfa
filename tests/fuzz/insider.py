"""A member who holds the group's secrets, and frames, seals and signs whatever it likes."""

from __future__ import annotations

from collections.abc import Callable

from folkmoot import mls
from folkmoot.mls import protection
from folkmoot.mls.commit import Commit
from folkmoot.mls.framing import (
    COMMIT,
    PRIVATE_MESSAGE,
    PUBLIC_MESSAGE,
    REUSE_GUARD_BYTES,
    Content,
    FramedContent,
    PrivateMessage,
    Sender,
    SenderData,
    encode_auth,
)
from folkmoot.mls.message import encode_message
from folkmoot.mls.secret_tree import SecretTree
from folkmoot.wire import codec

Entropy = Callable[[int], bytes]


class Insider:
    """A group's member as it is now."""

    def __init__(self, group: mls.Group, entropy: Entropy, *, keeps_keys: bool = True) -> None:
        """`keeps_keys`: nothing here uses up a key of the group, so that all messages are under the
        same one; else each is under the next, as those of an honest member are."""
        self.epoch = group._epoch
        self._entropy = entropy
        self._keeps_keys = keeps_keys

    def _secrets(self) -> SecretTree:
        tree, suite = self.epoch.secret_tree, self.epoch.suite
        if not self._keeps_keys:
            return tree
        return codec.decode(lambda reader: SecretTree.read(suite, reader), tree.encode())

    def send(
        self,
        body: Content,
        *,
        public: bool,
        authenticated_data: bytes = b"",
        tag: bytes = bytes(32),
    ) -> bytes:
        """A message with any content, signed; a commit's confirmation tag is `tag`."""
        epoch = self.epoch
        context = epoch.context
        sender = Sender.member(epoch.own_leaf)
        content = FramedContent(context.group_id, context.epoch, sender, authenticated_data, body)
        return self.send_content(content, public=public, tag=tag)

    def send_content(
        self, content: FramedContent, *, public: bool, tag: bytes = bytes(32)
    ) -> bytes:
        """A message with any frame, signed by us."""
        epoch = self.epoch
        wire_format = PUBLIC_MESSAGE if public else PRIVATE_MESSAGE
        suite, context = epoch.suite, epoch.context_bytes
        signed = protection.sign(suite, wire_format, content, epoch.signer, context)
        if isinstance(content.body, Commit):
            signed = protection.with_confirmation_tag(signed, tag)
        if public:
            key = epoch.secrets.membership_key
            return encode_message(protection.protect_public(suite, signed, key, context))
        secret = epoch.secrets.sender_data_secret
        return encode_message(
            protection.protect_private(suite, signed, secret, self._secrets(), self._entropy)
        )

    def seal(self, content_type: int, sender_data: bytes, plaintext: bytes) -> bytes:
        """A PrivateMessage with any bytes for its sender data and its plaintext, under our next
        key."""
        epoch = self.epoch
        suite, context = epoch.suite, epoch.context
        key = self._secrets().next(epoch.own_leaf, protection.ratchet_of(content_type))
        frame = PrivateMessage(context.group_id, context.epoch, content_type, b"", b"", b"")
        guard = sender_data[-REUSE_GUARD_BYTES:].rjust(REUSE_GUARD_BYTES, b"\0")
        head = bytes(a ^ b for a, b in zip(key.nonce, guard, strict=False))
        nonce = head + key.nonce[REUSE_GUARD_BYTES:]
        ciphertext = suite.aead_seal(key.key, nonce, frame.content_aad(), plaintext)
        data_key, data_nonce = protection.sender_data_key_and_nonce(
            suite, epoch.secrets.sender_data_secret, ciphertext
        )
        sealed = suite.aead_seal(data_key, data_nonce, frame.sender_data_aad(), sender_data)
        return encode_message(
            PrivateMessage(context.group_id, context.epoch, content_type, b"", sealed, ciphertext)
        )

    def sender_data(self, content_type: int) -> bytes:
        """Honest sender data of our next message."""
        leaf = self.epoch.own_leaf
        key = self._secrets().next(leaf, protection.ratchet_of(content_type))
        return SenderData(leaf, key.generation, bytes(REUSE_GUARD_BYTES)).encode()

    def plaintext(self, content_type: int, content: bytes) -> bytes:
        """`content`, already encoded, with a signature that holds if it decodes to itself."""
        epoch = self.epoch
        head = (
            codec.opaque(epoch.context.group_id)
            + codec.u64(epoch.context.epoch)
            + Sender.member(epoch.own_leaf).encode()
            + codec.opaque(b"")
            + codec.u8(content_type)
        )
        signed = codec.u16(1) + codec.u16(PRIVATE_MESSAGE) + head + content + epoch.context_bytes
        signature = epoch.suite.sign_with_label(epoch.signer, "FramedContentTBS", signed)
        return content + encode_auth(signature, bytes(32) if content_type == COMMIT else None)
