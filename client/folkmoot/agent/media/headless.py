"""A member without a page: a file in the place of microphone and camera, files in the place of
loudspeaker and screen.

Without a file to play there are no frames at all. The voice lane is paced and filled by the cells
in any case, so silence that is encoded would look no different to anybody outside, and would only
cost a recorder at the other end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

from folkmoot.agent.media.player import Player
from folkmoot.agent.media.recorder import Recorder
from folkmoot.cells.frames import EncodedFrame


class Headless:
    """A MediaSink of the session. Callbacks come on the event loop that `start` ran on."""

    def __init__(
        self,
        *,
        play: Path | None,
        record: Path | None,
        loop: bool = False,
        on_voice: Callable[[EncodedFrame], None],
        on_picture: Callable[[EncodedFrame], None],
        on_keyframe_wanted_of: Callable[[str], None],
        on_problem: Callable[[str], None],
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        """`play`: a file; `record`: a folder. Raises CannotPlay and CannotRecord, whose text is the
        sentence to say before the meeting begins. `on_problem(sentence)`: a recording that stopped;
        `on_end`: the file has been played."""
        self._player = None if play is None else Player(play, loop=loop)
        self._recorder = None
        if record is not None:
            self._recorder = Recorder(
                record,
                on_problem=lambda sentence: self._post(lambda: on_problem(sentence)),
                on_keyframe_wanted_of=lambda member: self._post(
                    lambda: on_keyframe_wanted_of(member)
                ),
            )
        self._on_voice = on_voice
        self._on_picture = on_picture
        self._on_end = on_end
        self._event_loop: asyncio.AbstractEventLoop | None = None

    @property
    def has_voice(self) -> bool:
        return self._player is not None and self._player.has_voice

    @property
    def has_picture(self) -> bool:
        return self._player is not None and self._player.has_picture

    def start(self) -> None:
        """When the member is in and may be heard."""
        self._event_loop = asyncio.get_running_loop()
        if self._player is not None:
            self._player.start(self._on_voice, self._on_picture, self._on_end)

    async def close(self) -> None:
        """Stops playing and finishes the recordings."""
        parts = [part.close() for part in (self._player, self._recorder) if part is not None]
        await asyncio.gather(*parts)

    def member_added(self, member: str, name: str) -> None:
        if self._recorder is not None:
            self._recorder.name(member, name)

    def member_removed(self, member: str) -> None:
        """Its file stays open: who comes back goes on in the same one."""

    def play(self, member: str, frame: EncodedFrame) -> None:
        if self._recorder is not None:
            self._recorder.write(member, frame)

    def picture_gap(self, member: str) -> None:
        if self._recorder is not None:
            self._recorder.gap(member)

    def keyframe_wanted(self) -> None:
        if self._player is not None:
            self._player.keyframe_wanted()

    def limits(self, voice_bitrate: int, picture_bitrate: int) -> None:
        if self._player is not None:
            self._player.limits(voice_bitrate, picture_bitrate)

    def _post(self, call: Callable[[], None]) -> None:
        if self._event_loop is not None:
            # The loop has ended, and with it who would listen.
            with contextlib.suppress(RuntimeError):
                self._event_loop.call_soon_threadsafe(call)
