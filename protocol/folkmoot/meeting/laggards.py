"""Those who are still in an epoch whose rooms or secrets were given up since: they are told the
way.

Where members only joined, one who is behind steps its signalling secret forward and finds the
others by itself. Where somebody left there are fresh secrets and perhaps fresh rooms, so the
commits since are said once more in the old rooms under the old secret. Who left can open those
cells, too, and finds PrivateMessages of epochs that it is not in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from folkmoot.cells.records import pack
from folkmoot.cells.reliable import encode_record
from folkmoot.meeting.epoch_state import EpochState
from folkmoot.meeting.records import Handshake, ItemKind, RecordKind, item
from folkmoot.meeting.secrets import leads_to

ANSWERS_MAX = 64  # cells that wait
ANSWER_EVERY_S = 1.0
SAID_TIMES = 2  # one cell may be lost
PATH_MAX = 64  # settled commits that can be told again


class Laggards:
    """The commits that settled here, and the cells that tell them to those behind."""

    def __init__(self) -> None:
        self._path: deque[tuple[bytes, Handshake]] = deque(maxlen=PATH_MAX)
        self._cells: deque[tuple[EpochState, bytes]] = deque(maxlen=ANSWERS_MAX)
        self._answered_at: float | None = None

    def settled(self, handshake: Handshake) -> None:
        """One more commit of the way."""
        self._path.append((handshake.parent, handshake))

    def way_from(self, authenticator: bytes) -> list[Handshake]:
        """The commits since the epoch with this authenticator, oldest first; none if it is not
        known."""
        parents = [parent for parent, _ in self._path]
        if authenticator not in parents:
            return []
        return [handshake for _, handshake in list(self._path)[parents.index(authenticator) :]]

    def answer(self, behind: EpochState, current: EpochState, now: float, wall_s: int) -> None:
        """A beacon was heard in `behind`; if it cannot find us by itself it is told the way."""
        reachable = behind.secrets.room_root == current.secrets.room_root and leads_to(
            behind.secrets.signalling, current.secrets.signalling
        )
        just_now = self._answered_at is not None and now - self._answered_at < ANSWER_EVERY_S
        if reachable or just_now:
            return
        self._answered_at = now
        for handshake in self.way_from(behind.authenticator):
            record = encode_record(wall_s, RecordKind.HANDSHAKE, handshake.encode())
            for plaintext in pack([item(ItemKind.LOGGED, record)]):
                self._cells.append((behind, plaintext))

    def say_there(self, behind: EpochState, items: Sequence[bytes]) -> None:
        """Says something to those in an epoch that we have just left, among them who is out now."""
        for _ in range(SAID_TIMES):
            self._cells.extend((behind, plaintext) for plaintext in pack(items))

    def next_cell(self) -> tuple[EpochState, bytes] | None:
        """The epoch to seal in and the plaintext of the next such cell."""
        return self._cells.popleft() if self._cells else None
