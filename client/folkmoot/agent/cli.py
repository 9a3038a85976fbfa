"""The command `folkmoot`: what people and programs say to it, checked before anything begins."""

from __future__ import annotations

import asyncio
import importlib.metadata
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer

from folkmoot.adversary.cli import attack as attack_command
from folkmoot.agent import check as checking
from folkmoot.agent import inspect as inspecting
from folkmoot.agent import said
from folkmoot.agent.bench.cli import bench_app
from folkmoot.agent.carrying_out import AsJson, carry_out
from folkmoot.agent.console import Output
from folkmoot.agent.failure import WRONG_CALL, CallError, Failure
from folkmoot.governance import DEFAULT_PRESET, PRESETS
from folkmoot.relay.cli import relay as relay_command

app = typer.Typer(
    name="folkmoot",
    help="Encrypted meetings that belong to those who are in them.",
    epilog="`folkmoot COMMAND --help` shows examples. Options also come from FOLKMOOT_… variables.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,  # would print local variables, keys among them
    context_settings={"help_option_names": ["-h", "--help"]},
)

# Options that several commands share.
Name = Annotated[
    str, typer.Option(metavar="NAME", envvar="FOLKMOOT_NAME", help="What others call you.")
]
Invitation = Annotated[
    str,
    typer.Argument(
        metavar="INVITE", help="The word that begins with folkmoot:, or - to read it from input."
    ),
]
Relays = Annotated[
    list[str] | None,
    typer.Option(
        "--relay",
        metavar="ADDRESS",
        envvar="FOLKMOOT_RELAY",
        help="A relay, HOST:PORT#PIN as `folkmoot relay` prints it.",
    ),
]
Listen = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        envvar="FOLKMOOT_LISTEN",
        help="Where the relay of this machine listens, if one is started.",
    ),
]
Headless = Annotated[
    bool,
    typer.Option(
        "--headless", envvar="FOLKMOOT_HEADLESS", help="No page: files and standard input."
    ),
]
Play = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        envvar="FOLKMOOT_PLAY",
        help="This file is your voice and picture (--headless).",
    ),
]
Loop = Annotated[
    bool, typer.Option("--loop", envvar="FOLKMOOT_LOOP", help="Repeat the file of --play.")
]
Record = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        envvar="FOLKMOOT_RECORD",
        help="Record each member heard into a file here (--headless).",
    ),
]
ForSeconds = Annotated[
    float | None,
    typer.Option("--for", metavar="SECONDS", envvar="FOLKMOOT_FOR", help="Leave after so long."),
]
Via = Annotated[
    str,
    typer.Option(
        metavar="WAY",
        envvar="FOLKMOOT_VIA",
        help="How to reach relays: auto, direct, entry, socks5://HOST:PORT or http://HOST:PORT.",
    ),
]
Entry = Annotated[
    str | None,
    typer.Option(
        "--entry",
        metavar="ADDRESS",
        envvar="FOLKMOOT_ENTRY",
        help="Go to relays through this one, of somebody else: they see it and not you.",
    ),
]
RatherSeen = Annotated[
    bool,
    typer.Option(
        "--rather-seen-than-silent",
        envvar="FOLKMOOT_RATHER_SEEN_THAN_SILENT",
        help="When no entry works, connect directly: that relay then sees your address.",
    ),
]
Admit = Annotated[
    str,
    typer.Option(
        metavar="ask|all",
        envvar="FOLKMOOT_ADMIT",
        help="Who knocks is asked about, or let in.",
    ),
]


def version_text() -> str:
    """The version that is installed."""
    return importlib.metadata.version("folkmoot")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"folkmoot {version_text()}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_print_version, help="Print the version."
        ),
    ] = False,
) -> None:
    """Meetings by voice, picture and chat, carried by relays that can read nothing."""


app.command("relay")(relay_command)
app.command("attack")(attack_command)
app.add_typer(bench_app, name="bench")


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Runs the meeting's loop, on uvloop where that is installed."""
    try:
        from uvloop import new_event_loop
    except ImportError:  # not on Windows
        asyncio.run(work)
        return
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(work)


# -- commands


