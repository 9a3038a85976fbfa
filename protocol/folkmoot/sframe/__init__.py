"""SFrame, RFC 9605: end-to-end encryption of media frames, with all its cipher suites."""

from folkmoot.sframe.header import (
    HEADER_BYTES_MAX,
    Header,
    decode_header,
    encode_header,
    header_length,
)
from folkmoot.sframe.keys import (
    MLS_EXPORTER_LABEL,
    Key,
    MlsKeyId,
    Opened,
    derive_key,
    derive_key_and_salt,
    extract,
    mls_key_id,
    open,
    seal,
    split_mls_key_id,
)
from folkmoot.sframe.suites import NONCE_BYTES, SUITES, AesCtrHmac, Suite, SuiteId, make_aead

__all__ = [
    "HEADER_BYTES_MAX",
    "MLS_EXPORTER_LABEL",
    "NONCE_BYTES",
    "SUITES",
    "AesCtrHmac",
    "Header",
    "Key",
    "MlsKeyId",
    "Opened",
    "Suite",
    "SuiteId",
    "decode_header",
    "derive_key",
    "derive_key_and_salt",
    "encode_header",
    "extract",
    "header_length",
    "make_aead",
    "mls_key_id",
    "open",
    "seal",
    "split_mls_key_id",
]
