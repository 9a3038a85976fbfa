"""The page: what a browser on this machine shows of the meeting, and the local server behind it."""

from folkmoot.agent.page.attach import bridges_of
from folkmoot.agent.page.interfaces import BridgeFactory, PageBridge, PageSession
from folkmoot.agent.page.lobby import Lobby
from folkmoot.agent.page.messages import Stats
from folkmoot.agent.page.returning import ReturnNote
from folkmoot.agent.page.server import PageServer

__all__ = [
    "BridgeFactory",
    "Lobby",
    "PageBridge",
    "PageServer",
    "PageSession",
    "ReturnNote",
    "Stats",
    "bridges_of",
]
