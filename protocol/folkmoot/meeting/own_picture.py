"""A picture of our own that is on: how often it makes key frames, and how long it goes through a
second relay, too."""

from __future__ import annotations

from dataclasses import dataclass

from folkmoot.cells.pace import Pacer
from folkmoot.cells.picture import PicturePacker
from folkmoot.wire.limits import Bucket

KEY_FRAME_EVERY_S = 0.5  # of one picture of ours, however many ask
# Anybody may ask, and a key frame costs what ten others do. Whom somebody asks all the time makes
# one in a second and a half, and still has a picture; whose frames get lost has the burst.
KEY_FRAMES_PER_S = 1 / 1.5
KEY_FRAMES_BURST = 8.0
SPARE_S = 5.0  # for which pictures go through a second relay, too, when somebody misses some
# The same when nothing comes: a relay that keeps pictures from somebody goes on with it, and each
# time that we go back to it alone costs a gap. Doubled each time that it does.
TAKE_OVER_S = 30.0
TAKE_OVER_S_MAX = 480.0


@dataclass(slots=True)
class OwnPicture:
    """One picture. `key_frames`: how many may be asked for; `spare_until`: when it goes through the
    first relay alone again."""

    packer: PicturePacker
    pacer: Pacer
    key_frames: Bucket
    key_asked_at: float = -KEY_FRAME_EVERY_S
    spare_until: float = 0.0
    take_over_s: float = TAKE_OVER_S

    def needs_spare(self, nothing_comes: bool, now: float) -> None:
        """Somebody misses some of it, or all."""
        if not nothing_comes:
            self.spare_until = max(self.spare_until, now + SPARE_S)
        elif now >= self.spare_until - SPARE_S:
            # (Asked again while the spare is on is no word against the first relay alone.)
            self.spare_until = now + self.take_over_s
            self.take_over_s = min(2 * self.take_over_s, TAKE_OVER_S_MAX)

    def key_is_due(self, now: float) -> bool:
        """Whether the encoder is to be asked for a key frame now; counts it as asked for."""
        if now - self.key_asked_at < KEY_FRAME_EVERY_S:
            return False
        self.key_asked_at = now
        self.key_frames.take(1, now)
        return True
