"""A session for the tests of the page: a roster in memory, commands written down, and every member
sends back what the page itself sends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from folkmoot.cells.frames import EncodedFrame

Event = dict[str, Any]

OWN = "aaaa1111"
INVITE = "folkmoot:" + "abcdefghijklmnopqrstuvwxyz234567" * 8
CHANGE = {
    "before": "Who comes must be let in by one member who votes.",
    "after": "Who comes must be let in by a vote.",
}
TWO_THIRDS = {"removal": "more than 2/3", "amendment": "more than 2/3"}
PRESETS = {
    "circle": {"whole": True, "fields": {"admission": "sponsor", **TWO_THIRDS}},
    "assembly": {"whole": False, "fields": {"admission": "open", **TWO_THIRDS}},
    "unremovable": {
        "whole": True,
        "fields": {"admission": "sponsor", **TWO_THIRDS, "removal": "never"},
    },
}
NAMES = (
    "Anna", "Bertolt Brandt", "Chidi", "Dolores Huerta", "Éva", "Fatima", "Günther",
    "Hồ Xuân Hương", "Ingrid", "José", "Κλειώ", "李清照", "Maryam", "Nikolai",
)  # fmt: skip


class FakeSession:
    """Implements PageSession and MediaSession."""

    def __init__(self, *, phase: str = "preview", others: int = 0, pictures: int | None = None):
        self.commands: list[Event] = []
        self.subscribers: list[Callable[[Event], None]] = []
        self.sinks: list[Any] = []
        self.frames = 0
        self.auto_admit = True
        self.drafts_wait: list[Event] | None = None  # for an answer that the test gives
        self.state: Event = {
            "event": "snapshot",
            "phase": phase,
            "me": {"member": OWN, "name": "Rosa"},
            "group_name": "Garden assembly",
            "invite": INVITE,
            "members": [],
            "knocks": [],
            "chat": [],
            "safety_code": "271828182845904523536028747135",
            "epoch": 4,
            "relays": [
                {
                    "address": "relay.example:443#pin",
                    "label": "Garden co-op",
                    "use": "in use",
                    "up": True,
                    "sees_address": True,
                    "entry_to": [],
                    "carries": "room",
                    "by": "directly",
                },
                {
                    "address": "203.0.113.7:4433#pin",
                    "label": "",
                    "use": "in use",
                    "up": True,
                    "sees_address": False,
                    "entry_to": [],
                    "carries": "room",
                    "by": "by socks5://127.0.0.1:9050",
                },
            ],
            "confirmed": True,
            "calls": [],
            "charter": {
                "admission": "sponsor",
                "electors": "everyone",
                "removal": "more than 2/3",
                "amendment": "more than 2/3",
                "lineage": False,
                "sentences": [
                    "Somebody who is inside lets newcomers in.",
                    "Everyone here has a vote.",
                    "Nobody can be removed by anybody, and no vote can change that.",
                ],
            },
        }
        if phase == "in":
            self.enter()
        self.fill(others, pictures)

    @staticmethod
    def member(member: str, name: str, **extra: Any) -> Event:
        return {
            "member": member,
            "name": name,
            "tag": "",
            "here": True,
            "microphone": True,
            "camera": True,
            "muted": False,
            "hidden": False,
            "confirmed": True,
            **extra,
        }

    # --- what the tests do ---

    def enter(self) -> None:
        self.state["phase"] = "in"
        self.state["members"].insert(0, self.member(OWN, self.state["me"]["name"]))

    def add(self, member: str, name: str, **extra: Any) -> None:
        self.state["members"].append(self.member(member, name, **extra))
        for sink in self.sinks:
            sink.member_added(member, name)

    def fill(self, others: int, pictures: int | None = None) -> None:
        """Up to so many others, the first `pictures` of them with a camera."""
        here = {one["member"] for one in self.state["members"]}
        for index in range(others):
            member = f"bbbb{index:04d}"
            camera = pictures is None or index < pictures
            if member not in here:
                self.add(member, NAMES[index % len(NAMES)], camera=camera)

    def remove(self, member: str) -> None:
        self.state["members"] = [one for one in self.state["members"] if one["member"] != member]
        for sink in self.sinks:
            sink.member_removed(member)

    def offers_a_way(self) -> None:
        """Two relays, that hide from each other who comes, or not."""
        one, two = self.state["relays"]
        hidden = [
            {**one, "sees_address": False, "entry_to": [two["address"]], "by": "by the entry"},
            {**two, "sees_address": False, "entry_to": [one["address"]], "by": "by the entry"},
        ]
        seen = [{**relay, "sees_address": True} for relay in (one, two)]
        self.change(choice={"hidden": hidden, "seen": seen})

    def has_a_reserve(self) -> None:
        """One relay that carries, and is the way to the second; that one, by it; one in reserve
        that sees our address at its door, one that we do not connect to, and one that was left."""
        one, two = self.state["relays"]
        there = {"up": True, "label": "", "entry_to": [], "by": "directly"}
        self.change(
            relays=[
                {**one, "entry_to": [two["address"]]},
                {**two, "by": f"by the entry {one['address'].partition('#')[0]}"},
                {**there, "address": "door.example:443#pin", "use": "reserve",
                 "sees_address": True, "carries": "door"},
                {**there, "address": "far.example:443#pin", "use": "reserve", "up": False,
                 "sees_address": False, "carries": "", "by": ""},
                {**there, "address": "left.example:443#pin", "use": "left",
                 "sees_address": True, "carries": "door"},
                {**there, "address": "gone.example:443#pin", "use": "left", "up": False,
                 "sees_address": False, "carries": "", "by": ""},
            ]
        )  # fmt: skip

    def named_entry(self) -> None:
        """Both relays are reached by an entry that is none of the meeting's."""
        used = [{**one, "sees_address": False} for one in self.state["relays"]]
        entry = {
            "address": "entry.example:443#pin", "label": "", "use": "entry", "up": False,
            "sees_address": False, "entry_to": [one["address"] for one in used], "carries": "",
            "by": "directly", "notices": [],
        }  # fmt: skip
        self.change(relays=[*used, entry])

    def notices(self, number: int, *sentences: str) -> None:
        """What goes on at a relay, by its place in the list."""
        relays = self.state["relays"]
        relays[number] = {**relays[number], "notices": list(sentences)}
        self.change(relays=relays)

    def change(self, **fields: Any) -> None:
        self.state.update(fields)
        self.publish(self.snapshot())

    def knock(self, knock: str, name: str) -> None:
        self.change(knocks=[*self.state["knocks"], {"knock": knock, "name": name, "since": 0}])

    def says(self, member: str, name: str, text: str) -> None:
        line = {"from": member, "name": name, "text": text, "at": 1_795_000_000_000}
        self.state["chat"].append(line)
        self.publish({"event": "chat", **line})

    def publish(self, event: Event) -> None:
        for callback in list(self.subscribers):
            callback(event)

    def done(self, do: str) -> list[Event]:
        return [command for command in self.commands if command["do"] == do]

    def under_votes(self, *, guests: tuple[str, ...] = ()) -> None:
        """From now on under a charter with votes; lines count where there are guests."""
        rules = [
            "Somebody is removed only when more than two thirds of all who vote say yes, those who "
            "are away counted too, and never by fewer than three."
        ]
        lines = 3 if guests else 0
        members = [
            {**one, "votes": one["member"] not in guests, "line": OWN if guests else ""}
            for one in self.state["members"]
        ]
        count = sum(one["votes"] for one in members)
        needed = count * 2 // 3 + 1
        ask = {"needed": needed, "lines": lines, "rules": rules}
        voting = {
            "used": True, "votes": True, "guests": bool(guests), "electors": count, "here": count,
            "lines": lines, "seconds": 120, "admit": None, "relays": ask,
            "amend": {**ask, "presets": PRESETS},
            "remove": {**ask, "needed_of_guest": needed} if count > 3 else {**ask, "needed": None},
            "raise": ask if guests else None,
        }  # fmt: skip
        self.change(members=members, voting=voting, motions=[], decided=[])

    def motion(self, motion: str, kind: str, subject: str, **extra: Any) -> Event:
        """One that is open, as a snapshot has it."""
        voting = self.state["voting"]
        named = {one["member"]: one["name"] for one in self.state["members"]}
        asks = voting["raise" if kind == "raise" else "remove"]
        return {
            "motion": motion, "kind": kind, "by": "bbbb0001", "by_name": named["bbbb0001"],
            "by_tag": "", "subject": subject, "subject_name": named.get(subject, ""),
            "subject_tag": "", "about_me": subject == OWN, "changes": [], "rules": asks["rules"],
            "needed": asks["needed"], "have": 1, "lines_needed": voting["lines"],
            "lines_have": 1 if voting["lines"] else 0, "electors": voting["electors"],
            "here": voting["here"], "ends_in_s": 100.0, "own": "",
            "may_vote": subject != OWN, **extra,
        }  # fmt: skip

    def call(self, call: str, *members: str, by: str = "bbbb0001", **extra: Any) -> Event:
        """A call to walk out together, as a snapshot has it."""
        named = {one["member"]: one["name"] for one in self.state["members"]}
        return {
            "call": call, "by": by, "by_name": named[by], "by_tag": "", "mine": by == OWN,
            "with": [
                {"member": one, "name": named[one], "tag": "", "answer": ""} for one in members
            ],
            "own": "", "changes": [], "ends_in_s": 100.0, **extra,
        }  # fmt: skip

    @staticmethod
    def decision(motion: Event, outcome: str, **extra: Any) -> Event:
        """What a snapshot says of a motion that is over."""
        return {**motion, "outcome": outcome, **extra}

    # --- PageSession ---

    def subscribe(self, callback: Callable[[Event], None]) -> Callable[[], None]:
        self.subscribers.append(callback)
        callback(self.snapshot())
        return lambda: self.subscribers.remove(callback)

    def snapshot(self) -> Event:
        return {key: list(value) if isinstance(value, list) else value
                for key, value in self.state.items()}  # fmt: skip

    def do(self, command: Event) -> None:
        self.commands.append(command)
        match command["do"]:
            case "join":
                self.state["me"] = {"member": OWN, "name": command["name"]}
                self.state["phase"] = "knocking"
                if self.auto_admit:
                    self.enter()
            case "chat":
                self.says(OWN, self.state["me"]["name"], command["text"])
            case "admit":
                for knock in self.state["knocks"]:
                    if knock["knock"] == command["knock"]:
                        self.add(f"cccc{knock['knock']}", knock["name"])
                self._no_longer(command["knock"])
            case "refuse":
                self._no_longer(command["knock"])
            case "mute" | "unmute":
                self._set(command["member"], muted=command["do"] == "mute")
            case "hide" | "show":
                self._set(command["member"], hidden=command["do"] == "hide")
            case "microphone" | "camera":
                self._set(OWN, **{command["do"]: command["on"]})
            case "draft" if self.drafts_wait is not None:
                self.drafts_wait.append(command)
            case "draft":
                refused = "" if isinstance(command["subject"], dict) else "A relay is named twice."
                changes = [] if refused else [CHANGE]
                self.publish(
                    {"event": "draft", "draft": command["draft"], "kind": command["kind"],
                     "ground": "g1", "changes": changes, "refused": refused}
                )  # fmt: skip
            case "move" | "vote" | "secede" if self.state.get("voting") or self.state.get("calls"):
                pass  # what comes of it, the tests say
            case "rename":
                self.state["me"] = {"member": OWN, "name": command["name"]}
                self._set(OWN, name=command["name"])
            case "leave":
                self.state["phase"] = "left"
                self.publish({"event": "left"})
            case _:
                self.publish({"event": "refused", "what": command["do"], "why": "Not possible."})
        self.publish(self.snapshot())

    def _no_longer(self, knock: str) -> None:
        self.state["knocks"] = [one for one in self.state["knocks"] if one["knock"] != knock]

    def _set(self, member: str, **fields: Any) -> None:
        self.state["members"] = [
            {**one, **fields} if one["member"] == member else one for one in self.state["members"]
        ]

    # --- MediaSession ---

    def attach_media(self, sink: Any) -> None:
        self.sinks.append(sink)
        for one in self.state["members"]:
            if one["member"] != OWN:
                sink.member_added(one["member"], one["name"])

    def detach_media(self, sink: Any) -> None:
        if sink in self.sinks:
            self.sinks.remove(sink)

    def voice_in(self, frame: EncodedFrame) -> None:
        self._echo(frame, "microphone")

    def picture_in(self, frame: EncodedFrame) -> None:
        self._echo(frame, "camera")

    def _echo(self, frame: EncodedFrame, switch: str) -> None:
        self.frames += 1
        for one in self.state["members"]:
            if one["member"] != OWN and one[switch]:
                for sink in self.sinks:
                    sink.play(one["member"], frame)

    def want_keyframe(self, member: str) -> None:
        for sink in self.sinks:
            sink.keyframe_wanted()
