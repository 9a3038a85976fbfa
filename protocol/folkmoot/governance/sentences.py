"""A charter in plain words, for the preview, the page and `folkmoot inspect`."""

from __future__ import annotations

from itertools import zip_longest
from typing import NamedTuple

from folkmoot.governance.charter import Admission, Charter, Electors, Share
from folkmoot.governance.motion import MotionKind


class Change(NamedTuple):
    """One thing that becomes otherwise, in sentences; what was not there before, or is no longer,
    is empty."""

    before: str
    after: str

    def __str__(self) -> str:
        return " → ".join(filter(None, self))


_NAMED = {
    (2, 3): "two thirds",
    (3, 4): "three quarters",
    (4, 5): "four fifths",
    (9, 10): "nine tenths",
}

_ADMISSION = {
    Admission.OPEN: "Anybody who has the invite may come in.",
    Admission.SPONSOR: "Who comes must be let in by one member who votes.",
    Admission.BALLOT: "Who comes must be let in by a vote.",
}
_ELECTORS = {
    Electors.EVERYONE: "Everyone who is in votes.",
    Electors.VOUCHED: (
        "Those who opened the meeting vote, and those whom they raise by a vote; everyone else "
        "speaks and listens as a guest."
    ),
}
_AWAY = "those who are away counted too"
_CHANGES = {
    MotionKind.ADMIT: "Who knocks is let in",
    MotionKind.RAISE: "A guest gets a vote",
    MotionKind.RELAYS: "The relays change",
}
_LINES = (
    "Votes are counted twice, by heads and by lines, and both must be enough: all who came in "
    "through the same one of those whom the founder brought in are one line, which says yes when "
    "more than half of it does."
)


def _part(share: Share) -> str:
    if share.numerator == share.denominator:
        return "all"
    number = (share.numerator, share.denominator)
    named = _NAMED.get(number, f"{share.numerator} out of {share.denominator}")
    return f"{'more than' if share.strictly else 'at least'} {named} of all"


def sentences(charter: Charter) -> list[str]:
    """What the charter means, a sentence for each rule."""
    lines = [_ADMISSION[charter.admission], _ELECTORS[charter.electors]]
    lines += [_removal(charter), _amendment(charter)]
    return [*lines, _LINES] if charter.lineage else lines


def rules_of(charter: Charter, kind: MotionKind) -> list[str]:
    """The sentences by which a motion of this kind is decided."""
    share = charter.share_for_admission if kind is MotionKind.ADMIT else charter.amendment
    if kind is MotionKind.REMOVE:
        rule = _removal(charter)
    elif kind is MotionKind.AMEND or share is None:
        rule = _amendment(charter)
    else:
        rule = f"{_CHANGES[kind]} only when {_part(share)} who vote say yes, {_AWAY}."
    return [rule, _LINES] if charter.lineage else [rule]


def _removal(charter: Charter) -> str:
    if charter.removal is None:
        return "Nobody can be removed by anybody, and no vote can change that."
    return (
        f"Somebody is removed only when {_part(charter.removal)} who vote say yes, {_AWAY}, and "
        "never by fewer than three."
    )


def _amendment(charter: Charter) -> str:
    if charter.amendment is None:
        return "These rules can never be changed."
    return f"These rules change only when {_part(charter.amendment)} who vote say yes."


def differences(before: Charter, after: Charter) -> list[str]:
    """What the second charter says otherwise than the first: its sentences that are new."""
    known = set(sentences(before))
    changed = [line for line in sentences(after) if line not in known]
    if before.lineage and not after.lineage:
        changed.append("Votes are counted by heads alone, whoever brought whom in.")
    return changed


def changes(before: Charter, after: Charter) -> list[Change]:
    """What the second charter says otherwise than the first, beside what that says."""
    pairs = zip_longest(sentences(before), sentences(after), fillvalue="")
    changed = [Change(was, becomes) for was, becomes in pairs if was != becomes]
    heads = "Votes are counted by heads alone, whoever brought whom in."
    return [one if one.after else Change(one.before, heads) for one in changed]
