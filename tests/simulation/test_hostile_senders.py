"""A member whose agent sends what no honest one does: sound, pictures, names and messages. What
cannot be shown is left out and said once; the others' meeting goes on."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from dataclasses import replace

import pytest

from folkmoot import mls
from folkmoot.cells import authorship, picture_format, reliable
from folkmoot.cells.frames import Codec, EncodedFrame, MediaKind
from folkmoot.cells.media import VOICE
from folkmoot.cells.playable import Fault, fault_of
from folkmoot.governance.evidence import CommitEvidence
from folkmoot.meeting import epochs as epochs_module
from folkmoot.meeting import events
from folkmoot.meeting.chat import MESSAGES_BURST, MESSAGES_PER_S
from folkmoot.meeting.hearing import REFUSALS_BURST, REFUSALS_PER_S, WATCH_AGAIN_S
from folkmoot.meeting.orphans import ORPHANS_BYTES_MAX, ORPHANS_MAX
from folkmoot.meeting.own_picture import KEY_FRAMES_BURST, KEY_FRAMES_PER_S
from folkmoot.meeting.records import (
    Handshake,
    ItemKind,
    KeyFrameWanted,
    RecordKind,
    item,
    sign_statement,
)
from folkmoot.meeting.secrets import EXTENSION_TYPE
from folkmoot.wire.labels import Sign
from simulation.hostile_member import Hostile
from simulation.meeting_world import Member, World, agreed
from simulation.test_meeting import meet, picture, say, speak, texts

SECONDS = 4
GOOD_VOICE = b"\x78" + bytes(59)
HUGE = b"\x10\x10\x00\x00\x9d\x01\x2a\xff\x3f\xff\x3f" + bytes(40)  # 16,383 by 16,383


class Scene:
    """Ann, who is honest and heard and seen, Bob, who listens, and Mallory."""

    def __init__(self, seed: int = 91) -> None:
        self.world = World(seed)
        self.ann, self.bob, self.mal = meet(self.world, "Ann", "Bob", "Mallory")
        self.mallory = Hostile(self.world, self.mal)

    def every(self, period_s: float, seconds: float, action: Callable[[int], object]) -> None:
        """Mallory does something again and again."""
        for number in range(int(seconds / period_s)):
            at = self.world.now + number * period_s
            self.world.at(at, functools.partial(self._act, action, number))

    def _act(self, action: Callable[[int], object], number: int) -> None:
        self.world.do(self.mal, lambda _: action(number))

    def goes_on(self) -> None:
        """Ann's voice comes without a gap, chat arrives, and nobody is out."""
        before = len(self.frames_of(self.ann, MediaKind.VOICE))
        speak(self.world, self.ann, SECONDS)
        self.world.run(SECONDS + 1)
        heard = self.frames_of(self.ann, MediaKind.VOICE)[before:]
        assert [one.payloads[0][1] for one in heard] == list(range(SECONDS * 50))
        say(self.world, self.ann, "still here")
        self.world.run_until(lambda: "still here" in texts(self.bob), 20)
        assert agreed([self.ann, self.bob])
        assert not self.bob.of(events.MemberOut)

    def frames_of(self, sender: Member, kind: MediaKind) -> list[EncodedFrame]:
        return [
            one.frame
            for one in self.bob.of(events.FrameReceived)
            if one.seat == sender.meeting.seat and one.frame.kind is kind
        ]

    def left_out(self) -> list[str]:
        """What Bob was told, all of it about Mallory."""
        told = self.bob.of(events.LeftOut)
        assert {one.seat for one in told} <= {self.mal.meeting.seat}
        return [one.why for one in told]


@pytest.mark.parametrize("payload", [b"\xfb", b"\xe3\x30" + bytes(48)])
def test_sound_that_is_damaged_is_not_played(payload: bytes) -> None:
    scene = Scene()
    scene.world.do(scene.mal, lambda m: m.microphone(True, scene.world.now))
    frame = EncodedFrame(MediaKind.VOICE, Codec.OPUS, True, 0, (payload,))
    scene.every(
        0.02,
        5,
        lambda n: scene.mal.meeting.voice(replace(frame, time_us=n * 20_000), scene.world.now),
    )
    scene.goes_on()
    assert scene.frames_of(scene.mal, MediaKind.VOICE) == []
    assert scene.left_out() == [Fault.SOUND.value]


