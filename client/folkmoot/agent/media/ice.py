"""ICE-lite for one page on this very machine (RFC 8445 §2.5, RFC 8489): it answers authenticated
checks and asks nobody anything. No STUN server, no multicast, no candidate of the other side is
ever looked up."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import secrets
import socket
import string
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import ifaddr
from aioice import stun

LOOPBACK = "127.0.0.1"
CHECK_BYTES_MAX = 1_024  # a browser's check has about 100 bytes
DATAGRAM_BYTES_MAX = 1_500
ADDRESSES_MAX = 16  # sockets, and candidates in each media section of an offer
SOCKET_BUFFER_BYTES = 4 << 20  # asked for; the system may give less (208 KiB on a default Linux)
# How often a packet from an unknown source may make us read the interfaces.
OWN_ADDRESSES_AGE_S = 5.0
_ALPHABET = string.ascii_letters + string.digits  # ice-char without + and / (RFC 8839 §5.4)

Address = tuple[str, int]


def own_addresses() -> list[str]:
    """This machine's IPv4 addresses, 127.0.0.1 first (Chromium pairs with it; Firefox never does,
    and takes another)."""
    found = {
        ip.ip for adapter in ifaddr.get_adapters() for ip in adapter.ips if isinstance(ip.ip, str)
    }
    return [LOOPBACK, *sorted(found - {LOOPBACK})][:ADDRESSES_MAX]


@dataclass(frozen=True, slots=True)
class Check:
    """An authenticated connectivity check: what to send back, and whether the browser chose this
    pair."""

    reply: bytes
    nominated: bool


def answer_check(
    data: bytes, source: Address, ufrag: str, password: str, remote_ufrag: str | None
) -> Check | None:
    """None for anything but a Binding request with our user name and a right MESSAGE-INTEGRITY.
    Before the answer has arrived `remote_ufrag` is None and only our half of the name is compared:
    the password is ours either way."""
    if len(data) > CHECK_BYTES_MAX:
        return None
    try:
        message = stun.parse_message(data)
    except (ValueError, struct.error):
        return None
    if (message.message_method, message.message_class) != (stun.Method.BINDING, stun.Class.REQUEST):
        return None
    own, colon, theirs = message.attributes.get("USERNAME", "").partition(":")
    if not colon or not hmac.compare_digest(own.encode(), ufrag.encode()):
        return None
    if remote_ufrag is not None and theirs != remote_ufrag:
        return None
    # A lite agent is always controlled, so a browser that says it is controlled too has misread the
    # offer.
    if "ICE-CONTROLLED" in message.attributes or not message.check_message_integrity(
        password.encode()
    ):
        return None
    reply = stun.Message(
        message_method=stun.Method.BINDING,
        message_class=stun.Class.RESPONSE,
        transaction_id=message.transaction_id,
        attributes={"XOR-MAPPED-ADDRESS": source},
    )
    reply.add_message_integrity(password.encode())
    return Check(bytes(reply), "USE-CANDIDATE" in message.attributes)


class _Socket(asyncio.DatagramProtocol):
    """One UDP socket; hands its datagrams to the IceLite that owns it."""

    def __init__(self, ice: IceLite) -> None:
        self._ice = ice
        self.transport: asyncio.DatagramTransport | None = None
        self.full = False
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def pause_writing(self) -> None:
        self.full = True  # media is dropped meanwhile: late media is worth nothing

    def resume_writing(self) -> None:
        self.full = False

    # Type: ignore[override].
    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._ice.receive(data, (addr[0], addr[1]), self)

    def error_received(self, exc: Exception) -> None:
        """ICMP "port unreachable": the page is gone; the missing checks will say so."""

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)


class IceLite:
    """UDP sockets on this machine's own addresses, and the one page address they talk to."""

    def __init__(
        self, on_datagram: Callable[[bytes], None], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.ufrag = "".join(secrets.choice(_ALPHABET) for _ in range(8))
        self.password = "".join(secrets.choice(_ALPHABET) for _ in range(32))
        self.remote_ufrag: str | None = None
        self.candidates: tuple[Address, ...] = ()
        self.last_check: float | None = None  # when the newest authenticated check came
        self.dropped = 0
        self._on_datagram = on_datagram
        self._clock = clock
        self._sockets: list[_Socket] = []
        self._own: frozenset[str] = frozenset()
        self._own_read = 0.0
        self._peer: Address | None = None
        self._via: _Socket | None = None
        self._nominated = False

    @property
    def connected(self) -> bool:
        return self._peer is not None

    async def open(self, addresses: Sequence[str] | None = None) -> None:
        """One socket for each of `addresses` (default: all own ones), 127.0.0.1 first, each on a
        port of the system's choice. An address that cannot be bound is left out; OSError if none
        can."""
        loop = asyncio.get_running_loop()
        candidates: list[Address] = []
        failure: OSError | None = None
        for host in own_addresses() if addresses is None else addresses:
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                    with contextlib.suppress(OSError):
                        sock.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER_BYTES)
                sock.setblocking(False)
                sock.bind((host, 0))
            # An address that went away, or one the system does not let us bind.
            except OSError as error:
                sock.close()
                failure = error
                continue
            _, protocol = await loop.create_datagram_endpoint(lambda: _Socket(self), sock=sock)
            self._sockets.append(protocol)
            candidates.append(sock.getsockname()[:2])
        if not candidates:
            raise failure or OSError("this machine has no IPv4 address")
        self.candidates = tuple(candidates)
        self._read_own()

    def _read_own(self) -> None:
        self._own = frozenset(own_addresses()) | {host for host, _ in self.candidates}
        self._own_read = self._clock()

    def _is_own(self, host: str) -> bool:
        """A page's packets come from this machine. Chromium sends from its network address even to
        127.0.0.1, and that address changes with the network, so an unknown one makes us look again,
        now and then."""
        if host in self._own:
            return True
        if self._clock() - self._own_read < OWN_ADDRESSES_AGE_S:
            return False
        self._read_own()
        return host in self._own

    def receive(self, data: bytes, source: Address, via: _Socket) -> None:
        if not data or len(data) > DATAGRAM_BYTES_MAX or not self._is_own(source[0]):
            self.dropped += 1
        elif data[0] < 2:  # STUN (RFC 7983)
            check = answer_check(data, source, self.ufrag, self.password, self.remote_ufrag)
            if check is None or via.transport is None:
                self.dropped += 1
                return
            via.transport.sendto(check.reply, source)
            self.last_check = self._clock()
            # The first check that holds opens the way; after a nomination only another nomination
            # moves it.
            if check.nominated or (self._peer is None and not self._nominated):
                self._nominated = self._nominated or check.nominated
                self._peer, self._via = source, via
        elif source == self._peer and via is self._via:
            self._on_datagram(data)
        else:
            self.dropped += 1

    def send(self, datagram: bytes) -> bool:
        """To the page, if there is one and it keeps up."""
        via = self._via
        if via is None or via.transport is None or self._peer is None:
            return False
        if via.full:
            self.dropped += 1
            return False
        via.transport.sendto(datagram, self._peer)
        return True

    async def close(self) -> None:
        self._peer = self._via = None
        sockets, self._sockets = self._sockets, []
        for entry in sockets:
            if entry.transport is not None:
                entry.transport.abort()  # what is still buffered is media: nobody waits for it
        await asyncio.gather(*(entry.closed for entry in sockets))
