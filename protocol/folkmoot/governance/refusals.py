"""Every way in which a meeting says no to a commit that is correct MLS, by number.

The numbers go on where those of RFC 9420's checks end (`folkmoot.mls.errors`), so that one number
names one reason, whichever of the two refused. protocol/CHECKS.md lists them all with their tests.
"""

from __future__ import annotations

import enum


class Rule(enum.Enum):
    """The meeting's own checks: (number, sentence). Numbers are never reused."""

    # Of the commit as a whole.
    EXTERNAL_COMMIT = (301, "an external commit")
    OTHERS_PROPOSAL = (302, "a proposal by somebody else than its committer")
    PROPOSAL_KIND = (303, "a proposal of a kind that has no place here")
    COMMITTER_SEAT = (304, "its committer's new leaf names another seat")
    COMMITTER_KEY = (305, "its committer's new leaf has another key")
    EVIDENCE = (306, "its evidence cannot be read")
    TICK = (307, "its time is before that of the commit it follows")
    COMMITTER_GUEST = (308, "its committer is a guest")
    CONTEXT = (309, "it changes the group's extensions otherwise than its evidence says")
    # Of its evidence.
    SEAT_TWICE = (310, "two reasons for one seat")
    SPONSOR_TWICE = (311, "two sponsors for one newcomer")
    CERTIFICATE = (312, "a certificate that cannot be read")
    EVIDENCE_LEFT = (313, "evidence for something that the commit does not do")
    CERTIFICATE_ALONE = (314, "a certificate with something else beside it")
    CERTIFICATE_CHANGE = (315, "a commit that does something else than its motion says")
    # Of those whom it takes away.
    REMOVES_NOBODY = (320, "it removes nobody")
    REMOVES_COMMITTER = (321, "it removes its own committer")
    REMOVE_UNPROVEN = (
        322,
        "it takes away a seat without a farewell, a readmission or a certificate",
    )
    LEAF_STALE = (323, "a stale farewell or readmission: that leaf is not in the tree now")
    DEPARTURE_SIGNATURE = (324, "a farewell or readmission that the member did not sign")
    READMISSION_ALONE = (325, "a readmission that takes the old leaf away and adds no new one")
    # Of those whom it brings in.
    SEAT_SIZE = (330, "a newcomer's seat has the wrong size")
    NEWCOMER_KEY = (331, "a newcomer's key is not one that anybody can be held to")
    READMISSION_SEAT = (332, "a readmission for another seat")
    READMISSION_KEY = (333, "a readmission under another key")
    SEAT_TAKEN = (334, "a newcomer takes a seat that is taken")
    SPONSOR_UNWANTED = (335, "a sponsor where the charter asks for none")
    BALLOT = (336, "this charter admits by ballot")
    NOT_ADMITTED = (337, "a newcomer whom no elector admitted")
    ADMISSION_TIME = (338, "an admission that is too old, or holds for too long")
    ADMISSION_SIGNATURE = (339, "an admission that the sponsor did not sign")
    ROLL_FULL = (340, "more electors than a meeting can have")
    SEAT_KEY = (341, "a newcomer's seat is not the one of its key")
    # Of a certificate.
    MOTION_CHARTER = (351, "a motion under another charter")
    MOTION_ROLL = (352, "a motion among other electors than the certificate makes out")
    MOTION_TIME = (353, "a motion that is not open yet, or not any more")
    MOTION_MOVER = (354, "a motion by somebody who does not vote")
    MOTION_SIGNATURE = (355, "a motion that its mover did not sign")
    MOTION_IMPOSSIBLE = (356, "a motion that no number of ballots can carry here")
    BALLOT_VOTER = (357, "a ballot by somebody who did not vote at the opening, or does not now")
    BALLOT_ACCUSED = (358, "a ballot by the one whom it is about to remove")
    BALLOT_SIGNATURE = (359, "a ballot that its elector did not sign, or not as a yes to this")
    BALLOTS_FEW = (360, "fewer ballots than the charter asks for")
    BALLOT_UNWANTED = (361, "an admission by ballot where the charter asks for none")
    RAISES_NOBODY = (362, "it raises somebody who is no guest here")
    AMENDMENT = (363, "a change of the charter that no majority may make")
    RELAYS_SAME = (364, "a change of relays or lanes that changes nothing")

    @property
    def number(self) -> int:
        return self.value[0]

    @property
    def sentence(self) -> str:
        return self.value[1]


class Refusal(Exception):
    """This change is not one that the meeting's rules allow; `rule` says which, nothing changed."""

    def __init__(self, rule: Rule, detail: str = "") -> None:
        super().__init__(rule, detail)
        self.rule = rule
        self.detail = detail

    def __str__(self) -> str:
        told = f": {self.detail}" if self.detail else ""
        return f"{self.rule.sentence}{told} (check {self.rule.number})"
