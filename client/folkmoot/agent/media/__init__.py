"""The media of one member: the bridge to its page, or files played and recorded without one."""

from folkmoot.agent.media.bridge import Bridge
from folkmoot.agent.media.clock import media_clock
from folkmoot.agent.media.headless import Headless
from folkmoot.agent.media.player import CannotPlay, Player
from folkmoot.agent.media.recorder import CannotRecord, Recorder
from folkmoot.agent.media.sdp import BadAnswer

__all__ = [
    "BadAnswer",
    "Bridge",
    "CannotPlay",
    "CannotRecord",
    "Headless",
    "Player",
    "Recorder",
    "media_clock",
]
