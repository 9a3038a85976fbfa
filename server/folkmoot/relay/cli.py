"""`folkmoot-relay`, and `folkmoot relay`: runs a relay on this machine."""

from __future__ import annotations

import contextlib
import importlib.metadata
import ipaddress
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from folkmoot.relay import listen as listening
from folkmoot.relay.errors import CallError, RelayError
from folkmoot.relay.key import Identity, given_identity, kept_identity, make_identity
from folkmoot.relay.state import default_folder, held
from folkmoot.wire.address import RelayAddress, format_host_port
from folkmoot.wire.entry_rules import ALLOWED_MAX, make_admission, scope_of

DEFAULT_LISTEN = "[::]:7443"
TICK_MS_MAX = 20  # longer is heard
LOG_LEVELS = ("error", "warning", "info", "debug")

EXAMPLES = """Runs a relay: it passes on meetings that it cannot read, and knows nobody.

\b
Examples:
  relay                               on port 7443 of this machine
  relay --listen 203.0.113.5:443      on one address and port
  relay --announce example.org:7443   prints this name as its own
  relay --certificate c.pem --key k.pem
  relay --allow-target 10.8.0.0/16    lets tunnels into a private network
"""


def release() -> str:
    """The version of whichever distribution holds this relay."""
    for name in ("folkmoot-relay", "folkmoot"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(name)
    return "0"


def refuse_side_by_side() -> None:
    """Both distributions hold the same files, so removing one of them would break the other."""
    installed = {one.metadata["Name"] for one in importlib.metadata.distributions()}
    if {"folkmoot", "folkmoot-relay"} <= installed:
        raise RelayError(
            "folkmoot and folkmoot-relay are both installed in this environment and share files:"
            " uninstall both, then install one of them (folkmoot has the relay in it)."
        )


class _Report:
    """What the command says: JSON lines on standard output, or text for people."""

    def __init__(self, as_json: bool) -> None:
        self._json = as_json
        self._start = time.monotonic()

    def event(self, name: str, **values: Any) -> None:
        """One JSON line."""
        if self._json:
            at = round(time.monotonic() - self._start, 3)
            self._print(json.dumps({"event": name, "at": at, **values}))

    def say(self, text: str) -> None:
        """A line for people."""
        self._print(text, to_people=self._json)

    def error(self, error: RelayError) -> None:
        """Why it does not run."""
        self.event("error", message=str(error))
        self._print(str(error), to_people=True)

    def _print(self, text: str, to_people: bool = False) -> None:
        # Whoever started this may be gone, and then nobody reads it.
        with contextlib.suppress(OSError, ValueError):
            print(text, file=sys.stderr if to_people else sys.stdout, flush=True)


@contextlib.contextmanager
def _identity(
    state: Path | None, place: str, port: int, certificate: Path | None, key: Path | None
) -> Iterator[Identity]:
    if (certificate is None) != (key is None):
        raise CallError("--certificate and --key belong together: give both or none.")
    if certificate is not None and key is not None:
        yield given_identity(certificate, key)
    elif state is None and port == 0:
        yield make_identity()
    else:
        folder = state or default_folder(place)
        with held(folder, place):
            yield kept_identity(folder)


def _check(tick_ms: int, bus: str | None, log_level: str) -> None:
    if not 1 <= tick_ms <= TICK_MS_MAX:
        raise CallError(f"--tick-ms is from 1 to {TICK_MS_MAX}.")
    if bus is not None:
        raise CallError(
            "This version cannot share rooms between relay processes yet: start it without --bus."
        )
    if log_level not in LOG_LEVELS:
        raise CallError(f"--log-level is one of {', '.join(LOG_LEVELS)}.")


def _allowed(texts: list[str]) -> list[str]:
    """The networks of --allow-target; the variable holds several, with spaces between."""
    networks = [network for text in texts for network in text.split()]
    for network in networks:
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            raise CallError(f"--allow-target {network!r} is not of the form 10.0.0.0/8.") from error
    if len(networks) > ALLOWED_MAX:
        raise CallError(f"--allow-target is given more than {ALLOWED_MAX} networks.")
    return networks


def _own_scope(listened: list[str], announced: str | None) -> list[str]:
    """Addresses that say which inside an entry is in: those that it listens on, unless others know
    it by another. A public relay behind its hoster's NAT is no way into the hoster's network."""
    if announced is not None and scope_of(announced) not in map(scope_of, listened):
        return []
    return listened


def _run(
    report: _Report,
    listen: str,
    announce: str | None,
    identity_of: tuple[Path | None, Path | None, Path | None],
    allowed: list[str],
    tick_ms: int,
    log_level: str,
    until_stdin_closes: bool,
) -> None:
    from folkmoot.relay import serve  # FastAPI takes a while, and a wrong call should not

    host, port = listening.parse("--listen", listen)
    place = format_host_port(host, port)
    named = listening.parse("--announce", announce) if announce else None
    certificate, key, state = identity_of
    with _identity(state, place, port, certificate, key) as identity:
        listeners = listening.listen(host, port)
        real_port = listeners[0].getsockname()[1]
        name, public_port = named or (listening.announced_host(host), real_port)
        address = RelayAddress(name, public_port or real_port, identity.pin)
        listened = [str(listener.getsockname()[0]) for listener in listeners]
        inside = _own_scope(listened, named[0] if named else None)

        def ready() -> None:
            report.event("ready", address=str(address))
            report.say(
                f"The relay is running. Its address, for those who open meetings:\n\n  {address}\n"
            )
            report.say("It knows nobody and can read nothing. Ctrl-C stops it.")

        serve.run(
            listeners,
            identity,
            tick_ms=tick_ms,
            admission=make_admission(inside, allowed),
            release=release(),
            log_level=log_level,
            until_stdin_closes=until_stdin_closes,
            on_ready=ready,
        )
    report.event("closed")
    report.say("The relay has stopped.")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"folkmoot-relay {release()}")
        raise typer.Exit


