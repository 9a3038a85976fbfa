"""Finds the relay that a tunnel is to go to: its name is looked up once, the rules judge the
addresses, and tunnels go to the very address at which a relay has just answered.

So a name that answers otherwise the second time leads nowhere, and an entry shows nobody which
ports of which machine are open: whatever is no relay ends in the same silence. No address of a
target is kept or printed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable

from folkmoot.relay.listen import tune
from folkmoot.wire.entry_messages import Target
from folkmoot.wire.entry_rules import Admission
from folkmoot.wire.messages import VERSION

RESOLVE_S = 2.0
# Look-ups that may be under way: one whose name server is slow outlives the tunnel that asked.
RESOLVING_MAX = 32
ADDRESSES_MAX = 2  # of one name: one of IPv6 and one of IPv4, where it has both
# How long the first address has before the second is tried beside it (RFC 8305 §5).
STAGGER_S = 0.3
ANSWER_BYTES_MAX = 16_384
# Who answered as a relay is not asked again for so long: the links of a meeting come together, and
# after a loss each round trip is a gap. What is no relay is looked at anew each time, so that one
# that starts again is found at once.
ANSWERED_S = 10.0
ANSWERED_MAX = 256
PROGRAM = "folkmoot-relay"
# Fixed, so that no word of whoever asks for a tunnel reaches a machine that may be no relay.
QUESTION = b"GET /.well-known/folkmoot HTTP/1.1\r\nHost: relay.invalid\r\nConnection: close\r\n\r\n"

MakeProtocol = Callable[[], asyncio.Protocol]


class NoTarget(Exception):
    """No relay that this entry goes to answers there."""


class Targets:
    """Goes to targets for tunnels, where `admission` lets it."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._context = _context()
        self._resolving = 0
        self._answered: dict[tuple[str, int], float] = {}  # until when, oldest first

    async def reach(self, target: Target, make: MakeProtocol) -> asyncio.Transport:
        """A connection to the target, after a relay answered at that same address; raises NoTarget
        or OSError. It has no end of its own: whoever waits cancels it."""
        addresses = await self._addresses(target)
        known = [one for one in addresses if self._is_known(one, target.port)]
        address = known[0] if known else await self._first_relay(addresses, target.port)
        connection = await _connect(address, target.port)
        try:
            transport, _ = await asyncio.get_running_loop().create_connection(make, sock=connection)
        except BaseException:
            connection.close()
            raise
        return transport

    def _is_known(self, address: str, port: int) -> bool:
        return self._answered.get((address, port), 0.0) > asyncio.get_running_loop().time()

    def _has_answered(self, address: str, port: int) -> None:
        self._answered.pop((address, port), None)
        if len(self._answered) >= ANSWERED_MAX:
            del self._answered[next(iter(self._answered))]
        self._answered[address, port] = asyncio.get_running_loop().time() + ANSWERED_S

    # Names

    async def _addresses(self, target: Target) -> list[str]:
        """Addresses in digits that the rules admit, at most one of each family."""
        found = await self._resolve(target)
        chosen: dict[bool, str] = {}
        for address in found:
            if self._admission.admits(address, target.port):
                chosen.setdefault(":" in address, address)
        if not chosen:
            raise NoTarget
        return list(chosen.values())[:ADDRESSES_MAX]

    async def _resolve(self, target: Target) -> list[str]:
        """All addresses of the host. In a thread of its own: the system's resolver cannot be
        stopped, and a pool of threads would be full of names whose servers do not answer."""
        if self._resolving >= RESOLVING_MAX:
            raise NoTarget
        loop = asyncio.get_running_loop()
        result: asyncio.Future[list[str]] = loop.create_future()

        def done(addresses: list[str]) -> None:
            self._resolving -= 1
            if not result.done():
                result.set_result(addresses)

        def work() -> None:
            addresses: list[str] = []
            with contextlib.suppress(OSError, UnicodeError):
                rows = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
                addresses = [str(row[4][0]) for row in rows]
            with contextlib.suppress(RuntimeError):  # the relay has ended meanwhile
                loop.call_soon_threadsafe(done, addresses)

        self._resolving += 1
        threading.Thread(target=work, name="resolver", daemon=True).start()
        async with asyncio.timeout(RESOLVE_S):
            return await result

    # Addresses

    async def _first_relay(self, addresses: list[str], port: int) -> str:
        """The address at which a relay answers first, the later ones tried a moment later."""
        tasks = [
            asyncio.ensure_future(self._asked(address, port, STAGGER_S * place))
            for place, address in enumerate(addresses)
        ]
        try:
            for each in asyncio.as_completed(tasks):
                with contextlib.suppress(OSError, NoTarget):
                    return await each
            raise NoTarget
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _asked(self, address: str, port: int, wait_s: float) -> str:
        """The address, once a relay answered there."""
        await asyncio.sleep(wait_s)
        connection = await _connect(address, port)
        try:
            reader, writer = await asyncio.open_connection(
                sock=connection, ssl=self._context, server_hostname="", limit=ANSWER_BYTES_MAX
            )
        except BaseException:
            connection.close()
            raise
        try:
            writer.write(QUESTION)
            answer = b""
            while len(answer) <= ANSWER_BYTES_MAX and (data := await reader.read(4096)):
                answer += data
        finally:
            writer.transport.abort()
        if not is_relays_answer(answer):
            raise NoTarget
        self._has_answered(address, port)
        return address


def is_relays_answer(answer: bytes) -> bool:
    """Whether a relay of this protocol's version said this."""
    head, _, body = answer.partition(b"\r\n\r\n")
    if len(answer) > ANSWER_BYTES_MAX or not head.startswith(b"HTTP/1.1 200 "):
        return False
    try:
        facts = json.loads(body)
    except (ValueError, RecursionError):
        return False
    if not isinstance(facts, dict) or facts.get("program") != PROGRAM:
        return False
    versions = facts.get("versions")
    return isinstance(versions, list) and VERSION in versions


def _context() -> ssl.SSLContext:
    """Whose key it is, is the client's to check, inside the tunnel."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.options |= ssl.OP_NO_TICKET
    return context


async def _connect(address: str, port: int) -> socket.socket:
    """A TCP connection to an address in digits: nothing is looked up again."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        tune(connection)
        await asyncio.get_running_loop().sock_connect(connection, (address, port))
    except BaseException:
        connection.close()
        raise
    return connection
