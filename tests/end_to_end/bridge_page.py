"""The smallest page that can stand at a bridge: answers offers with a camera and a microphone,
shows who comes, counts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

PAGE = """<!doctype html><meta charset="utf-8"><title>bridge</title>
<style>video{width:320px;height:240px;background:#222}</style><div id="grid"></div>
<script>
const pc = new RTCPeerConnection({iceServers: [], bundlePolicy: 'max-bundle'});
let local;
pc.ontrack = event => {
  const stream = event.streams[0];
  let video = document.getElementById(stream.id);
  if (!video) {
    video = document.createElement('video');
    video.id = stream.id; video.autoplay = true; video.playsInline = true;
    document.getElementById('grid').append(video);
  }
  video.srcObject = stream;
  video.play().catch(error => console.log('play ' + error));
  stream.onremovetrack = () => { if (!stream.getTracks().length) video.remove(); };
};
async function answerTo(sdp) {
  await pc.setRemoteDescription({type: 'offer', sdp});
  local ||= await navigator.mediaDevices.getUserMedia(
    {audio: {channelCount: 1}, video: {width: 640, height: 480}});
  for (const transceiver of pc.getTransceivers()) {
    const track = {'0': local.getAudioTracks()[0], '1': local.getVideoTracks()[0]}[transceiver.mid];
    if (track && !transceiver.sender.track) {
      transceiver.direction = 'sendonly';
      await transceiver.sender.replaceTrack(track);
    }
  }
  await pc.setLocalDescription();
  return pc.localDescription.sdp;
}
async function counts() {
  const found = {state: pc.connectionState, audio: {}, video: {}, out: {}, kept: [], videos: []};
  (await pc.getStats()).forEach(report => {
    if (report.type === 'inbound-rtp') found[report.kind][report.mid] = {
      frames: report.framesDecoded, level: report.audioLevel, samples: report.totalSamplesReceived,
      energy: report.totalAudioEnergy, freezes: report.freezeCount, lost: report.packetsLost,
      packets: report.packetsReceived, plis: report.pliCount,
      playout: report.estimatedPlayoutTimestamp,
      buffer: report.jitterBufferDelay / report.jitterBufferEmittedCount};
    if (report.type === 'outbound-rtp') found.out[report.kind] = {
      keys: report.keyFramesEncoded, frames: report.framesEncoded, plis: report.pliCount,
      bytes: report.bytesSent, nacks: report.nackCount, target: report.targetBitrate};
    if (report.type === 'candidate-pair' && report.nominated) found.kept.push(report.state);
  });
  for (const video of document.querySelectorAll('video'))
    found.videos.push([video.id, video.videoWidth, video.srcObject.getTracks().length]);
  return JSON.stringify(found);
}
</script>
"""


@contextlib.asynccontextmanager
async def served() -> AsyncIterator[str]:
    """The page on a port of this machine (a secure context, so that the browser gives a camera);
    yields its address."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            body = PAGE.encode()
            head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(body)}"
            writer.write(f"{head}\r\nConnection: close\r\n\r\n".encode() + body)
            await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
