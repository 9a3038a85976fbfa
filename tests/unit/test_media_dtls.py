"""The DTLS server agrees on keys with a client, and only with the one that the answer named."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from aiortc import rtp
from hypothesis import given
from hypothesis import strategies as st
from OpenSSL import SSL

from folkmoot.agent.media.dtls import (
    PROFILES,
    Certificate,
    DtlsServer,
    DtlsState,
    SrtpKeys,
    split_datagrams,
)
from folkmoot.agent.media.srtp import Srtp


class Client:
    """A page's half of the handshake."""

    def __init__(self, profiles: bytes = PROFILES[0].name, *, certificate: bool = True) -> None:
        self.certificate = Certificate()
        context = SSL.Context(SSL.DTLS_CLIENT_METHOD)
        context.set_verify(SSL.VERIFY_PEER, lambda *_: True)
        if certificate:
            context.use_certificate(self.certificate.certificate)
            context.use_privatekey(self.certificate.key)
        if profiles:
            context.set_tlsext_use_srtp(profiles)
        self.connection = SSL.Connection(context, None)
        self.connection.set_connect_state()
        self.connection.set_ciphertext_mtu(1_200)
        self.done = False

    def step(self) -> list[bytes]:
        try:
            if not self.done:
                self.connection.do_handshake()
                self.done = True
        except SSL.Error:
            pass
        try:
            return split_datagrams(self.connection.bio_read(65_536))
        except SSL.WantReadError:
            return []

    def keys(self) -> tuple[bytes, bytes]:
        material = self.connection.export_keying_material(b"EXTRACTOR-dtls_srtp", 56)
        return material[:16] + material[32:44], material[16:32] + material[44:]


def talk(client: Client, server: DtlsServer, sent: list[bytes], rounds: int = 8) -> None:
    for _ in range(rounds):
        for datagram in client.step():
            server.receive(datagram)
        for datagram in sent:
            assert len(datagram) <= 1_200
            client.connection.bio_write(datagram)
        sent.clear()


def connect(client: Client, expected: bytes | None) -> tuple[DtlsServer, list[bytes]]:
    sent: list[bytes] = []
    server = DtlsServer(Certificate(), sent.append)
    if expected is not None:
        server.expect(expected)
    talk(client, server, sent)
    return server, sent


def test_both_sides_get_the_same_keys() -> None:
    client = Client()
    server, _ = connect(client, client.certificate.fingerprint)
    assert server.state is DtlsState.CONNECTED
    assert server.keys is not None
    assert server.keys.profile.name == b"SRTP_AEAD_AES_128_GCM"
    assert (server.keys.browser, server.keys.agent) == client.keys()
    assert server.timeout() is None


def test_the_fingerprint_may_come_after_the_handshake_but_no_keys_before_it() -> None:
    client = Client()
    server, _ = connect(client, None)
    assert server.state is DtlsState.VERIFYING
    assert server.keys is None
    server.expect(client.certificate.fingerprint)
    assert server.keys is not None


@pytest.mark.parametrize("late", [False, True])
def test_another_certificate_than_the_named_one_is_refused(late: bool) -> None:
    server, _ = connect(Client(), None if late else b"\x55" * 32)
    if late:
        server.expect(b"\x55" * 32)
    assert server.state is DtlsState.FAILED
    assert server.keys is None
    assert "certificate" in server.reason


@pytest.mark.parametrize("make", [lambda: Client(certificate=False), lambda: Client(b"")])
def test_a_client_without_certificate_or_media_keys_is_refused(make: Callable[[], Client]) -> None:
    client = make()
    server, _ = connect(client, client.certificate.fingerprint)
    assert server.state is DtlsState.FAILED
    assert server.keys is None


def test_the_older_protection_profile_works_too() -> None:
    client = Client(PROFILES[1].name)
    server, _ = connect(client, client.certificate.fingerprint)
    assert server.keys is not None
    assert len(server.keys.browser) == 30


def test_a_closed_page_is_noticed_and_told() -> None:
    client = Client()
    server, sent = connect(client, client.certificate.fingerprint)
    client.connection.shutdown()
    for datagram in client.step():
        server.receive(datagram)
    assert server.state is DtlsState.CLOSED
    client = Client()
    server, sent = connect(client, client.certificate.fingerprint)
    server.close()
    assert sent  # close_notify
    assert server.state is DtlsState.CLOSED


def test_a_lost_flight_is_sent_again_when_its_timer_is_due() -> None:
    client = Client()
    sent: list[bytes] = []
    server = DtlsServer(Certificate(), sent.append)
    server.expect(client.certificate.fingerprint)
    for datagram in client.step():
        server.receive(datagram)
    assert sent
    wait = server.timeout()
    assert wait is not None
    assert 0 <= wait <= 1.1


@given(st.lists(st.binary(min_size=1, max_size=80), max_size=5))
def test_noise_never_raises(noise: list[bytes]) -> None:
    server = DtlsServer(Certificate(), lambda datagram: None)
    for datagram in noise:
        server.receive(datagram)
    assert server.keys is None


def test_noise_after_the_handshake_is_dropped() -> None:
    client = Client()
    server, _ = connect(client, client.certificate.fingerprint)
    for noise in (b"\x17\xfe\xfd" + bytes(60), b"\x16" * 20, b"\x15\xfe\xfd\0\1" + bytes(20)):
        server.receive(noise)
    assert server.state is DtlsState.CONNECTED


def test_records_are_never_cut() -> None:
    record = b"\x16\xfe\xfd" + bytes(8) + (500).to_bytes(2, "big") + bytes(500)
    assert split_datagrams(record * 5) == [record * 2, record * 2, record]
    assert split_datagrams(b"") == []
    with pytest.raises(ValueError, match="torn"):
        split_datagrams(record + b"\x16")


def test_srtp_opens_what_the_other_side_sealed_and_nothing_else() -> None:
    keys = SrtpKeys(PROFILES[0], b"\1" * 28, b"\2" * 28)
    mirrored = SrtpKeys(PROFILES[0], b"\2" * 28, b"\1" * 28)
    agent, page = Srtp(keys), Srtp(mirrored)
    packet = rtp.RtpPacket(payload_type=111, sequence_number=1, ssrc=7, payload=b"x").serialize()
    sealed = page.seal_rtp(packet)
    assert sealed is not None
    assert agent.open_rtp(sealed) == packet
    assert agent.open_rtp(sealed) is None  # replayed
    assert agent.open_rtp(sealed[:-1] + bytes([sealed[-1] ^ 1])) is None
    assert agent.open_rtp(bytes(2_000)) is None
    assert agent.open_rtcp(b"\x80\xc8") is None
    assert agent.seal_rtp(bytes(1_400)) is None
    again = [agent.seal_rtp(packet), agent.seal_rtp(packet)]
    assert again[0] == again[1]  # a packet sent again on a NACK is the same, byte for byte
    report = bytes(rtp.RtcpRrPacket(ssrc=1))
    control = page.seal_rtcp(report)
    assert control is not None
    assert agent.open_rtcp(control) == report
