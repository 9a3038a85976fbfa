"""The media of one member: the bridge to its page, or files played and recorded without one."""

from folkmoot.agent.media.bridge import Bridge
from folkmoot.agent.media.clock import media_clock
from folkmoot.agent.media.sdp import BadAnswer

__all__ = ["BadAnswer", "Bridge", "media_clock"]