def relay(
    listen: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT", envvar="FOLKMOOT_LISTEN", help="Where to listen; port 0 picks one."
        ),
    ] = DEFAULT_LISTEN,
    announce: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", envvar="FOLKMOOT_ANNOUNCE", help="What others call this relay."
        ),
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", envvar="FOLKMOOT_CERTIFICATE", help="Your own certificate (PEM)."
        ),
    ] = None,
    key: Annotated[
        Path | None, typer.Option(metavar="FILE", envvar="FOLKMOOT_KEY", help="Its key (PEM).")
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", envvar="FOLKMOOT_STATE", help="Where the relay's own key is kept."
        ),
    ] = None,
    tick_ms: Annotated[
        int, typer.Option(metavar="N", envvar="FOLKMOOT_TICK_MS", help="The relay's clock beat.")
    ] = 10,
    bus: Annotated[
        str | None, typer.Option(metavar="URL", envvar="FOLKMOOT_BUS", help="Not in this version.")
    ] = None,
    allow_target: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CIDR",
            envvar="FOLKMOOT_ALLOW_TARGET",
            help="A network that tunnels may go to though it is not public.",
        ),
    ] = None,
    log_level: Annotated[
        str,
        typer.Option(
            metavar="LEVEL", envvar="FOLKMOOT_LOG_LEVEL", help="error, warning, info or debug."
        ),
    ] = "warning",
    as_json: Annotated[bool, typer.Option("--json", help="Speak JSON lines.")] = False,
    until_stdin_closes: Annotated[bool, typer.Option(hidden=True)] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_print_version, help="Print the version."
        ),
    ] = False,
) -> None:
    report = _Report(as_json)
    try:
        refuse_side_by_side()
        _check(tick_ms, bus, log_level)
        allowed = _allowed(allow_target or [])
        files = (certificate, key, state)
        _run(report, listen, announce, files, allowed, tick_ms, log_level, until_stdin_closes)
    except RelayError as error:
        report.error(error)
        raise typer.Exit(error.status) from error


relay.__doc__ = EXAMPLES


def main() -> None:
    """The script `folkmoot-relay`."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command()(relay)
    app()


if __name__ == "__main__":
    main()
