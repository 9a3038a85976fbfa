"""`folkmoot check`: whether this machine and the relays are fit for a meeting, and who sees
what."""

from __future__ import annotations

import asyncio
import importlib
import ipaddress
import os
import shutil
import socket
import ssl
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.table import Table
from rich.text import Text

from folkmoot.agent import pinned, reach, route
from folkmoot.agent.console import Event, Output, printable
from folkmoot.agent.path_choice import PathChoice, Wish, decided, preview
from folkmoot.agent.probe import Seen, probe
from folkmoot.governance import Relay
from folkmoot.governance.extension import RELAYS_MAX
from folkmoot.meeting.paths import Relays
from folkmoot.meeting.relay_book import first_uses
from folkmoot.wire.address import RelayAddress, encode_pin, format_host_port

State = Literal["good", "note", "warning", "bad"]
SIGNS: dict[State, tuple[str, str]] = {
    "good": ("✓", "green"),
    "note": ("·", "dim"),
    "warning": ("!", "yellow"),
    "bad": ("✗", "bold red"),
}
# A clock that is off by more than this may find its commits not named by the others.
CLOCK_OFF_S_MAX = 5.0
CLOCK_OFF_S_GOOD = 2.0
BROWSERS = (
    "firefox",
    "firefox-esr",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "brave-browser",
)
# What is built for one system and fails to load on another, if anything does.
MODULES = ("av", "aioice", "OpenSSL", "pylibsrtp", "cryptography.hazmat.bindings._rust")
PROXY_VARIABLES = ("ALL_PROXY", "HTTPS_PROXY", "all_proxy", "https_proxy")


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was looked at."""

    what: str
    state: State
    sentence: str


def this_machine() -> Iterator[Row]:
    """Everything that needs no network."""
    yield _software()
    yield from _loopback()
    yield _network()
    yield _browser()
    yield _devices("camera", "video4linux", "video")
    yield _sound()


def _software() -> Row:
    if not ssl.HAS_TLSv1_3:
        return Row("software", "bad", "This Python's TLS library has no TLS 1.3, which links need.")
    try:
        for name in MODULES:
            importlib.import_module(name)
    except ImportError as error:
        return Row("software", "bad", f"A part is missing ({error}): install folkmoot again.")
    codecs = importlib.import_module("av").codecs_available
    missing = [name for name in ("libopus", "libvpx") if name not in codecs]
    python = ".".join(str(number) for number in sys.version_info[:3])
    if missing:
        why = f"--play cannot encode: PyAV here has no {' and no '.join(missing)}."
        return Row("software", "warning", why)
    return Row("software", "good", f"All parts are there (Python {python}, {ssl.OPENSSL_VERSION}).")


def _loopback() -> Iterator[Row]:
    for kind, name, use in (
        (socket.SOCK_STREAM, "TCP", "the page"),
        (socket.SOCK_DGRAM, "UDP", "sound and picture between page and agent"),
    ):
        try:
            with socket.socket(socket.AF_INET, kind) as probe_socket:
                probe_socket.bind(("127.0.0.1", 0))
        except OSError as error:
            sentence = f"{name} on 127.0.0.1 is needed for {use}, and fails: {error.strerror}."
            yield Row(f"{name} ports", "bad", sentence)
        else:
            yield Row(f"{name} ports", "good", f"{name} on 127.0.0.1 works, for {use}.")


def _network() -> Row:
    host = reach.reachable_address()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as listener:
            listener.bind((host, 0))
    except OSError as error:
        return Row("own relay", "warning", f"No relay can listen at {host}: {error.strerror}.")
    if ipaddress.ip_address(host).is_loopback:
        sentence = (
            "This machine has no address that others could reach: `folkmoot meet` works on this "
            "machine alone, or with --relay. Firefox needs such an address for sound and picture."
        )
        return Row("own relay", "warning", sentence)
    who, _ = reach.who_can_reach(host, 0)
    sentence = f"`folkmoot meet` would run its relay at {host}. {who.replace(', port 0,', '')}"
    return Row("own relay", "good", sentence)


def _browser() -> Row:
    found = [name for name in BROWSERS if shutil.which(name)]
    if sys.platform in ("darwin", "win32"):
        return Row("browser", "good", "The page opens in the browser of this system.")
    if not found:
        return Row("browser", "warning", "No browser was found: install Firefox or Chromium.")
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        sentence = f"{found[0]} is there, and no screen: `meet` prints the page's address instead."
        return Row("browser", "note", sentence)
    return Row("browser", "good", f"The page opens in a browser of this machine ({found[0]}).")


def _devices(what: str, folder: str, prefix: str) -> Row:
    if not sys.platform.startswith("linux"):
        return Row(what, "note", f"The page shows whether the browser finds a {what}.")
    names: dict[str, Path] = {}
    for device in sorted(Path(f"/sys/class/{folder}").glob(f"{prefix}*")):
        try:
            names.setdefault((device / "name").read_text().strip(), Path("/dev") / device.name)
        except OSError:
            continue
    if not names:
        return Row(what, "note", f"No {what} is connected: others hear you and see your name.")
    name, path = next(iter(names.items()))
    if not os.access(path, os.R_OK | os.W_OK):
        sentence = f"{name} is there, and you may not use it: join the group that owns {path}."
        return Row(what, "warning", sentence)
    return Row(what, "good", f"{', '.join(names)}.")


def _sound() -> Row:
    cards = Path("/proc/asound/cards")
    if not cards.exists():
        if sys.platform.startswith("linux"):
            return Row("sound", "note", "No sound card is known to this system.")
        return Row("sound", "note", "The page shows whether the browser finds a microphone.")
    lines = [line for line in cards.read_text().splitlines() if "]:" in line]
    if not lines:
        return Row("sound", "note", "No sound card: nobody hears you, and you hear nobody.")
    return Row("sound", "good", f"{lines[0].partition(']:')[2].strip()}.")


def proxies(via: route.Via) -> Row:
    """Which way connections take, and whether the system would have them take another."""
    variables = [name for name in PROXY_VARIABLES if os.environ.get(name)]
    if via.hides_address:
        return Row("way", "good", f"Connections go through {via}, and names are resolved there.")
    if variables:
        sentence = (
            f"Connections go directly. This system names a proxy in {variables[0]}, which is used "
            "only if you say so: --via socks5://HOST:PORT or --via http://HOST:PORT."
        )
        return Row("way", "note", sentence)
    return Row("way", "note", "Connections go directly, so a relay sees this machine's address.")


def _entries() -> Row:
    sentence = "Each relay is reached through another: none sees your address with a room or door."
    return Row("way", "good", sentence)


async def relay_rows(relay: RelayAddress, via: route.Via) -> tuple[list[Row], Seen | None]:
    """What a look at one relay shows."""
    place = format_host_port(relay.host, relay.port)
    try:
        seen = await probe(relay, via)
    except pinned.WrongPin as error:
        sentence = (
            f"{place}: this is not the relay that the address names. Its pin is "
            f"{encode_pin(error.pin)}. Ask who runs it, by another way, before you use it."
        )
        return [Row("relay", "bad", sentence)], None
    except OSError as error:
        return [Row("relay", "bad", f"{place}: {error}.")], None
    took_ms = seen.handshake_s * 1000
    sentence = f"{place} is the one, and takes links (connected in {took_ms:.0f} ms)."
    return [Row("relay", "good", sentence), _clock(place, seen.clock_off_s)], seen


def _clock(place: str, off_s: float | None) -> Row:
    if off_s is None:
        return Row("clock", "note", f"{place} does not say what time it is.")
    if abs(off_s) <= CLOCK_OFF_S_GOOD:
        return Row("clock", "good", f"This machine's clock and that of {place} agree.")
    way = "ahead of" if off_s > 0 else "behind"
    state: State = "warning" if abs(off_s) <= CLOCK_OFF_S_MAX else "bad"
    sentence = f"This machine's clock is {abs(off_s):.0f} s {way} that of {place}: set it right."
    return Row("clock", state, sentence)


def sees(via: route.Via) -> list[tuple[str, bool, str]]:
    """What a relay can see of somebody who meets there: what, whether, how so."""
    if via.hides_address:
        address = ("your network address", False, f"it sees {via} instead")
    else:
        address = ("your network address", True, "you connect directly")
    return [address, *ROOM_SEES]


Machine = tuple[str, str, str, str, str]
DRAWN = "By which relays of the reserve you go is drawn by lot in each meeting."
CARRIES = {"room": "a room", "door": "its door", "": "no"}


def machines(wish: Wish, relays: Sequence[RelayAddress]) -> list[Machine]:
    """Each relay, and an entry that is none, as one row, once the meeting runs and pictures are
    shown: which it is, whether it sees our address, what it carries of us, whether it can tell by
    itself that they belong together, and how so."""
    rows = []
    for row in preview(wish, [Relay(one) for one in relays], turn=0):
        place = str(row["address"]).partition("#")[0]
        through = _listed([one.partition("#")[0] for one in row["entry_to"]])
        why = [f"you come {row['by']}"] if row["by"] else []
        if row["carries"] == "door":
            why.insert(0, "in reserve, and only the door is open there")
        if row["use"] == "entry":
            why.insert(0, "no relay of the meeting")
        if through:
            why.append(f"it takes you to {through}, and is not told what is there")
        if not why:
            why = ["you do not connect to it while the others are there"]
        sees_us = "yes" if row["sees_address"] or through else "no"
        both = "yes" if row["sees_address"] else "no"
        rows.append((place, sees_us, CARRIES[row["carries"]], both, "; ".join(why)))
    return rows


def _listed(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)


ROOM_SEES = (
    ("that a room is in use, by how many links, and when", True, "it passes the cells on"),
    ("that somebody shows a picture", True, "pictures have a room of their own"),
    ("names, voices, pictures, chat, members", False, "encrypted from member to member"),
    ("who speaks", False, "every member sends the same, speaking or silent"),
    ("which link is whose", False, "unless a member hands it the meeting's keys"),
)


async def check(relays: Sequence[RelayAddress], wish: Wish, output: Output) -> bool:
    """Looks at everything and says it; whether nothing is bad."""
    rows = list(this_machine())
    told = [Relay(one) for one in relays]
    choice = PathChoice(wish, lambda: first_uses(told), turn=0)
    ways = [choice.route_for(relay, "main") for relay in relays]
    rows.append(_entries() if len(set(ways)) > 1 else proxies(ways[0] if ways else wish.via))
    looks = await asyncio.gather(
        *(relay_rows(relay, via) for relay, via in zip(relays, ways, strict=True))
    )
    rows += [row for found, _ in looks for row in found]
    for row in rows:
        event = {"event": "row", "what": row.what, "state": row.state, "sentence": row.sentence}
        output.event(event)
    for relay, via, (_, seen) in zip(relays, ways, looks, strict=True):
        output.event(_relay_event(relay, seen, via))
    bad = sum(row.state == "bad" for row in rows)
    output.event({"event": "done", "bad": bad})
    if not output.as_json:
        of_reserve = len(relays) > RELAYS_MAX and decided(wish, Relays.of(told, (), ()))
        _show(rows, machines(wish, relays), DRAWN if of_reserve else "", output)
    return bad == 0


def _relay_event(relay: RelayAddress, seen: Seen | None, via: route.Via) -> Event:
    return {
        "event": "relay",
        "address": str(relay),
        "reachable": seen is not None,
        "handshake_s": None if seen is None else round(seen.handshake_s, 4),
        "clock_off_s": None if seen is None else seen.clock_off_s,
        "tick_ms": None if seen is None else seen.tick_ms,
        "roles": [] if seen is None else seen.facts.get("roles", []),
        "sees_address": not via.hides_address,
        "sees": {what: whether for what, whether, _ in sees(via)},
    }


def _show(rows: list[Row], seeing: Sequence[Machine], caption: str, output: Output) -> None:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for row in rows:
        sign, style = SIGNS[row.state]
        table.add_row(Text(sign, style=style), row.what, Text(printable(row.sentence)))
    output.say(table)
    if not seeing:
        return
    machine = _table("Who sees what", "", "your address", "carries", "both, by itself", "how so")
    for place, address, carries, both, why in seeing:
        machine.add_row(Text(place), address, carries, both, Text(why))
    machine.caption = caption
    seen = _table("What a relay can see of its rooms", "", "sees it", "how so")
    for what, whether, why in ROOM_SEES:
        seen.add_row(what, Text("yes" if whether else "no"), why)
    for one in (machine, seen):
        output.say()
        output.say(one)


def _table(title: str, *headings: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), title=title, title_justify="left")
    for heading in headings:
        table.add_column(heading)
    return table
