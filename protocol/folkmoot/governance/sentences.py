"""A charter in plain words, for the preview, the page and `folkmoot inspect`."""

from __future__ import annotations

from folkmoot.governance.charter import Admission, Charter, Electors, Share

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


def _part(share: Share) -> str:
    if share.numerator == share.denominator:
        return "all"
    number = (share.numerator, share.denominator)
    named = _NAMED.get(number, f"{share.numerator} out of {share.denominator}")
    return f"{'more than' if share.strictly else 'at least'} {named} of all"


def sentences(charter: Charter) -> list[str]:
    """What the charter means, a sentence for each rule."""
    lines = [_ADMISSION[charter.admission], _ELECTORS[charter.electors]]
    if charter.removal is None:
        lines.append("Nobody can be removed by anybody, and no vote can change that.")
    else:
        lines.append(
            f"Somebody is removed only when {_part(charter.removal)} who vote say yes, those who "
            "are away counted too, and never by fewer than three."
        )
    if charter.amendment is None:
        lines.append("These rules can never be changed.")
    else:
        lines.append(f"These rules change only when {_part(charter.amendment)} who vote say yes.")
    if charter.lineage:
        lines.append(
            "Votes are counted twice, by heads and by lines, and both must be enough: all who came "
            "in through the same one of those whom the founder brought in are one line, which says "
            "yes when more than half of it does."
        )
    return lines


def differences(before: Charter, after: Charter) -> list[str]:
    """What the second charter says otherwise than the first: its sentences that are new."""
    known = set(sentences(before))
    changed = [line for line in sentences(after) if line not in known]
    if before.lineage and not after.lineage:
        changed.append("Votes are counted by heads alone, whoever brought whom in.")
    return changed
