"""Which commit the members agree on, without anybody to order them (architecture §6)."""

from folkmoot.agreement.actions import Action, CommitNow, SendNaming, Settled
from folkmoot.agreement.agreement import Agreement
from folkmoot.agreement.naming import NAMING_BYTES_MAX, Naming

__all__ = [
    "NAMING_BYTES_MAX",
    "Action",
    "Agreement",
    "CommitNow",
    "Naming",
    "SendNaming",
    "Settled",
]
