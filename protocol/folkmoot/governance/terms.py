"""The terms of an epoch: what its GroupContext says of the meeting, which all its members agree on
(architecture §6; RFC 9420 §13).

They are the meeting extension (charter, relays, lanes) and, where the charter asks for it, the
roll. They change only as a commit's evidence says, and then to exactly these bytes: so nothing can
be slipped in beside what was voted on, neither another charter nor an elector nor an external
sender.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from folkmoot.governance import extension, roll
from folkmoot.governance.charter import Charter, Electors
from folkmoot.governance.extension import MeetingExtension
from folkmoot.governance.roll import Elector, Roll, is_recorded
from folkmoot.wire import codec

Pairs = tuple[tuple[int, bytes], ...]  # type and data of each extension, in order


@dataclass(frozen=True, slots=True)
class Terms:
    """`recorded`: the roll as it stands in the GroupContext; None where it is the roster."""

    meeting: MeetingExtension
    recorded: Roll | None = None

    @classmethod
    def founded(cls, meeting: MeetingExtension, founder: bytes) -> Terms:
        """The terms of a meeting that the member in the seat `founder` opens."""
        recorded = is_recorded(meeting.charter)
        return cls(meeting, Roll((Elector(founder),)) if recorded else None)

    @classmethod
    def of(cls, extensions: Iterable[tuple[int, bytes]]) -> Terms:
        """The terms in a GroupContext's extensions; raises DecodeError."""
        found = dict(extensions)
        meeting = MeetingExtension.decode(found.get(extension.EXTENSION_TYPE, b""))
        data = found.get(roll.EXTENSION_TYPE)
        if is_recorded(meeting.charter) != (data is not None):
            raise codec.DecodeError("a roll where there is none, or none where there is one")
        return cls(meeting, None if data is None else Roll.decode(data))

    def extensions(self) -> Pairs:
        """All extensions of the GroupContext."""
        pairs: Pairs = ((extension.EXTENSION_TYPE, self.meeting.encode()),)
        if self.recorded is not None:
            pairs += ((roll.EXTENSION_TYPE, self.recorded.encode()),)
        return pairs

    @property
    def charter(self) -> Charter:
        return self.meeting.charter

    def roll(self, seats: Collection[bytes]) -> Roll:
        """Who votes when these seats are on the roster."""
        if self.recorded is None:
            return Roll.everyone(seats)
        return self.recorded.among(seats)

    def takes(self, seat: bytes) -> bool:
        """Whether a newcomer may have this seat, as far as the roll knows: an elector's seat stays
        its own when it has left, else whoever takes it would vote."""
        return self.recorded is None or seat not in self.recorded

    def joined(self, seats: Collection[bytes], newcomers: Iterable[tuple[bytes, bytes]]) -> Terms:
        """The terms after newcomers, each a seat and who brought it in, come to those in `seats`:
        with them on the roll where everyone votes and lines count. Raises DecodeError when the roll
        is full."""
        pairs = list(newcomers)
        if self.recorded is None or self.charter.electors is not Electors.EVERYONE or not pairs:
            return self
        return self._with(seats, pairs)

    def raised(self, seats: Collection[bytes], seat: bytes, by: bytes) -> Terms:
        """The terms after the guest in `seat` is an elector, on the motion of the elector `by`."""
        return self._with(seats, [(seat, by)])

    def _with(self, seats: Collection[bytes], pairs: list[tuple[bytes, bytes]]) -> Terms:
        assert self.recorded is not None
        # Who is gone falls off here, so that the roll does not grow for ever; who brought somebody
        # in is looked up first, as it may go in the same commit.
        made = [self.recorded.brought_in(seat, by) for seat, by in pairs]
        stayed = self.recorded.among(seats).electors
        return replace(self, recorded=Roll.of([*stayed, *made]))
