"""A page without a browser: aiortc's RTCPeerConnection answers the bridge's offers, fast, in the
same process."""

from __future__ import annotations

import asyncio
import fractions
from collections import Counter
from collections.abc import Callable

import av
import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from av.stream import Stream


async def until(condition: Callable[[], bool], within_s: float = 15.0) -> None:
    """Waits for something that another program does, for which there is no event."""
    async with asyncio.timeout(within_s):
        while True:
            if condition():
                return
            await asyncio.sleep(0.02)


class Tone(MediaStreamTrack):
    """440 Hz as the bridge asks for it: Opus, 24 kbit/s, constant. aiortc passes encoded packets
    through."""

    kind = "audio"

    def __init__(self, bitrate: int = 24_000) -> None:
        super().__init__()
        codec = av.CodecContext.create("libopus", "w")
        codec.sample_rate, codec.layout, codec.format = 48_000, "mono", "flt"
        codec.bit_rate, codec.time_base = bitrate, fractions.Fraction(1, 48_000)
        codec.options = {"application": "audio", "vbr": "off", "frame_duration": "20"}
        self._codec = codec
        self._count = 0
        self._started = 0.0

    async def recv(self) -> av.Packet[Stream]:
        loop = asyncio.get_running_loop()
        if not self._count:
            self._started = loop.time()
        packets: list[av.Packet[Stream]] = []
        while not packets:
            at = (np.arange(960) + self._count * 960) / 48_000
            samples = (0.3 * np.sin(2 * np.pi * 440 * at)).astype(np.float32).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(samples, format="flt", layout="mono")
            frame.sample_rate, frame.pts = 48_000, self._count * 960
            frame.time_base = self._codec.time_base
            self._count += 1
            packets = self._codec.encode(frame)
        await asyncio.sleep(max(0.0, self._started + self._count * 0.02 - loop.time()))
        packet: av.Packet[Stream] = av.Packet(bytes(packets[0]))
        packet.pts, packet.time_base = self._count * 960, fractions.Fraction(1, 48_000)
        return packet


class Colour(MediaStreamTrack):
    """A plain picture, 320 by 240, 25 a second."""

    kind = "video"

    def __init__(self, luma: int) -> None:
        super().__init__()
        self._luma = luma
        self._count = 0
        self._started = 0.0

    async def recv(self) -> av.VideoFrame:
        loop = asyncio.get_running_loop()
        if not self._count:
            self._started = loop.time()
        self._count += 1
        await asyncio.sleep(max(0.0, self._started + self._count * 0.04 - loop.time()))
        planes = np.full((360, 320), 128, np.uint8)
        planes[:240] = self._luma
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts, frame.time_base = self._count * 3_600, fractions.Fraction(1, 90_000)
        return frame


class StandIn:
    """Answers offers, sends a tone and a colour, and counts what it decodes of each remote
    member."""

    def __init__(self, luma: int = 90, bitrate: int = 24_000) -> None:
        configuration = RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        self.connection = RTCPeerConnection(configuration)
        self.connection.on("track", self._on_track)
        self.decoded: Counter[tuple[str, str]] = Counter()  # (track's number of arrival, kind)
        self.luma: dict[str, int] = {}
        self.loudest = 0
        self._luma, self._bitrate = luma, bitrate
        self._tasks: list[asyncio.Task[None]] = []
        self._tracks = 0

    async def answer(self, sdp: str) -> str:
        await self.connection.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        for transceiver in self.connection.getTransceivers():
            if transceiver.mid == "0" and transceiver.sender.track is None:
                transceiver.sender.replaceTrack(Tone(self._bitrate))
                transceiver.direction = "sendonly"
            elif transceiver.mid == "1" and transceiver.sender.track is None:
                transceiver.sender.replaceTrack(Colour(self._luma))
                transceiver.direction = "sendonly"
        await self.connection.setLocalDescription(await self.connection.createAnswer())
        return str(self.connection.localDescription.sdp)

    def _on_track(self, track: MediaStreamTrack) -> None:
        self._tracks += 1
        name = str(self._tracks)
        self._tasks.append(asyncio.create_task(self._consume(name, track)))

    async def _consume(self, name: str, track: MediaStreamTrack) -> None:
        try:
            while True:
                frame = await track.recv()
                self.decoded[name, track.kind] += 1
                if isinstance(frame, av.VideoFrame):
                    self.luma[name] = int(frame.to_ndarray(format="gray").mean())
                elif isinstance(frame, av.AudioFrame):
                    self.loudest = max(self.loudest, int(np.abs(frame.to_ndarray()).max()))
        except MediaStreamError:
            pass

    async def until_connected(self) -> None:
        """The bridge may know of it first; and who is closed in the middle of its handshake tells
        nobody, and leaves a task behind."""
        await until(lambda: self.connection.connectionState == "connected")

    def count(self, kind: str) -> int:
        return sum(number for (_, what), number in self.decoded.items() if what == kind)

    async def close(self) -> None:
        await self.connection.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
