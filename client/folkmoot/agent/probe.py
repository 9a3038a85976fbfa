"""A look at one relay, as `folkmoot check` takes it: is it the one, does it answer, is its clock
ours."""

from __future__ import annotations

import email.utils
import json
import os
import time
from dataclasses import dataclass
from typing import Any

import anyio
from anyio.abc import ByteStream

from folkmoot.agent import pinned, route
from folkmoot.agent.websocket import WebSocket, now
from folkmoot.wire import link_events as told
from folkmoot.wire import messages
from folkmoot.wire.address import RelayAddress, format_host_port
from folkmoot.wire.link import LinkMachine

ANSWER_TIMEOUT_S = 10.0
ANSWER_BYTES_MAX = 65_536
FACTS_PATH = "/.well-known/folkmoot"


@dataclass(frozen=True, slots=True)
class Seen:
    """`handshake_s`: connecting and TLS; `clock_off_s`: this machine's clock less the relay's, to
    about a second, None when it does not say; `facts`: what it says of itself."""

    handshake_s: float
    clock_off_s: float | None
    tick_ms: int
    rooms_max: int
    facts: dict[str, Any]


async def probe(relay: RelayAddress, via: route.Via) -> Seen:
    """Looks at the relay twice: its facts, then a link. Raises OSError with a reason."""
    began = now()
    tls, _ = await pinned.secure(await route.connect(via, relay.host, relay.port), relay.pin)
    handshake_s = now() - began
    try:
        asked = time.time()
        with anyio.fail_after(ANSWER_TIMEOUT_S):
            headers, body = await _get(tls, relay, FACTS_PATH)
    except TimeoutError:
        raise pinned.NoRelay("it took the connection and then said nothing") from None
    except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
        raise pinned.NoRelay("it closed the connection without an answer") from None
    finally:
        await anyio.aclose_forcefully(tls)
    ready = await _hello(relay, via)
    off_s = _clock_off_s(headers.get("date", ""), (asked + time.time()) / 2)
    return Seen(handshake_s, off_s, ready.tick_ms, ready.rooms_max, _facts(body))


async def _get(tls: ByteStream, relay: RelayAddress, path: str) -> tuple[dict[str, str], bytes]:
    host = format_host_port(relay.host, relay.port)
    await tls.send(
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode("ascii")
    )
    data = b""
    while len(data) < ANSWER_BYTES_MAX:
        try:
            data += await tls.receive()
        except anyio.EndOfStream:
            break
    head, _, body = data.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    if not status.startswith("HTTP/1.1 200 "):
        raise pinned.NoRelay("it has the right pin, and does not answer as a relay does")
    pairs = (line.partition(":") for line in lines)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}, body


def _facts(body: bytes) -> dict[str, Any]:
    try:
        facts = json.loads(body)
    except ValueError:
        return {}
    return facts if isinstance(facts, dict) else {}


def _clock_off_s(date: str, here: float) -> float | None:
    try:
        there = email.utils.parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError):
        return None
    return here - (there + 0.5)  # whole seconds: on average half of one has passed


async def _hello(relay: RelayAddress, via: route.Via) -> told.Ready:
    tls, pin = await pinned.secure(await route.connect(via, relay.host, relay.port), relay.pin)
    machine = LinkMachine(pin, os.urandom, now())
    socket = WebSocket(
        tls,
        host=relay.host,
        port=relay.port,
        path=messages.link_path(),
        message_bytes_max=messages.RELAY_MESSAGE_BYTES_MAX,
        grid=machine.grid,
    )
    try:
        await socket.open()
        with anyio.fail_after(ANSWER_TIMEOUT_S):
            while True:
                for message in await socket.receive():
                    machine.receive(message, now())
                event = machine.next_event()
                if isinstance(event, told.Ready):
                    return event
                if isinstance(event, told.LinkBroken):
                    raise pinned.NoRelay(event.sentence)
    except TimeoutError:
        raise pinned.NoRelay("it took the link and then said nothing") from None
    finally:
        await socket.close()
