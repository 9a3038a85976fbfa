"""Targets: what the page, a program and a relay's WebSocket may say to the agent."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import Sequence
from types import SimpleNamespace

import anyio
from anyio.abc import ByteStream
from websockets.frames import Close, Frame, Opcode
from websockets.utils import accept_key

from folkmoot.agent import stdin_commands
from folkmoot.agent.commands import CommandError, perform
from folkmoot.agent.media.sdp import BadAnswer, Section, read_answer
from folkmoot.agent.page import messages
from folkmoot.agent.page.guard import Refusal, judge
from folkmoot.agent.pinned import NoRelay
from folkmoot.agent.websocket import HELD_BYTES_MAX, WebSocket, WebSocketClosed
from folkmoot.cells.frames import MediaKind
from folkmoot.meeting import Meeting
from folkmoot.wire.grid import Grid
from fuzz.state import copy_of
from fuzz.target import BrokenPromise, Decoder, Target, script, steps
from simulation.meeting_world import World
from unit.test_media_sdp import GOOD, HEAD, SECTIONS, section

COMMANDS: tuple[dict[str, object], ...] = (
    {"do": "chat", "text": "Hello"},
    {"do": "rename", "name": "Ann"},
    {"do": "microphone", "on": True},
    {"do": "camera", "on": False},
    {"do": "admit", "knock": "k"},
    {"do": "refuse", "knock": "k"},
    {"do": "mute", "member": "m"},
    {"do": "hide", "member": "m"},
    {"do": "accept_charter"},
    {"do": "move", "kind": "remove", "subject": "m"},
    {"do": "vote", "motion": "m", "choice": "yes"},
    {"do": "secede", "with": ["a", "b"]},
    {"do": "leave"},
)


class Page(Decoder):
    """A message of the page: text that is judged field by field."""

    name = "agent.page"
    refusals = (messages.MessageError,)
    calls = (3_000, 60)
    memory = (128 << 10, 200)

    def make_seeds(self) -> Sequence[bytes]:
        more: list[dict[str, object]] = [
            {"do": "hello", "secret": "s" * 43, "instance": "i1"},
            {"do": "take"},
            {"do": "again"},
            {"do": "answer", "sdp": "v=0\r\n"},
            {"do": "stats", "members": {"m": {"loss": 0.5, "kbit": 1e3}}, "sent": {"fps": 15}},
            {"do": "draft", "draft": 1, "kind": "amend", "subject": {"admission": "ballot"}},
            {"do": "draft", "draft": 2, "kind": "relays", "subject": "relay.example:443#x"},
            {"do": "move", "kind": "relays", "subject": "relay.example:443#x"},
            {"do": "move", "kind": "amend", "subject": {"admission": "ballot", "lineage": True}},
            {"do": "move", "kind": "admit", "subject": "k"},
            {"do": "join", "name": "Ann", "microphone": True, "camera": False, "hidden": True},
        ]
        return [json.dumps(one).encode() for one in (*more, *COMMANDS)]

    def decode(self, data: bytes) -> object:
        message = messages.parse(data.decode("utf-8", "surrogateescape"))
        json.dumps(getattr(message, "body", None), allow_nan=False).encode()
        return message


class Commands(Target[Meeting]):
    """A line of a program on standard input, done in a real meeting."""

    name = "agent.commands"
    refusals = (ValueError,)
    calls = (40_000, 60)
    memory = (512 << 10, 200)

    def __init__(self) -> None:
        self._world = World(5)
        self._ann = self._world.found("Ann").meeting
        self._world.run(1)

    def seeds(self) -> Sequence[bytes]:
        return [json.dumps(one).encode() for one in COMMANDS]

    def begin(self) -> Meeting:
        stand_in = SimpleNamespace(random=random.Random(1))
        return copy_of(self._ann, {id(self._world): stand_in})

    def feed(self, state: Meeting, data: bytes) -> bool:
        now = self._world.now
        taken = False
        for line in stdin_commands.LineSplitter().feed(data + b"\n"):
            try:
                perform(state, stdin_commands.parse(line), now)
                taken = True
            except CommandError:
                continue
            except ValueError:
                if b"\n" not in data:
                    raise
        state.handle_timer(now + 1)
        json.dumps([one.__class__.__name__ for one in _drain(state)])
        return taken

    def fingerprint(self, state: Meeting) -> object:
        return state.epoch, state.name, state.phase, len(state.chat_log)


def _drain(meeting: Meeting) -> list[object]:
    found: list[object] = []
    while (event := meeting.next_event()) is not None:
        found.append(event)
    while meeting.next_outgoing() is not None:
        pass
    return found


class Lines(Target[stdin_commands.LineSplitter]):
    """Reads of any size cut into lines, with no more kept than says that a line is too long."""

    name = "agent.lines"
    bytes_max = 200_000
    memory = (256 << 10, 16)
    examples = 20

    def seeds(self) -> Sequence[bytes]:
        return [script(b'{"do":', b'"leave"}\n\n{"do"', b":1}\n"), b"x" * 70_000 + b"\ny\n"]

    def begin(self) -> stdin_commands.LineSplitter:
        return stdin_commands.LineSplitter()

    def feed(self, state: stdin_commands.LineSplitter, data: bytes) -> bool:
        for part in steps(data):
            for line in state.feed(part):
                assert b"\n" not in line
        return True

    def check(self, state: stdin_commands.LineSplitter, data: bytes) -> None:
        assert len(state._kept) <= stdin_commands.LINE_BYTES_MAX + 1


class Answer(Decoder):
    """The page's answer to an offer."""

    name = "agent.sdp"
    refusals = (BadAnswer,)
    bytes_max = 6_000

    def make_seeds(self) -> Sequence[bytes]:
        kinds = ("audio", "video", "audio", "video", "audio")
        directions = ("sendonly", "sendonly", "recvonly", "recvonly", "inactive")
        blocks = zip(kinds, directions, strict=True)
        whole = HEAD + "".join(
            section(index, kind, direction) for index, (kind, direction) in enumerate(blocks)
        )
        return [whole.encode(), GOOD.encode()]

    def decode(self, data: bytes) -> object:
        text = data.decode("utf-8", "replace")
        offered: Sequence[Section] = SECTIONS if text.count("\nm=") > 2 else SECTIONS[:2]
        answer = read_answer(text, offered)
        if len(answer.sections) != len(offered) or len(answer.fingerprint) != 32:
            raise BrokenPromise("an answer that does not answer the offer")
        assert offered[0].kind is MediaKind.VOICE
        return answer


