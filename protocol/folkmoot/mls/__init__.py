"""Messaging Layer Security, RFC 9420: suites 1, 2 and 3, all of it, with commits staged and merged.

Sans-IO: bytes in, bytes out; randomness is an argument. What arrives and is wrong raises MlsError,
which names its check; what the caller does wrong raises UsageError.
"""

from folkmoot.mls.commit import ProposalRef
from folkmoot.mls.credential import Credential
from folkmoot.mls.crypto import (
    SUITE_P256_AES128,
    SUITE_X25519_AES128,
    SUITE_X25519_CHACHA20,
)
from folkmoot.mls.errors import (
    Check,
    CryptoError,
    FramingError,
    GenerationError,
    MalformedError,
    MlsError,
    StateError,
    UsageError,
    ValidationError,
)
from folkmoot.mls.extensions import (
    Extension,
    ExternalSender,
    RequiredCapabilities,
    external_senders_extension,
)
from folkmoot.mls.external import propose_from_outside, propose_own_add
from folkmoot.mls.group import Group
from folkmoot.mls.key_package import (
    KeyPackageBundle,
    KeyPackageView,
    create_key_package,
    parse_key_package,
)
from folkmoot.mls.members import Application, Member, StoredProposal
from folkmoot.mls.proposals import (
    Add,
    Custom,
    ExternalInit,
    GroupContextExtensions,
    PreSharedKey,
    Proposal,
    ReInit,
    Remove,
    Update,
)
from folkmoot.mls.psk import PreSharedKeyID
from folkmoot.mls.staged import Created, Staged

__all__ = [
    "SUITE_P256_AES128",
    "SUITE_X25519_AES128",
    "SUITE_X25519_CHACHA20",
    "Add",
    "Application",
    "Check",
    "Created",
    "Credential",
    "CryptoError",
    "Custom",
    "Extension",
    "ExternalInit",
    "ExternalSender",
    "FramingError",
    "GenerationError",
    "Group",
    "GroupContextExtensions",
    "KeyPackageBundle",
    "KeyPackageView",
    "MalformedError",
    "Member",
    "MlsError",
    "PreSharedKey",
    "PreSharedKeyID",
    "Proposal",
    "ProposalRef",
    "ReInit",
    "Remove",
    "RequiredCapabilities",
    "Staged",
    "StateError",
    "StoredProposal",
    "Update",
    "UsageError",
    "ValidationError",
    "create_key_package",
    "external_senders_extension",
    "parse_key_package",
    "propose_from_outside",
    "propose_own_add",
]
