"""Every way in which RFC 9420 says no: one family of errors, each naming the check that failed."""

from __future__ import annotations

import enum


class UsageError(ValueError):
    """Our own caller asked for something that makes no sense."""


class Check(enum.Enum):
    """The checks by name: (number, section of RFC 9420, sentence). Numbers are never reused."""

    DECODE = (1, "§2.1", "the bytes do not decode")
    VERSION = (2, "§6", "not a message of mls10")
    SUITE = (3, "§17.1", "a cipher suite that is not supported")
    PUBLIC_KEY = (4, "§5.1.1", "not a public key of the suite")
    PRIVATE_KEY = (5, "§5.1.1", "not a private key of the suite")
    HPKE_OPEN = (6, "§5.1.3", "an HPKE ciphertext that does not open")
    AEAD_OPEN = (7, "§6.3", "a ciphertext that does not open")
    GROUP_ID = (20, "§6", "a message of another group")
    EPOCH = (21, "§6", "a message of another epoch")
    SENDER = (22, "§6.1", "a sender that may not send this")
    SIGNATURE = (23, "§6.1", "a signature that does not verify")
    MEMBERSHIP_TAG = (24, "§6.2", "a membership tag that does not verify")
    CONFIRMATION_TAG_MISSING = (25, "§6.1", "a commit without a tag, or a tag elsewhere")
    PUBLIC_APPLICATION = (26, "§6.2", "application data in a PublicMessage")
    PADDING = (27, "§6.3.1", "padding that is not zero")
    SENDER_DATA = (28, "§6.3.2", "sender data that do not open")
    REUSE_GUARD = (29, "§6.3.1", "a reuse guard of the wrong size")
    GENERATION_USED = (30, "§9.1", "a generation whose key was used or dropped already")
    GENERATION_FAR = (31, "§9.1", "a generation too far ahead")
    GENERATION_EXHAUSTED = (32, "§9.1", "no generation is left")
    SENDER_BLANK = (33, "§6.3", "a sender that is not in the tree")
    OWN_MESSAGE = (34, "§6.3", "our own message, whose key is gone")
    WIRE_FORMAT = (35, "§6", "not the kind of message that is wanted here")
    PSK = (40, "§8.4", "pre-shared keys that cannot be combined")
    PSK_UNKNOWN = (41, "§8.4", "a pre-shared key that we do not have")
    CONFIRMATION_TAG = (42, "§8.1", "a confirmation tag that does not verify")
    LEAF_NODE = (60, "§7.3", "a leaf node that is not valid")
    LEAF_LIFETIME = (61, "§7.2", "a leaf node out of its lifetime")
    LEAF_CAPABILITIES = (62, "§7.2", "a leaf node without a capability that is wanted")
    LEAF_KEYS = (63, "§7.3", "a key of a leaf node that is not unique")
    LEAF_SOURCE = (64, "§7.3", "a leaf node from the wrong source")
    LEAF_SIGNATURE = (65, "§7.3", "a leaf node whose signature does not verify")
    EXTENSIONS = (66, "§13.4", "extensions that are not valid")
    KEY_PACKAGE = (80, "§10.1", "a key package that is not valid")
    KEY_PACKAGE_SIGNATURE = (81, "§10.1", "a key package whose signature does not verify")
    TREE = (100, "§12.4.3.1", "a ratchet tree that is not valid")
    TREE_HASH = (101, "§7.8", "a tree hash that differs")
    PARENT_HASH = (102, "§7.9", "a parent hash that differs")
    UNMERGED_LEAVES = (103, "§12.4.3.1", "unmerged leaves that are not valid")
    PATH = (110, "§7.5", "an update path that is not valid")
    PATH_KEYS = (111, "§12.4.2", "an update path with a key that is in the tree already")
    PATH_SECRET = (112, "§7.5", "a path secret that does not fit its public key")
    PATH_REQUIRED = (113, "§12.4", "a commit without the path that it needs")
    PROPOSAL = (120, "§12.1", "a proposal that is not valid")
    PROPOSAL_LIST = (121, "§12.2", "a list of proposals that is not valid")
    PROPOSAL_UNKNOWN = (122, "§12.4.2", "a proposal by reference that we do not have")
    PROPOSAL_TYPE = (123, "§12.1.7", "a type of proposal that not all members support")
    COMMIT = (130, "§12.4.2", "a commit that is not valid")
    COMMIT_OWN_UPDATE = (131, "§12.2", "a commit of its committer's own update")
    COMMIT_OWN_REMOVE = (132, "§12.2", "a commit that removes its committer")
    EXTERNAL_COMMIT = (133, "§12.4.3.2", "an external commit that is not valid")
    GROUP_INFO = (140, "§12.4.3", "a GroupInfo that is not valid")
    GROUP_INFO_SIGNATURE = (141, "§12.4.3", "a GroupInfo whose signature does not verify")
    WELCOME = (150, "§12.4.3.1", "a Welcome that is not valid")
    WELCOME_NOT_OURS = (151, "§12.4.3.1", "a Welcome that is for somebody else")
    STALE = (160, "§12.4.2", "a staged commit whose parent is no longer current")
    REMOVED = (161, "§12.3", "we are no longer in this group")
    SAVED_STATE = (170, "§2.1", "a saved state that does not load")

    @property
    def number(self) -> int:
        return self.value[0]

    @property
    def section(self) -> str:
        return self.value[1]

    @property
    def sentence(self) -> str:
        return self.value[2]


class MlsError(ValueError):
    """What arrived is refused; `check` says by which check, and nothing has changed."""

    def __init__(self, check: Check, detail: str = "") -> None:
        super().__init__(check, detail)
        self.check = check
        self.detail = detail

    def __str__(self) -> str:
        told = f": {self.detail}" if self.detail else ""
        return f"{self.check.sentence}{told} (check {self.check.number}, {self.check.section})"


class MalformedError(MlsError):
    """The bytes do not decode, or not to what is wanted here."""


class CryptoError(MlsError):
    """A key, a signature, a tag or a ciphertext is wrong."""


class FramingError(MlsError):
    """The frame around a message is wrong: group, epoch, sender, padding."""


class GenerationError(MlsError):
    """A message whose key is gone, or is too far ahead to be derived."""


class ValidationError(MlsError):
    """A leaf node, key package, tree, proposal, commit or Welcome breaks a rule of RFC 9420."""


class StateError(MlsError):
    """Right in itself, but not for the state that we are in."""