class Guarded(Decoder):
    """An HTTP request's head as uvicorn hands it to the page's guard: lines of `name: value`, the
    first one the type, method and path."""

    name = "agent.guard"
    refusals = (Refusal,)
    bytes_max = 800

    def make_seeds(self) -> Sequence[bytes]:
        host = b"host: 127.0.0.1:8000\n"
        return [
            b"http GET /\n" + host + b"sec-fetch-mode: navigate\nsec-fetch-dest: document\n",
            b"http POST /session\n" + host + b"origin: http://127.0.0.1:8000\n",
            b"websocket GET /page\n" + host + b"origin: http://127.0.0.1:8000\n",
        ]

    def decode(self, data: bytes) -> object:
        first, *lines = data.split(b"\n")
        words = [word.decode("latin-1") for word in first.split(b" ")] + ["", "", ""]
        headers = [line.partition(b": ")[::2] for line in lines if line]
        scope = {
            "type": "websocket" if words[0] == "websocket" else "http",
            "method": words[1],
            "path": words[2],
            "headers": headers,
        }
        judge(scope, 8000)
        if dict(headers).get(b"host") != b"127.0.0.1:8000":
            names = [name.lower() for name, _ in headers]
            if names.count(b"host") != 1:
                raise BrokenPromise("a request for another host was let through")
        return scope


class _Stream(ByteStream):
    """The other end: what it says is fixed, what it hears is forgotten."""

    def __init__(self, reads: Sequence[bytes]) -> None:
        self._reads = [one for one in reads if one]

    async def send(self, item: bytes) -> None:
        return

    async def receive(self, max_bytes: int = 65536) -> bytes:
        if not self._reads:
            raise anyio.EndOfStream
        return self._reads.pop(0)[:max_bytes]

    async def send_eof(self) -> None:
        return

    async def aclose(self) -> None:
        return


NONCE = "AAAAAAAAAAAAAAAAAAAAAA=="
ACCEPTED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: " + accept_key(NONCE).encode() + b"\r\n\r\n"
)


class _WebSocketTarget(Target[None]):
    refusals = (NoRelay, WebSocketClosed)
    calls = (8_000, 60)
    memory = (1 << 20, 200)

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()

    def __del__(self) -> None:
        self._loop.close()

    def begin(self) -> None:
        return None

    def make(self, reads: Sequence[bytes]) -> WebSocket:
        socket = WebSocket(
            _Stream(reads),
            host="relay.example",
            port=443,
            path="/link/1",
            message_bytes_max=5_000,
            grid=Grid(random.Random(1).randbytes, 0.0),
        )
        socket._protocol.key = NONCE
        return socket


class Handshake(_WebSocketTarget):
    """What a relay answers to the handshake, in reads of any size."""

    name = "agent.websocket_handshake"

    def seeds(self) -> Sequence[bytes]:
        refused = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nNo"
        return [ACCEPTED, script(ACCEPTED[:40], ACCEPTED[40:]), refused]

    def feed(self, state: None, data: bytes) -> bool:
        async def talk() -> None:
            await self.make(steps(data)).open()

        self._loop.run_until_complete(talk())
        return True


class Frames(_WebSocketTarget):
    """What a relay sends on an open WebSocket."""

    name = "agent.websocket"

    def seeds(self) -> Sequence[bytes]:
        close = Close(4003, "Too much.").serialize()
        frames = {
            name: Frame(opcode, data).serialize(mask=False)
            for name, opcode, data in (
                ("binary", Opcode.BINARY, b"\1" * 300),
                ("ping", Opcode.PING, b"ping"),
                ("text", Opcode.TEXT, b"text"),
                ("close", Opcode.CLOSE, close),
            )
        }
        return [
            script(frames["binary"], frames["ping"] * 3, frames["binary"], frames["close"]),
            frames["binary"] * 2,
            frames["text"],
            script(frames["binary"][:2], frames["binary"][2:]),
        ]

    def feed(self, state: None, data: bytes) -> bool:
        heard = 0

        async def talk() -> None:
            nonlocal heard
            socket = self.make([ACCEPTED, *steps(data)])
            await socket.open()
            while True:
                for message in await socket.receive():
                    assert len(message) <= 5_000, "longer than any message is"
                    heard += 1
                assert len(socket._held) <= HELD_BYTES_MAX

        with contextlib.suppress(WebSocketClosed):  # in the end it always is
            self._loop.run_until_complete(talk())
        return heard > 0


TARGETS = (Page, Commands, Lines, Answer, Guarded, Handshake, Frames)
