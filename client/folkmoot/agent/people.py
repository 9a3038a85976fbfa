"""A meeting's events in words, for a person at a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group
from rich.panel import Panel
from rich.text import Text

from folkmoot.agent.console import Output, printable
from folkmoot.agent.reach import who_can_reach
from folkmoot.wire.address import RelayAddress, format_host_port

NAME_CHARACTERS_MAX = 64


class Words:
    """Says what happens. Names come with the events, or from the newest snapshot."""

    def __init__(self, output: Output, invited: bool) -> None:
        """`invited`: whether this person followed somebody's invite."""
        self._output = output
        self._invited = invited
        self._names: dict[str, str] = {}

    def event(self, event: Mapping[str, Any]) -> None:
        """Says what a person wants to know of one event, maybe nothing."""
        if event["event"] == "snapshot":
            for member in event["members"]:
                self._names[member["member"]] = f"{member['name']}{_tag(member.get('tag'))}"
            return
        words = self._words(event)
        if words is not None:
            self._output.say(words)

    def _name(self, event: Mapping[str, Any], field: str = "member") -> str:
        name = event.get("name")
        if not name:
            return printable(self._names.get(str(event.get(field)), "somebody"))
        return printable(str(name), NAME_CHARACTERS_MAX) + _tag(event.get("tag"))

    def _words(self, event: Mapping[str, Any]) -> Text | None:
        kind = event["event"]
        if kind == "joined":
            return Text(
                f"You are in as {self._name(event)}. Safety code, to compare aloud: "
                f"{event['safety_code']}",
                style="bold green",
            )
        if kind == "knock":
            return Text(f"{self._name(event)} knocks: let them in from the page.", style="bold")
        if kind == "member_in":
            return Text(f"{self._name(event)} came in.")
        if kind == "member_out":
            how = "left" if event.get("cause") == "left" else "was removed"
            return Text(f"{self._name(event)} {how}.")
        if kind == "motion" and event["kind"] == "secede":
            return Text(
                f"{self._name(event, 'by')} calls {event['needed']} of you to walk out together, "
                "to another meeting: answer in the page.",
                style="bold",
            )
        if kind == "seceded":
            return Text(
                "You are in another meeting now, with those who came along. Whoever stayed hears "
                "nothing of it. The invite is another one.",
                style="bold green",
            )
        if kind == "motion":
            return Text(
                f"{self._name(event, 'by')} moves: {_asked(event)} "
                f"{event['needed']} of those who vote must say yes.",
                style="bold",
            )
        if kind == "decided":
            how = "carried" if event["carried"] else "not carried"
            return Text(f"The motion {event['motion']} was {how}.", style="bold")
        if kind == "chat":
            line = Text(f"{self._name(event, 'from')}: ", style="bold")
            return line.append(printable(str(event["text"])), style="default")
        if kind in ("relay_up", "relay_down"):
            place = str(event["relay"]).partition("#")[0]
            what = "is connected" if kind == "relay_up" else "is not connected"
            return Text(f"The relay {place} {what}.", style="dim")
        if kind in ("withheld", "unreached", "deafened", "marked"):
            return Text(printable(str(event["sentence"])), style="yellow")
        if kind == "refused":
            return Text(printable(f"Not done: {event['why']}"), style="yellow")
        if kind in ("problem", "error"):
            sentence = event.get("sentence") or event.get("message") or ""
            return Text(printable(str(sentence)), style="yellow")
        if kind == "charter_differs":
            lines = "\n".join(f"• {sentence}" for sentence in event["sentences"])
            return Text(f"The rules are not those of your invite:\n{lines}", style="bold yellow")
        if kind == "confirmed" and self._invited:
            return Text("Who invited you has confirmed this meeting.", style="dim")
        if kind == "left":
            return Text(str(event.get("why") or "You have left the meeting."), style="bold")
        return None


def _asked(event: Mapping[str, Any]) -> str:
    """What a motion asks, as a sentence."""
    whom = printable(str(event.get("subject_name") or "somebody"), NAME_CHARACTERS_MAX)
    if event["kind"] == "remove":
        return f"that {whom} be removed."
    if event["kind"] == "raise":
        return f"that {whom} get a vote."
    if event["kind"] == "admit":
        return f"that {whom}, who knocks, be let in."
    return "that the rules be changed: " + " ".join(event.get("changes", ()))


def _tag(tag: object) -> str:
    return f" ({printable(str(tag), 8)})" if tag else ""


def open_panel(relay: RelayAddress | None) -> Panel:
    """That a meeting is open; with `relay`, the one that runs on this machine, who can reach it,
    and what to do for people elsewhere. The invite is no part of it: it has to be copied whole."""
    lines: list[Text] = []
    if relay is not None:
        who, elsewhere = who_can_reach(relay.host, relay.port)
        place = format_host_port(relay.host, relay.port)
        lines += [
            Text(f"The meeting's relay runs on this machine, at {place}. {who}"),
            Text(elsewhere, style="dim"),
        ]
    lines.append(Text("The invite, to pass on to those whom you want to come:", style="bold"))
    return Panel(Group(*lines), title="A meeting is open", title_align="left")