def test_signed_nonsense_is_not_played_and_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()

    def nonsense(key: object, author: object, counter: int) -> bytes:
        body = bytes([counter % 256]) * 295
        digest = hashlib.sha256(body).digest()
        signature = authorship.sign(scene.mallory.key, author, VOICE, counter, digest)  # type: ignore[arg-type]
        return body + signature

    monkeypatch.setattr(scene.mallory.inside.media._voice, "next_plaintext", nonsense)
    scene.goes_on()
    assert scene.left_out() == [Fault.SOUND.value]


def test_signed_nonsense_in_a_picture_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame of thousands of payloads: the body says so, and nothing of it is unpacked."""
    scene = Scene()
    scene.world.do(scene.mal, lambda m: m.show(MediaKind.CAMERA, True, scene.world.now))
    body = b"\x01\x01" + bytes(6) + b"\xff\xff" + b"\0\1" * 5000
    scene.world.run(1)
    monkeypatch.setattr(picture_format, "encode_body", lambda frame: body)
    scene.every(0.5, 4, lambda n: scene.mal.meeting.picture(picture(n, True), scene.world.now))
    scene.world.run(5)
    monkeypatch.undo()
    scene.goes_on()
    assert scene.frames_of(scene.mal, MediaKind.CAMERA) == []
    assert scene.left_out() == [Fault.PICTURE.value]


@pytest.mark.parametrize(
    ("frame", "fault"),
    [
        (EncodedFrame(MediaKind.CAMERA, Codec.VP8, True, 0, (HUGE,)), Fault.SIZE),
        (EncodedFrame(MediaKind.CAMERA, Codec.VP8, True, 0, (b"\x90\x80",)), Fault.PICTURE),
        (
            EncodedFrame(MediaKind.CAMERA, Codec.H264, True, 0, (b"\x65" + bytes(50),)),
            Fault.PICTURE,
        ),
        (EncodedFrame(MediaKind.CAMERA, Codec.VP8, True, 0, (b"\x10\x01d", HUGE)), Fault.PICTURE),
    ],
)
def test_pictures_that_are_no_pictures_are_not_shown(frame: EncodedFrame, fault: Fault) -> None:
    scene = Scene()
    for one in (scene.ann, scene.mal):
        scene.world.do(one, lambda m: m.show(MediaKind.CAMERA, True, scene.world.now))
    scene.world.run(1)
    for number in range(100):
        scene.world.at(
            scene.world.now + number * 0.05,
            lambda n=number: scene.world.do(  # type: ignore[misc]
                scene.ann, lambda m: m.picture(picture(n, n == 0), scene.world.now)
            ),
        )
    scene.every(
        0.05,
        5,
        lambda n: scene.mal.meeting.picture(replace(frame, time_us=n * 50_000), scene.world.now),
    )
    scene.goes_on()
    assert scene.frames_of(scene.mal, MediaKind.CAMERA) == []
    shown = scene.frames_of(scene.ann, MediaKind.CAMERA)
    assert len(shown) == 100
    assert not any(map(fault_of, shown))
    assert scene.left_out() == [fault.value]


def test_a_picture_without_a_beginning_is_said() -> None:
    scene = Scene()
    scene.world.do(scene.mal, lambda m: m.show(MediaKind.CAMERA, True, scene.world.now))
    scene.world.run(1)
    scene.mallory.inside.media._pictures[MediaKind.CAMERA].packer._until_key = False
    scene.every(0.1, 25, lambda n: scene.mal.meeting.picture(picture(n, False), scene.world.now))
    scene.world.run(26)
    scene.goes_on()
    assert scene.frames_of(scene.mal, MediaKind.CAMERA) == []
    assert scene.left_out() == [Fault.KEYLESS.value]


@pytest.mark.parametrize("step_us", [-20_000, 2**47])
def test_times_that_stand_go_back_or_jump_are_only_its_own(step_us: int) -> None:
    scene = Scene()
    scene.world.do(scene.mal, lambda m: m.microphone(True, scene.world.now))
    frame = EncodedFrame(MediaKind.VOICE, Codec.OPUS, True, 0, (GOOD_VOICE,))
    scene.every(
        0.02,
        5,
        lambda n: scene.mal.meeting.voice(
            replace(frame, time_us=(2**48 - 1 + n * step_us) % 2**48), scene.world.now
        ),
    )
    scene.goes_on()
    assert all(fault_of(one) is None for one in scene.frames_of(scene.mal, MediaKind.VOICE))


def test_a_flood_of_key_frame_requests_does_not_ruin_one_member_s_picture() -> None:
    scene = Scene()
    scene.world.do(scene.ann, lambda m: m.show(MediaKind.CAMERA, True, scene.world.now))
    scene.world.run(1)
    wanted = KeyFrameWanted(scene.ann.meeting.seat, 1, nothing_comes=True).encode()
    before = len(scene.ann.of(events.KeyFrameNeeded))
    scene.every(
        0.05,
        30,
        lambda n: scene.mallory.inside.council.state(
            ItemKind.KEY_FRAME_WANTED, wanted, n.to_bytes(4, "big")
        ),
    )
    scene.world.run(31)
    made = len(scene.ann.of(events.KeyFrameNeeded)) - before
    assert 15 <= made <= KEY_FRAMES_BURST + 30 * KEY_FRAMES_PER_S + 2
    scene.goes_on()


def test_names_that_change_all_the_time_and_pose_as_others() -> None:
    scene = Scene()
    names = [
        "Ann",
        "\u0410nn",
        "Ann (you)",
        "You",
        "A\u200bnn\u202e",
        "\x1b[2JAnn",
        "a" * 64,
        "",
        "Z" + "\u0351" * 30,
    ]
    scene.every(0.1, 20, lambda n: scene.mal.meeting.rename(names[n % len(names)], scene.world.now))
    scene.world.run(21)
    scene.mal.meeting.rename("\u0410nn", scene.world.now)
    scene.world.run(3)
    roster = {one.seat: one for one in scene.bob.meeting.roster(scene.world.now)}
    assert roster[scene.ann.meeting.seat].tag
    assert roster[scene.mal.meeting.seat].tag
    changes = len(scene.bob.of(events.RosterChanged))
    assert changes < 24 / 0.5 + 10
    say(scene.world, scene.mal, "I am Ann")
    scene.world.run_until(lambda: "I am Ann" in texts(scene.bob), 10)
    line = scene.bob.of(events.ChatReceived)[-1]
    assert line.tag == roster[scene.mal.meeting.seat].tag
    scene.goes_on()


def test_a_flood_of_messages_is_cut_said_and_leaves_room_for_others() -> None:
    scene = Scene()
    say(scene.world, scene.ann, "before")
    scene.every(0.05, 40, lambda n: scene.mal.meeting.chat("<b>" + "\n" * 60, scene.world.now))
    scene.world.run(40)
    scene.goes_on()
    flood = [text for text in texts(scene.bob) if text.startswith("<b>")]
    assert len(flood) <= MESSAGES_BURST + 50 * MESSAGES_PER_S
    assert [one.text for one in scene.bob.meeting.chat_log if not one.text.startswith("<b>")] == [
        "before",
        "still here",
    ]
    assert scene.left_out() == [Fault.CHAT.value]


@pytest.mark.parametrize("at_ms", [0, 2**64 - 1])
def test_a_beacon_of_an_absurd_time_is_its_sender_s_loss_alone(at_ms: int) -> None:
    scene = Scene()
    context = scene.mal.meeting._context
    own = scene.ann.meeting._inside
    assert own is not None
    sample = own.presence.members[scene.mal.meeting.seat].beacon
    assert sample is not None
    forged = replace(sample, at_ms=at_ms, epoch=2**64 - 1, authenticator=bytes(32))
    signed = sign_statement(scene.mallory.key, Sign.BEACON, context.group_id, forged.encode())
    scene.every(
        0.2, 10, lambda n: scene.mallory.inside.council.state(ItemKind.BEACON, signed.encode())
    )
    scene.world.run(12)
    scene.goes_on()
    assert not scene.bob.meeting._inside.quiet  # type: ignore[union-attr]


def flood_log(scene: Scene, seconds: float, record: Callable[[int], bytes]) -> None:
    """As many records as a member's own pace carries: some twenty in each of its cells."""
    outbox = scene.mallory.inside.council._outbox

    def push(number: int) -> None:
        for place in range(20):
            outbox.push(item(ItemKind.LOGGED, record(20 * number + place)), urgent=True)

    scene.every(0.1, seconds, push)


