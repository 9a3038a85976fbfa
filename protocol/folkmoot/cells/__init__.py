"""Cells: what members seal into the fixed sizes that a relay forwards, and how they keep up.

`media` (sealing sound and picture), `voice`, `picture`, `council` (sealing the rest), `records`,
`reliable` and `repeats` (everybody has every record), `pace`. Byte tables: `protocol/CELLS.md`.
"""

from folkmoot.cells.authorship import Author
from folkmoot.cells.duplicates import DuplicateFilter
from folkmoot.cells.errors import UsageError
from folkmoot.cells.frames import Codec, EncodedFrame, MediaKind
from folkmoot.cells.media import CAMERA, SCREEN, VOICE, LaneId, MediaKeys, Opened, open_any
from folkmoot.cells.pace import Pacer
from folkmoot.cells.picture import PicturePacker, PictureReceiver
from folkmoot.cells.records import Inbox, Outbox, RecordType
from folkmoot.cells.reliable import RecordLog
from folkmoot.cells.repeats import Repeat, RepeatScheduler, SayHave
from folkmoot.cells.voice import VoiceCell, VoicePacker, VoiceReceiver

__all__ = [
    "CAMERA",
    "SCREEN",
    "VOICE",
    "Author",
    "Codec",
    "DuplicateFilter",
    "EncodedFrame",
    "Inbox",
    "LaneId",
    "MediaKeys",
    "MediaKind",
    "Opened",
    "Outbox",
    "Pacer",
    "PicturePacker",
    "PictureReceiver",
    "RecordLog",
    "RecordType",
    "Repeat",
    "RepeatScheduler",
    "SayHave",
    "UsageError",
    "VoiceCell",
    "VoicePacker",
    "VoiceReceiver",
    "open_any",
]
