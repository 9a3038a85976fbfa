"""Chat: sealed in the epoch, shown once, and sealed again when an epoch passed before anybody had
it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from folkmoot import mls
from folkmoot.meeting.epoch_state import EpochState
from folkmoot.meeting.events import ChatReceived
from folkmoot.meeting.names import clean_text, tags
from folkmoot.meeting.records import MESSAGE_ID_BYTES, Chat, Content
from folkmoot.mls.framing import APPLICATION, PrivateMessage
from folkmoot.mls.message import decode_message
from folkmoot.wire import codec
from folkmoot.wire.codec import DecodeError
from folkmoot.wire.limits import Bucket

MESSAGES_MAX = 1000  # kept to be shown
MESSAGES_COST_MAX = 1 << 20  # in bytes: a page is sent all of it at once
MESSAGE_COST = 256  # of each, besides its text
# Of one member. A person writes less; what was written while cut off comes at once, and is less.
MESSAGES_PER_S = 2.0
MESSAGES_BURST = 256.0
UNOPENED_MAX = 256  # of epochs that we are not in yet
OWN_MAX = 64  # of our own messages, kept to be said again
SEEN_MAX = 4096


@dataclass(slots=True)
class _Own:
    """A message of ours. `unheard`: nobody else was heard in its epoch, then and since."""

    chat: Chat
    sealed_in: bytes  # authenticator of the epoch
    unheard: bool


class ChatBook:
    """The messages of one meeting as one member has them."""

    def __init__(self, own_seat: bytes) -> None:
        self._own = own_seat
        self.messages: list[ChatReceived] = []
        self._new: list[tuple[bytes, Chat]] = []
        self._unopened: list[bytes] = []
        self._seen: dict[bytes, None] = {}
        self._said: list[_Own] = []
        self._paces: dict[bytes, Bucket] = {}
        self.floods: set[bytes] = set()  # seats whose messages were left out

    def follow(self, seats: Iterable[bytes]) -> None:
        """Forgets how fast those write who are gone."""
        for seat in self._paces.keys() - set(seats):
            del self._paces[seat]

    def write(
        self,
        text: str,
        state: EpochState,
        *,
        at_ms: int,
        cut_off: bool,
        entropy: Callable[[int], bytes],
    ) -> bytes:
        """A message of our own, sealed in the epoch `state`: the CONTENT record's body. `cut_off`:
        nobody else is heard now."""
        chat = Chat(entropy(MESSAGE_ID_BYTES), at_ms, text)
        self._said = [*self._said, _Own(chat, state.authenticator, cut_off)][-OWN_MAX:]
        self._note(self._own, chat)
        return self._seal(chat, state, entropy)

    @staticmethod
    def _seal(chat: Chat, state: EpochState, entropy: Callable[[int], bytes]) -> bytes:
        message = state.group.seal(chat.encode(), entropy=entropy)
        return Content(state.authenticator, message).encode()

    def heard_in(self, authenticator: bytes) -> None:
        """Somebody else is in this epoch: what we sealed in it reaches them as a record."""
        for one in self._said:
            one.unheard = one.unheard and one.sealed_in != authenticator

    def again(
        self, state: EpochState, tick: int | None, entropy: Callable[[int], bytes]
    ) -> list[bytes]:
        """Messages to publish once more in the new epoch `state`.

        `tick`: the wall second of the commit that made it: what we wrote after that, some had left
        for it already. Never what was written before it, as a newcomer reads nothing from before.
        None: we were readmitted, and what nobody heard is said now."""
        bodies = []
        for one in self._said:
            is_due = one.unheard if tick is None else one.chat.at_ms >= tick * 1000
            if is_due and one.sealed_in != state.authenticator:
                one.sealed_in = state.authenticator
                bodies.append(self._seal(one.chat, state, entropy))
        return bodies

    def receive(self, body: bytes, states: Iterable[EpochState], now: float) -> None:
        """A CONTENT record; kept for later if its epoch is not known yet."""
        try:
            content = codec.decode(Content.read, body)
        except DecodeError:
            return
        state = next((one for one in states if one.authenticator == content.authenticator), None)
        if state is None:
            self._unopened = [*self._unopened, body][-UNOPENED_MAX:]
            return
        try:
            # A proposal would be stored in the group, and a commit could then name it by reference:
            # valid here, and not where it did not arrive. So nothing but content is looked at.
            message = decode_message(content.message)
            if not isinstance(message, PrivateMessage) or message.content_type != APPLICATION:
                return
            opened = state.group.receive(content.message)
            if not isinstance(opened, mls.Application):
                return
            chat = codec.decode(Chat.read, opened.data)
        except (mls.MlsError, DecodeError):
            return
        entry = state.entry_at(opened.sender_leaf)
        if entry is not None and self._in_pace(entry.seat, now):
            self._note(entry.seat, chat)

    def _in_pace(self, seat: bytes, now: float) -> bool:
        bucket = self._paces.setdefault(seat, Bucket(MESSAGES_PER_S, MESSAGES_BURST, now))
        if bucket.level(now) < 1:
            self.floods.add(seat)
            return False
        bucket.take(1, now)
        return True

    def retry(self, states: Iterable[EpochState], now: float) -> None:
        """Epochs changed: what could not be opened may be now."""
        waiting, self._unopened = self._unopened, []
        known = list(states)
        for body in waiting:
            self.receive(body, known, now)

    def _note(self, seat: bytes, chat: Chat) -> None:
        key = seat + chat.message
        if key in self._seen:
            return
        if len(self._seen) >= SEEN_MAX:
            self._seen.pop(next(iter(self._seen)))
        self._seen[key] = None
        self._new.append((seat, chat))

    def take(self, names: Mapping[bytes, str]) -> list[ChatReceived]:
        """Messages that are new since the last call, under the names of now."""
        if not self._new:
            return []
        marks = tags(names)
        told = [
            ChatReceived(
                seat,
                names.get(seat, "somebody"),
                clean_text(chat.text),
                chat.at_ms,
                marks.get(seat, ""),
            )
            for seat, chat in self._new
        ]
        self._new.clear()
        self.messages = _bounded([*self.messages, *told])
        return told


def _bounded(messages: list[ChatReceived]) -> list[ChatReceived]:
    """What is kept: over a limit, whoever takes most of the room loses its oldest message, so that
    nobody writes others' away."""
    sizes = Counter[bytes]()
    for one in messages:
        sizes[one.seat] += _cost(one)
    total = sizes.total()
    while len(messages) > MESSAGES_MAX or total > MESSAGES_COST_MAX:
        most = max(sizes, key=lambda seat: sizes[seat])
        gone = messages.pop(next(at for at, one in enumerate(messages) if one.seat == most))
        sizes[most] -= _cost(gone)
        total -= _cost(gone)
    return messages


def _cost(one: ChatReceived) -> int:
    return len(one.text.encode()) + MESSAGE_COST
