"""A client that does to a relay whatever a client can, for a while, in a process of its own.

    python hostile_links.py HOST PORT PIN SECONDS

One JSON object a line: the counts of what was done, each second. It holds 1,000 links and some
hundred connections that never become one, and reads nothing that it need not.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import ssl
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable

from folkmoot.wire import messages, proof
from folkmoot.wire.address import RelayAddress
from folkmoot.wire.lanes import LANE_RULES, Direction, LaneSlot

SLOW, FLOODS, WRONG, IDLE = 400, 200, 200, 200  # links: 1,000
SILENT, HALF_TLS, HALF_HTTP, GIANTS, PAGES = 150, 150, 150, 30, 20
AT_ONCE = 64  # connections in their handshake, so that the client itself does not choke
AGAIN_S = 0.5  # after the relay ended a connection
PICTURE_EVERY_S = 0.02
PATIENCE_S = 20.0
ATTACKER_NICE = 10
GIANT_BYTES = 1 << 40
# A message in pieces of a byte each, which ends never.
FIRST_PIECE, NEXT_PIECE = b"\x02\x81" + bytes(5), b"\x00\x81" + bytes(5)
done: Counter[str] = Counter()


def frame(opcode: int, payload: bytes, said_bytes: int | None = None) -> bytes:
    """A masked frame of RFC 6455 whose mask is zero; `said_bytes`: what its header promises."""
    size = len(payload) if said_bytes is None else said_bytes
    if size < 126:
        head = bytes((0x80 | opcode, 0x80 | size))
    elif size < 1 << 16:
        head = bytes((0x80 | opcode, 0xFE)) + size.to_bytes(2, "big")
    else:
        head = bytes((0x80 | opcode, 0xFF)) + size.to_bytes(8, "big")
    return head + bytes(4) + payload


class Hostile:
    """Everything against one relay until a moment."""

    def __init__(self, relay: RelayAddress, until: float) -> None:
        self.relay = relay
        self.until = until
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.check_hostname, self.context.verify_mode = False, ssl.CERT_NONE
        self.gate = asyncio.Semaphore(AT_ONCE)

    @property
    def goes_on(self) -> bool:
        return time.monotonic() < self.until

    async def rest(self) -> None:
        """Until the end."""
        await asyncio.sleep(max(0.0, self.until - time.monotonic()))

    async def connect(self, tls: bool = True) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with self.gate, asyncio.timeout(PATIENCE_S):
            context = self.context if tls else None
            return await asyncio.open_connection(self.relay.host, self.relay.port, ssl=context)

    async def link(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, messages.Hello]:
        """A link, as far as the relay's first message."""
        reader, writer = await self.connect()
        writer.write(
            b"GET /link/1 HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        async with asyncio.timeout(PATIENCE_S):
            await reader.readuntil(b"\r\n\r\n")
            hello = messages.decode_from_relay(await self.message(reader))
        assert isinstance(hello, messages.Hello)
        done["links"] += 1
        return reader, writer, hello

    async def message(self, reader: asyncio.StreamReader) -> bytes:
        _, size = await reader.readexactly(2)
        if size == 126:
            size = int.from_bytes(await reader.readexactly(2), "big")
        elif size == 127:
            size = int.from_bytes(await reader.readexactly(8), "big")
        return await reader.readexactly(size)

    async def room(
        self, seed: bytes, slot: LaneSlot
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, int]:
        """A link in a room, whose key it does hold; the room's number."""
        reader, writer, hello = await self.link()
        key, signature = proof.sign_proof(
            seed, self.relay.pin, slot, Direction.BOTH, hello.challenge
        )
        wish = messages.Open(1, 0, slot, Direction.BOTH, key, 0, signature)
        writer.write(frame(2, wish.encode()))
        async with asyncio.timeout(PATIENCE_S):
            opened = messages.decode_from_relay(await self.message(reader))
        if not isinstance(opened, messages.Opened):
            done["rooms refused"] += 1
            raise ConnectionError
        done["rooms"] += 1
        return reader, writer, opened.room

    # What is done to it

    async def slow(self, number: int) -> None:
        """In a room where pictures go, and never reads; every tenth is who sends them."""
        slot, seed = LaneSlot.PICTURE, b"slow%028d" % (number % 4)
        _, writer, room = await self.room(seed, slot)
        cells = frame(2, messages.encode_cells(room, [bytes(LANE_RULES[slot].cell_bytes)] * 3))
        while not number % 10 and self.goes_on and not writer.is_closing():
            writer.write(cells)
            done["pictures"] += 1
            await asyncio.sleep(PICTURE_EVERY_S)
        await self.rest()
        writer.close()

    async def flood(self, number: int) -> None:
        """Cells, pings, pongs or wishes, as fast as they go, until it is told to go."""
        slot = LaneSlot.VOICE
        _, writer, room = await self.room(os.urandom(32), slot)
        pieces = (
            frame(2, messages.encode_cells(room, [bytes(LANE_RULES[slot].cell_bytes)] * 60)),
            frame(9, b"where are you") * 100,
            frame(10, b"here I am") * 100,
            frame(2, messages.Ask().encode()) * 100,
        )
        while self.goes_on:
            writer.write(pieces[number % len(pieces)])
            await writer.drain()
            done["floods"] += 1
            await asyncio.sleep(0)

    async def wrong(self, number: int) -> None:
        """A proof that is none, and again on a link of its own."""
        reader, writer, _ = await self.link()
        key, signature = proof.sign_proof(
            os.urandom(32), self.relay.pin, LaneSlot.VOICE, Direction.BOTH, os.urandom(32)
        )
        wish = messages.Open(1, 0, LaneSlot.VOICE, Direction.BOTH, key, 0, signature)
        writer.write(frame(2, wish.encode()))
        async with asyncio.timeout(PATIENCE_S):
            await reader.read(1 << 16)
        done["wrong proofs"] += 1
        writer.close()

    async def idle(self, number: int) -> None:
        """A link and nothing else."""
        _, writer, _ = await self.link()
        await self.rest()
        writer.close()

    async def silent(self, number: int) -> None:
        """A connection without a byte, or half of TLS's first message."""
        reader, writer = await self.connect(tls=False)
        done["half-open"] += 1
        if number % 2:
            writer.write(b"\x16\x03\x01\x02\x00\x01\x00\x01")
        await reader.read(1)

    async def half_http(self, number: int) -> None:
        """A request that never ends, byte by byte, or headers without end."""
        reader, writer = await self.connect()
        done["half requests"] += 1
        writer.write(b"GET / HTTP/1.1\r\nX-Slow: ")
        while self.goes_on and not reader.at_eof():
            writer.write(b"x" * (1 if number % 2 else 4096))
            await writer.drain()
            await asyncio.sleep(0.2)

    async def giant(self, number: int) -> None:
        """A frame of a tebibyte, of which some comes; or a message in a million pieces."""
        _, writer, _ = await self.room(os.urandom(32), LaneSlot.VOICE)
        done["giant frames"] += 1
        giant = number % 2
        writer.write(frame(2, b"", GIANT_BYTES) if giant else FIRST_PIECE)
        for _ in range(64):
            writer.write(bytes(1 << 16) if giant else NEXT_PIECE * 4096)
            await writer.drain()
            await asyncio.sleep(0.02)

    async def pages(self, number: int) -> None:
        """The page again and again, on one connection for as long as that goes, with a body."""
        reader, writer = await self.connect()
        ask = b"POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n"
        ask = ask if number % 2 else b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"
        while self.goes_on and not reader.at_eof():
            writer.write(ask + bytes(65536 if number % 2 else 0))
            await writer.drain()
            await asyncio.wait_for(reader.read(1 << 16), PATIENCE_S)
            done["pages"] += 1

    # All of it

    async def again(self, deed: Callable[[int], Awaitable[None]], number: int) -> None:
        """The deed, and again whenever the relay puts an end to it."""
        while self.goes_on:
            with contextlib.suppress(OSError, EOFError, TimeoutError, ValueError):
                await deed(number)
            await asyncio.sleep(AGAIN_S)

    async def everything(self) -> None:
        deeds = [
            (self.slow, SLOW),
            (self.silent, SILENT + HALF_TLS),
            (self.half_http, HALF_HTTP),
            (self.idle, IDLE),
            (self.flood, FLOODS),
            (self.wrong, WRONG),
            (self.giant, GIANTS),
            (self.pages, PAGES),
        ]
        tasks = [
            asyncio.create_task(self.again(deed, number))
            for deed, count in deeds
            for number in range(count)
        ]
        while self.goes_on:
            await asyncio.sleep(1.0)
            print(json.dumps(done), flush=True)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def main() -> None:
    host, port, pin, seconds = sys.argv[1:]
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    )
    # An attacker has a machine of its own, and takes no time of the honest ones' processors.
    os.nice(ATTACKER_NICE)
    relay = RelayAddress.parse(f"{host}:{port}#{pin}")
    hostile = Hostile(relay, time.monotonic() + float(seconds))
    asyncio.run(hostile.everything())
    # Sockets by the hundred, some with data that nobody will ever read: the kernel closes them.
    os._exit(0)


if __name__ == "__main__":
    main()
