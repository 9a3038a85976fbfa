"""Every way in which RFC 9420 says no: one family of errors, each naming the check that failed."""

from __future__ import annotations

import enum


class UsageError(ValueError):
    """Our own caller asked for something that makes no sense."""


class Check(enum.Enum):
    """The checks by name: (number, section of RFC 9420, sentence). Numbers are never reused.

    protocol/CHECKS.md lists them all with their tests, and what of the RFC each of them keeps.
    """

    DECODE = (1, "§2.1", "the bytes do not decode")
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
    PUBLIC_APPLICATION = (26, "§6.2", "application data in a PublicMessage")
    PADDING = (27, "§6.3.1", "padding that is not zero")
    SENDER_DATA = (28, "§6.3.2", "sender data that do not open")
    GENERATION_USED = (30, "§9.1", "a generation whose key was used or dropped already")
    GENERATION_FAR = (31, "§9.1", "a generation too far ahead")
    GENERATION_EXHAUSTED = (32, "§9.1", "no generation is left")
    SENDER_BLANK = (33, "§6.3", "a sender that is not in the tree")
    OWN_MESSAGE = (34, "§6.3", "our own message, whose key is gone")
    WIRE_FORMAT = (35, "§6", "not the kind of message that is wanted here")
    PSK = (40, "§8.4", "pre-shared keys that cannot be combined")
    PSK_UNKNOWN = (41, "§8.4", "a pre-shared key that we do not have")
    CONFIRMATION_TAG = (42, "§8.1", "a confirmation tag that does not verify")
    LEAF_LIFETIME = (61, "§7.2", "a leaf node out of its lifetime")
    LEAF_SOURCE = (64, "§7.3", "a leaf node from the wrong source")
    LEAF_SIGNATURE = (65, "§7.3", "a leaf node whose signature does not verify")
    EXTENSIONS = (66, "§13.4", "extensions that are not valid")
    KEY_PACKAGE_SIGNATURE = (81, "§10.1", "a key package whose signature does not verify")
    KEY_PACKAGE_INIT_KEY = (82, "§10.1", "a key package whose init key is its encryption key too")
    KEY_PACKAGE_CAPABILITIES = (83, "§10", "a key package that does not list its own suite")
    KEY_PACKAGE_SUITE = (84, "§10.1", "a key package of another suite than the group's")
    TREE = (100, "§12.4.3.1", "a ratchet tree that is not valid")
    TREE_HASH = (101, "§7.8", "a tree hash that differs")
    PARENT_HASH = (102, "§7.9.2", "a parent hash that differs")
    UNMERGED_LEAVES = (103, "§12.4.3.1", "unmerged leaves that are not valid")
    PATH = (110, "§7.5", "an update path that is not valid")
    PATH_KEYS = (111, "§12.4.2", "an update path with a key that is in the tree already")
    PATH_SECRET = (112, "§7.5", "a path secret that does not fit its public key")
    PATH_REQUIRED = (113, "§12.4", "a commit without the path that it needs")
    PROPOSAL_UNKNOWN = (122, "§12.4.2", "a proposal by reference that we do not have")
    PROPOSAL_TYPE = (123, "§12.2", "a type of proposal that not all members support")
    COMMIT_OWN_UPDATE = (131, "§12.2", "a commit of its committer's own update")
    COMMIT_OWN_REMOVE = (132, "§12.2", "a commit that removes its committer")
    GROUP_INFO = (140, "§12.4.3", "a GroupInfo that is not valid")
    GROUP_INFO_SIGNATURE = (141, "§12.4.3", "a GroupInfo whose signature does not verify")
    WELCOME = (150, "§12.4.3.1", "a Welcome that is not valid")
    WELCOME_NOT_OURS = (151, "§12.4.3.1", "a Welcome that is for somebody else")
    STALE = (160, "§12.4.2", "a staged commit whose parent is no longer current")
    REMOVED = (161, "§12.3", "we are no longer in this group")
    SAVED_STATE = (170, "§2.1", "a saved state that does not load")
    LEAF_CREDENTIAL = (200, "§7.2", "a leaf node whose own capabilities lack its credential type")
    LEAF_CREDENTIAL_SHARED = (201, "§7.3", "a credential type that not all members support")
    LEAF_REQUIRED = (202, "§7.3", "a leaf node that lacks a capability that the group requires")
    LEAF_EXTENSIONS = (203, "§7.3", "a leaf node whose own capabilities lack one of its extensions")
    LEAF_GROUP_EXTENSIONS = (204, "§13.4", "a leaf node that lacks an extension of the group")
    LEAF_SUITE = (205, "§7.3", "a leaf node that lacks the group's suite or version")
    LEAF_SAME_KEY = (206, "§7.3", "a leaf node that keeps the encryption key that it replaces")
    LEAF_SIGNATURE_KEY = (207, "§7.3", "two leaf nodes with one signature key")
    LEAF_ENCRYPTION_KEY = (208, "§7.3", "two leaf nodes with one encryption key")
    TREE_KEYS = (210, "§12.4.3.1", "a parent whose encryption key is elsewhere in the tree too")
    PATH_CIPHERTEXTS = (211, "§7.6", "an update path with too many or too few ciphertexts")
    PATH_PARENT_HASH = (212, "§7.9.2", "an update path whose leaf has another parent hash")
    REMOVE_BLANK = (220, "§12.1.3", "a Remove of nobody")
    PSK_NONCE = (221, "§12.1.4", "a pre-shared key with a nonce of the wrong size")
    PSK_USAGE = (222, "§12.1.4", "a pre-shared key for a reinit or a branch, in another place")
    REINIT_VERSION = (223, "§12.1.5", "a ReInit to an older version")
    EXTENSIONS_UNSUPPORTED = (224, "§12.1.7", "group extensions that not all members support")
    UPDATE_SENDER = (225, "§12.1.2", "an Update by somebody who is no member")
    EXTERNAL_PROPOSAL = (226, "§12.1.8", "a proposal that cannot come from outside")
    LIST_LEAF_TWICE = (230, "§12.2", "two Updates or Removes of one leaf")
    LIST_ADD_TWICE = (231, "§12.2", "two Adds of one client")
    LIST_ADD_MEMBER = (232, "§12.2", "an Add of a client that is a member already")
    LIST_PSK_TWICE = (233, "§12.2", "one pre-shared key twice")
    LIST_EXTENSIONS_TWICE = (234, "§12.2", "two GroupContextExtensions")
    LIST_REINIT_ALONE = (235, "§12.2", "a ReInit that is not alone")
    LIST_EXTERNAL_INIT = (236, "§12.2", "an ExternalInit in a commit from inside")
    EXTERNAL_INIT_COUNT = (240, "§12.2", "an external commit without exactly one ExternalInit")
    EXTERNAL_REMOVES = (241, "§12.2", "an external commit with more than one Remove")
    EXTERNAL_OTHER = (242, "§12.2", "an external commit with a proposal that it may not have")
    EXTERNAL_REFERENCE = (243, "§12.4.3.2", "an external commit with a proposal by reference")
    EXTERNAL_PATH = (244, "§12.4.3.2", "an external commit without a path")
    EXTERNAL_RESYNC = (245, "§12.2", "an external commit that removes somebody else")
    GROUP_INFO_EXTENSION = (250, "§13.4", "a group with an extension that we do not support")
    GROUP_INFO_TREE = (251, "§12.4.3.3", "no ratchet tree, or one that does not decode")
    GROUP_INFO_EXTERNAL_PUB = (252, "§12.4.3.2", "a GroupInfo without an external public key")
    WELCOME_NO_LEAF = (253, "§12.4.3.1", "a tree without the leaf of our key package")
    WELCOME_PSKS = (254, "§12.4.3.1", "a Welcome with a reinit or branch key and another beside it")
    WELCOME_EPOCH = (255, "§12.4.3.1", "a Welcome to a reinit or branch that is not in epoch 1")
    WELCOME_REINIT = (256, "§11.2", "a Welcome that does not match the ReInit")
    WELCOME_BRANCH = (257, "§11.3", "a Welcome to a branch that does not match its group")
    EPOCH_EXHAUSTED = (260, "§12", "a group that has no epoch left")
    LIMIT = (261, "§12", "more than we are willing to keep")
    REINIT_DONE = (262, "§12.4.2", "a group that ended with a ReInit")
    PROPOSALS_WAIT = (263, "§12.4", "application data while proposals wait for a commit")

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