@app.command()
def meet(
    relay: Relays = None,
    name: Name = "",
    charter: Annotated[
        str,
        typer.Option(
            metavar="|".join(PRESETS) + "|FILE",
            envvar="FOLKMOOT_CHARTER",
            help="The rules of the meeting.",
        ),
    ] = DEFAULT_PRESET,
    listen: Listen = None,
    headless: Headless = False,
    play: Play = None,
    loop: Loop = False,
    record: Record = None,
    for_seconds: ForSeconds = None,
    via: Via = "auto",
    entry: Entry = None,
    rather_seen: RatherSeen = False,
    admit: Admit = "ask",
    as_json: AsJson = False,
) -> None:
    """Opens a meeting and its page, and prints the invite.

    \b
    Without --relay, a relay is started on this machine for as long as the meeting lasts. With
    several, the first three carry the meeting at once, and the others take over when those are
    gone: any one of the three may fail, and the meeting loses nothing.

    \b
    With two relays or more each hides you from the next: a relay sees your address or the
    meeting, not both (--via direct: no such detour).

    \b
    Examples:
      folkmoot meet --name Ada
      folkmoot meet --relay relay.example.org:7443#8Jm…
      folkmoot meet --relay one.example.org:7443#8Jm… --relay two.example.net:7443#Qx2…
      folkmoot meet --headless --play talk.webm --loop --admit all --for 3600
    """
    output = Output(as_json)

    def work() -> None:
        relays = said.relay_addresses(relay)
        if relays and listen is not None:
            raise CallError(
                "--listen is for a relay on this machine; with --relay none is started."
            )
        said.check_relays(relays)
        said.check_media(headless, play, record, loop, for_seconds)
        rules, place = said.charter_of(charter), said.listen_place(listen)
        wish, everybody = said.wish(via, entry, rather_seen, relays), said.admits_all(admit)
        if entry is not None and not relays:
            raise CallError("--entry is for relays elsewhere: name the meeting's with --relay.")
        from folkmoot.agent.run import Settings, run_meeting  # slow to load, a mistake is not

        settings = Settings(
            name=name,
            charter=rules,
            relays=relays,
            listen=place,
            headless=headless,
            play=play,
            record=record,
            loop=loop,
            for_s=for_seconds,
            wish=wish,
            admit_all=everybody,
        )
        _run(run_meeting(settings, output))

    carry_out(output, work)


@app.command()
def join(
    invite: Invitation,
    name: Name = "",
    headless: Headless = False,
    play: Play = None,
    loop: Loop = False,
    record: Record = None,
    for_seconds: ForSeconds = None,
    via: Via = "auto",
    entry: Entry = None,
    rather_seen: RatherSeen = False,
    admit: Admit = "ask",
    as_json: AsJson = False,
) -> None:
    """Joins a meeting: shows who will see what, and knocks once you press join in the page.

    \b
    Examples:
      folkmoot join folkmoot:AYx… --name Grace
      folkmoot join -    (asks for the invite: other users of this machine can read command lines)
      folkmoot join folkmoot:AYx… --via socks5://127.0.0.1:9050
      folkmoot join folkmoot:AYx… --entry entry.example.net:7443#Qx3…
      folkmoot join folkmoot:AYx… --headless --record minutes/ --for 600
    """
    output = Output(as_json)

    def work() -> None:
        parsed = inspecting.parse_invite(invite)
        said.check_media(headless, play, record, loop, for_seconds)
        relays = [relay.address for relay in parsed.relays]
        wish, everybody = said.wish(via, entry, rather_seen, relays), said.admits_all(admit)
        from folkmoot.agent.run import Settings, run_meeting

        settings = Settings(
            name=name,
            charter=parsed.charter,
            invite=parsed,
            headless=headless,
            play=play,
            record=record,
            loop=loop,
            for_s=for_seconds,
            wish=wish,
            admit_all=everybody,
        )
        _run(run_meeting(settings, output))

    carry_out(output, work)


@app.command()
def inspect(
    invite: Invitation,
    as_json: AsJson = False,
) -> None:
    """Says what an invite holds: relays, charter, door. Sends nothing to anybody.

    \b
    Examples:
      folkmoot inspect folkmoot:AYx…
      folkmoot inspect --json folkmoot:AYx…
    """
    output = Output(as_json)
    carry_out(output, lambda: inspecting.inspect(invite, output))


@app.command()
def check(
    relay: Relays = None, via: Via = "auto", entry: Entry = None, as_json: AsJson = False
) -> None:
    """Tests this machine and relays, and says what each relay can see.

    \b
    Examples:
      folkmoot check
      folkmoot check --relay relay.example.org:7443#8Jm…
      folkmoot check --relay relay.example.org:7443#8Jm… --via socks5://127.0.0.1:9050
    """
    output = Output(as_json)

    def work() -> None:
        relays = said.relay_addresses(relay)
        wish = said.wish(via, entry, False, relays)
        if not asyncio.run(checking.check(relays, wish, output)):
            raise Failure("Something here will not work: see above.")

    carry_out(output, work)


def main() -> None:
    """The script `folkmoot`."""
    try:
        app()
    except BrokenPipeError:
        sys.exit(WRONG_CALL)


if __name__ == "__main__":
    main()
