"""What was said on the command line, turned into what the program works with; a mistake is told
before anything begins."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path

from folkmoot.agent import route
from folkmoot.agent.failure import CallError
from folkmoot.agent.path_choice import Wish
from folkmoot.governance import PRESETS, Charter, CharterError, Relay, from_mapping
from folkmoot.governance.relay_change import RelayListError, split_relays
from folkmoot.meeting.paths import Relays, hides
from folkmoot.wire.address import RelayAddress, parse_host_port
from folkmoot.wire.codec import DecodeError

SECONDS_MAX = 10_000_000.0
CHARTER_FILE_BYTES_MAX = 65_536


def relay_addresses(texts: list[str] | None) -> tuple[RelayAddress, ...]:
    """Those of --relay, each once."""
    # The variable may hold several, separated by spaces; typer splits it only for options that
    # take one value each.
    words = [word for text in texts or [] for word in text.split()]
    addresses = []
    for word in words:
        try:
            addresses.append(RelayAddress.parse(word))
        except DecodeError as error:
            raise CallError(f"--relay {word}: this is no relay address: {error}.") from None
    return tuple(dict.fromkeys(addresses))


def check_relays(relays: Sequence[RelayAddress]) -> None:
    """Whether a meeting can begin with these; with none, one is started here."""
    if relays:
        try:
            split_relays(Relay(address) for address in relays)
        except RelayListError as error:
            raise CallError(f"--relay: {error}") from None


def listen_place(text: str | None) -> tuple[str, int] | None:
    """That of --listen."""
    if text is None:
        return None
    try:
        return parse_host_port(text)
    except DecodeError as error:
        raise CallError(f"--listen {text}: {error}.") from None


def wish(via: str, entry: str | None, rather_seen: bool, relays: Sequence[RelayAddress]) -> Wish:
    """How the person wants to reach those relays; CallError where that cannot be."""
    if entry is not None:
        return Wish(_through(via, entry, relays))
    if via == "auto":
        return Wish(rather_seen=rather_seen)
    if via == "entry":
        if not hides(Relays.of(map(Relay, relays), (), ())):
            raise CallError(
                "--via entry: with one relay there is none that could hide your address from it. "
                "Name an entry with --entry ADDRESS, use more relays, or go through Tor: "
                "--via socks5://127.0.0.1:9050."
            )
        return Wish(hide=True, rather_seen=rather_seen)
    try:
        return Wish(route.parse_via(via), hide=False)
    except route.ViaError as error:
        raise CallError(str(error)) from None


def _through(via: str, entry: str, relays: Iterable[RelayAddress]) -> route.Via:
    """By an entry that the person names; `via` is how that is reached."""
    try:
        outer = route.DIRECT if via in ("auto", "entry") else route.parse_via(via)
    except route.ViaError as error:
        raise CallError(str(error)) from None
    try:
        found = route.through(RelayAddress.parse(entry), outer)
    except DecodeError as error:
        raise CallError(f"--entry {entry}: this is no relay address: {error}.") from None
    for relay in relays:
        if route.sees_both(found, relay):
            raise CallError(
                f"--entry {entry}: this is a relay of the meeting itself, which would see your "
                "address all the same. Name one that somebody else runs."
            )
    return found


def charter_of(text: str) -> Charter:
    """A preset's name, or a TOML file."""
    charter = PRESETS.get(text)
    if charter is None:
        path = Path(text)
        if not path.is_file():
            presets = ", ".join(PRESETS)
            raise CallError(f"--charter {text}: neither a file nor one of {presets}.")
        try:
            with path.open("rb") as file:
                data = file.read(CHARTER_FILE_BYTES_MAX)
            charter = from_mapping(tomllib.loads(data.decode("utf-8")))
        except OSError as error:
            raise CallError(f"--charter {text} cannot be read: {error.strerror}.") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise CallError(f"--charter {text} is not TOML: {error}.") from None
        except CharterError as error:
            raise CallError(f"--charter {text}: {error}") from None
    return charter


def check_media(
    headless: bool, play: Path | None, record: Path | None, loop: bool, for_s: float | None
) -> None:
    if not headless and (play is not None or record is not None):
        raise CallError("--play and --record go with --headless: the page has its own devices.")
    if loop and play is None:
        raise CallError("--loop repeats the file of --play, and there is none.")
    if for_s is not None and not 0 < for_s <= SECONDS_MAX:
        raise CallError("--for takes a number of seconds above 0.")


def admits_all(text: str) -> bool:
    if text not in ("ask", "all"):
        raise CallError("--admit is ask or all.")
    return text == "all"
