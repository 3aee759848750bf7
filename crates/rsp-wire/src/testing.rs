// SPDX-License-Identifier: MIT OR Apache-2.0
//! Help for this crate's tests: bytes as hexadecimal text.

use std::net::Ipv6Addr;

use bytes::Bytes;
use smallvec::smallvec;

use crate::codec::{Cursor, EncodeError, Encoder, Parameter, Report, to_tlv};
use crate::parameter::{
    ErrorCause, Policy, PoolElement, Protocol, RegistrationLife, Transport, TransportUse, UnknownParameter,
    UserTransport,
};
use crate::{DecodeError, Decoded, Dialect, PeId, ServerId, asap, enrp};

/// The bytes a test writes as hexadecimal digits with spaces anywhere.
pub(crate) fn hex(text: &str) -> Bytes {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let byte = |pair: &[u8]| {
        let pair = std::str::from_utf8(pair).expect("hexadecimal digits are text");
        u8::from_str_radix(pair, 16).expect("two hexadecimal digits")
    };
    digits.chunks(2).map(byte).collect()
}

/// Bytes as a test compares them.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Decodes the one parameter in `text` with `decode`.
pub(crate) fn parameter_of<T>(
    text: &str,
    decode: impl FnOnce(Parameter<'_>, &mut Report) -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    let bytes = hex(text);
    let parameter = Parameter::read(&mut Cursor::new(&bytes)).expect("the parameter's own framing is right");
    decode(parameter, &mut Report::new())
}

/// The parameter that `encode` writes.
pub(crate) fn tlv(encode: impl FnOnce(&mut Encoder<'_>) -> Result<(), EncodeError>) -> String {
    to_hex(&to_tlv(encode).expect("it is short"))
}

/// Decodes an ASAP message.
pub(crate) fn asap_decode(text: &str) -> Result<Decoded<asap::Message>, DecodeError> {
    asap::Message::decode(&hex(text))
}

/// `text` is the bytes of `message`, in both directions.
pub(crate) fn asap_from(text: &str, message: impl Into<asap::Message>) {
    let decoded = asap_decode(text).expect("the bytes are sound");
    assert_eq!(decoded.message, message.into());
    assert!(decoded.report.is_empty());
    let again = decoded.message.to_bytes(Dialect::STANDARD).expect("it is short");
    assert_eq!(to_hex(&again), to_hex(&hex(text)));
}

/// `message` survives both dialects.
pub(crate) fn asap_round_trip(message: impl Into<asap::Message>) {
    let message = message.into();
    for dialect in [Dialect::STANDARD, Dialect::RFC] {
        let bytes = message.to_bytes(dialect).expect("it is short");
        assert_eq!(asap::Message::decode(&bytes).expect("we wrote it").message, message, "{bytes:?}");
        assert_eq!(bytes.len() % 4, 0);
    }
}

/// The bytes are refused, and the sender is told why.
pub(crate) fn asap_fails(text: &str) {
    match asap_decode(text) {
        Err(error @ (DecodeError::InvalidValues { .. } | DecodeError::Missing { .. })) => {
            assert!(matches!(error.cause(), Some(ErrorCause::InvalidValues(_))));
        }
        other => assert!(matches!(other, Err(DecodeError::DiscardParameter { .. })), "{text}: {other:?}"),
    }
}

/// The echo PE of the golden captures.
pub(crate) fn echo_element() -> PoolElement {
    PoolElement {
        id: PeId(0xaaaa_0001),
        home: ServerId::NONE,
        life: RegistrationLife(12_000),
        user_transport: UserTransport::Ip(Transport { addresses: smallvec![[192, 0, 2, 2].into()], ..transport() }),
        policy: Policy::RoundRobin,
        asap_transport: None,
        unknown: Vec::new(),
    }
}

/// An SCTP transport.
pub(crate) fn transport() -> Transport {
    Transport {
        protocol: Protocol::Sctp,
        port: 7007,
        transport_use: TransportUse::DATA_PLUS_CONTROL,
        addresses: smallvec![[192, 0, 2, 1].into(), Ipv6Addr::LOCALHOST.into()],
    }
}

/// `text` is the bytes of `body` from registrar 0x11111111 to `receiver`, in both directions.
pub(crate) fn enrp_from(text: &str, receiver: u32, body: impl Into<enrp::Body>) {
    let decoded = enrp::Message::decode(&hex(text)).expect("the bytes are sound");
    let (sender, receiver, body) = (ServerId(0x1111_1111), ServerId(receiver), body.into());
    assert_eq!(decoded.message, enrp::Message { sender, receiver, body, unknown: Vec::new() });
    assert!(decoded.report.is_empty());
    let again = decoded.message.to_bytes(Dialect::STANDARD).expect("it is short");
    assert_eq!(to_hex(&again), to_hex(&hex(text)));
}

/// `body` survives both dialects, with an unknown parameter behind it.
pub(crate) fn enrp_round_trip(body: impl Into<enrp::Body>) {
    let unknown = vec![UnknownParameter { parameter_type: 0x8099, value: Bytes::from_static(b"new") }];
    let message = enrp::Message { sender: ServerId(1), receiver: ServerId::NONE, body: body.into(), unknown };
    for dialect in [Dialect::STANDARD, Dialect::RFC] {
        let bytes = message.to_bytes(dialect).expect("it is short");
        assert_eq!(enrp::Message::decode(&bytes).expect("we wrote it").message, message, "{bytes:?}");
        assert_eq!(bytes.len() % 4, 0);
    }
}

/// The bytes are refused, and the sender is told why.
pub(crate) fn enrp_fails(text: &str) {
    let error = enrp::Message::decode(&hex(text)).expect_err(text);
    assert!(matches!(error.cause(), Some(ErrorCause::InvalidValues(_))), "{text}: {error}");
}
