"""The rules of a meeting, and what proves that a change keeps to them (architecture §6)."""

from folkmoot.governance.charter import (
    DEFAULT_PRESET,
    MORE_THAN_TWO_THIRDS,
    PRESETS,
    Admission,
    Charter,
    CharterError,
    Electors,
    NewerCharterError,
    Share,
    amendment_refused,
    charter_hash,
    from_mapping,
    to_mapping,
)
from folkmoot.governance.extension import (
    DEFAULT_LANES,
    EXTENSION_TYPE,
    LanePlan,
    MeetingExtension,
    Pace,
    Relay,
)
from folkmoot.governance.sentences import differences, sentences

__all__ = [
    "DEFAULT_LANES",
    "DEFAULT_PRESET",
    "EXTENSION_TYPE",
    "MORE_THAN_TWO_THIRDS",
    "PRESETS",
    "Admission",
    "Charter",
    "CharterError",
    "Electors",
    "LanePlan",
    "MeetingExtension",
    "NewerCharterError",
    "Pace",
    "Relay",
    "Share",
    "amendment_refused",
    "charter_hash",
    "differences",
    "from_mapping",
    "sentences",
    "to_mapping",
]
