"""SRTP and SRTCP of the page's connection (RFC 3711, RFC 7714): bytes in, bytes out, None for what
does not verify."""

from __future__ import annotations

from pylibsrtp import Error, Policy, Session

from folkmoot.agent.media.dtls import SrtpKeys

# Libsrtp's binding has a buffer of 1,500 bytes and keeps 144 for the trailer.
PACKET_BYTES_MAX = 1_356
REPLAY_WINDOW_PACKETS = 1_024


def _session(keys: SrtpKeys, key: bytes, direction: int) -> Session:
    policy = Policy(key=key, ssrc_type=direction, srtp_profile=keys.profile.policy)
    policy.window_size = REPLAY_WINDOW_PACKETS
    # A packet sent again on a NACK is the same packet, byte for byte, so its nonce covers the same
    # text.
    policy.allow_repeat_tx = True
    return Session(policy)


class Srtp:
    def __init__(self, keys: SrtpKeys) -> None:
        self._inbound = _session(keys, keys.browser, Policy.SSRC_ANY_INBOUND)
        self._outbound = _session(keys, keys.agent, Policy.SSRC_ANY_OUTBOUND)

    def open_rtp(self, packet: bytes) -> bytes | None:
        try:
            return self._inbound.unprotect(packet)
        except (Error, ValueError):
            return None

    def open_rtcp(self, packet: bytes) -> bytes | None:
        try:
            return self._inbound.unprotect_rtcp(packet)
        except (Error, ValueError):
            return None

    def seal_rtp(self, packet: bytes) -> bytes | None:
        try:
            return self._outbound.protect(packet)
        except (Error, ValueError):
            return None

    def seal_rtcp(self, packet: bytes) -> bytes | None:
        try:
            return self._outbound.protect_rtcp(packet)
        except (Error, ValueError):
            return None
