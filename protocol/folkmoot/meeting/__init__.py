"""A meeting as one machine: what is below it, put together (architecture §6 and §7)."""

from folkmoot.meeting.context import UsageError
from folkmoot.meeting.meeting import Meeting, Phase
from folkmoot.meeting.views import KnockView, MemberView

__all__ = ["KnockView", "Meeting", "MemberView", "Phase", "UsageError"]