def test_a_log_filled_up_keeps_nobody_out_and_silences_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With records of the future at that: beside them all that others say is old."""
    monkeypatch.setattr(reliable, "RECORDS_MAX", 300)
    scene = Scene()

    def record(number: int) -> bytes:
        kind = RecordKind.HANDSHAKE if number % 2 else RecordKind.CONTENT
        return reliable.encode_record(scene.mallory.tick + 500, kind, number.to_bytes(30, "big"))

    flood_log(scene, 30, record)
    scene.world.run(15)
    log = scene.bob.meeting._inside.council.log  # type: ignore[union-attr]
    assert len(log) == 300
    say(scene.world, scene.ann, "in the middle of it")
    scene.world.run_until(lambda: "in the middle of it" in texts(scene.bob), 10)
    cy = scene.world.join("Cy", scene.ann.meeting.invite_text())
    scene.world.run_until(lambda: agreed([scene.ann, scene.bob, cy]), 20)
    scene.goes_on()


def test_commits_that_are_none_are_not_read_out_one_by_one() -> None:
    scene = Scene()
    random = scene.world.random

    def record(number: int) -> bytes:
        parent = scene.mallory.state.authenticator
        handshake = Handshake(parent, random.randbytes(8), b"")
        return reliable.encode_record(scene.mallory.tick, RecordKind.HANDSHAKE, handshake.encode())

    before = len(scene.bob.of(events.Refused))
    flood_log(scene, 6, record)
    scene.world.run(10)
    told = len(scene.bob.of(events.Refused)) - before
    assert 1 <= told <= REFUSALS_BURST + 10 * REFUSALS_PER_S
    scene.goes_on()


def test_commits_without_a_parent_are_bounded_and_the_newest_wait() -> None:
    """A member that hears a commit before its parent has room for it whatever came before."""
    scene = Scene()
    epochs = scene.bob.meeting._inside.epochs  # type: ignore[union-attr]
    for number in range(2 * ORPHANS_MAX):
        parent = number.to_bytes(32, "big")
        epochs.receive_handshake(Handshake(parent, bytes(60_000), b""), scene.world.now)
    assert len(epochs._orphans) <= ORPHANS_MAX
    held = [one for siblings in epochs._orphans.values() for one in siblings]
    assert sum(len(one.message) for one in held) <= ORPHANS_BYTES_MAX
    assert (2 * ORPHANS_MAX - 1).to_bytes(32, "big") in epochs._orphans
    # A commit heard before its parent, from the others: they are two commits ahead of Bob.
    world = scene.world
    world.set_link(scene.bob, False)
    first = world.join("Cy", scene.ann.meeting.invite_text())
    world.run_until(lambda: agreed([scene.ann, scene.mal, first]), 30)
    second = world.join("Dee", scene.ann.meeting.invite_text())
    world.run_until(lambda: agreed([scene.ann, scene.mal, first, second]), 30)
    way = list(scene.ann.meeting._inside.laggards._path)[-2:]  # type: ignore[union-attr]
    for _, handshake in reversed(way):
        epochs.receive_handshake(handshake, world.now)
    assert {one.parent for one in epochs._candidates.values()} == {parent for parent, _ in way}


def test_a_chain_of_commits_on_one_that_is_void_keeps_nobody_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two commits of one member on one parent are void, and so is all that follows them."""
    monkeypatch.setattr(epochs_module, "CHAIN_MAX", 16)
    scene = Scene()
    world, state = scene.world, scene.mallory.state
    seat = scene.mal.meeting.seat
    secrets = state.secrets.before_commit(scene.mallory.tick, seat, False)

    def commit(group: mls.Group) -> mls.Group:
        created = group.commit(
            [],
            authenticated_data=CommitEvidence(scene.mallory.tick, ()).encode(),
            tree_extension=False,
            group_info_extensions=[mls.Extension(EXTENSION_TYPE, secrets.encode())],
            entropy=world.entropy,
        )
        handshake = Handshake(group.epoch_authenticator, created.message, b"")
        scene.mallory.publish(RecordKind.HANDSHAKE, handshake.encode())
        assert created.staged.group is not None
        return created.staged.group

    commit(state.group)
    group = commit(state.group)
    world.run(3)
    for _ in range(20):
        group = commit(group)
    world.run(15)
    cy = world.join("Cy", scene.ann.meeting.invite_text())
    world.run_until(lambda: agreed([scene.ann, scene.bob, cy]), 30)
    scene.goes_on()


def test_a_camera_that_goes_on_and_off_all_the_time_opens_few_rooms() -> None:
    scene = Scene()
    rooms = scene.bob.meeting._context.rooms
    before = rooms._next_handle
    scene.every(
        0.1,
        20,
        lambda n: scene.mal.meeting.show(MediaKind.CAMERA, n % 2 == 0, scene.world.now),
    )
    scene.world.run(21)
    assert 1 <= rooms._next_handle - before <= 20 / WATCH_AGAIN_S + 2
    # Who stays on is watched within seconds.
    scene.world.do(scene.mal, lambda m: m.show(MediaKind.CAMERA, True, scene.world.now))
    scene.world.run(5)
    assert (scene.mal.meeting.seat, MediaKind.CAMERA) in set(
        scene.bob.meeting._inside.media.watched()  # type: ignore[union-attr]
    )
    scene.goes_on()
