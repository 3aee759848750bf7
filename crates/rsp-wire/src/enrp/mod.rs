// SPDX-License-Identifier: MIT OR Apache-2.0
//! ENRP messages, RFC 5353 §2.

mod error;
mod handle_table_request;
mod handle_table_response;
mod handle_update;
mod init_takeover;
mod init_takeover_ack;
mod list_request;
mod list_response;
pub mod message_type;
mod presence;
mod takeover_server;

pub use error::Error;
pub use handle_table_request::HandleTableRequest;
pub use handle_table_response::{HandleTableResponse, PoolEntry};
pub use handle_update::{HandleUpdate, UpdateAction};
pub use init_takeover::InitTakeover;
pub use init_takeover_ack::InitTakeoverAck;
pub use list_request::ListRequest;
pub use list_response::ListResponse;
pub use presence::Presence;
pub use takeover_server::TakeoverServer;

use std::fmt;

use bytes::{Bytes, BytesMut};

use crate::codec::{Dialect, EncodeError, Encoder, Header, Reader, Report, to_bytes, unknown_message};
use crate::parameter::UnknownParameter;
use crate::{DecodeError, Decoded, ServerId};

/// An ENRP message with the two identifiers all of them start with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Sending Server's ID.
    pub sender: ServerId,
    /// Receiving Server's ID, [`ServerId::NONE`] = all.
    pub receiver: ServerId,
    /// The rest.
    pub body: Body,
    /// What this version does not know.
    pub unknown: Vec<UnknownParameter>,
}

/// What an ENRP message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// ENRP_PRESENCE 0x01
    Presence(Presence),
    /// ENRP_HANDLE_TABLE_REQUEST 0x02
    HandleTableRequest(HandleTableRequest),
    /// ENRP_HANDLE_TABLE_RESPONSE 0x03
    HandleTableResponse(HandleTableResponse),
    /// ENRP_HANDLE_UPDATE 0x04
    HandleUpdate(HandleUpdate),
    /// ENRP_LIST_REQUEST 0x05
    ListRequest(ListRequest),
    /// ENRP_LIST_RESPONSE 0x06
    ListResponse(ListResponse),
    /// ENRP_INIT_TAKEOVER 0x07
    InitTakeover(InitTakeover),
    /// ENRP_INIT_TAKEOVER_ACK 0x08
    InitTakeoverAck(InitTakeoverAck),
    /// ENRP_TAKEOVER_SERVER 0x09
    TakeoverServer(TakeoverServer),
    /// ENRP_ERROR 0x0a
    Error(Error),
}

/// The same expression for whatever the body is.
macro_rules! each {
    ($body:expr, $b:ident => $expression:expr) => {
        match $body {
            Body::Presence($b) => $expression,
            Body::HandleTableRequest($b) => $expression,
            Body::HandleTableResponse($b) => $expression,
            Body::HandleUpdate($b) => $expression,
            Body::ListRequest($b) => $expression,
            Body::ListResponse($b) => $expression,
            Body::InitTakeover($b) => $expression,
            Body::InitTakeoverAck($b) => $expression,
            Body::TakeoverServer($b) => $expression,
            Body::Error($b) => $expression,
        }
    };
}

impl Message {
    /// Reads the one message in `bytes`. Handles and unknown parameters of it share the memory of `bytes`.
    ///
    /// # Errors
    /// If it is not a message this version understands. [`DecodeError::cause`] says whether and what to answer.
    pub fn decode(bytes: &Bytes) -> Result<Decoded<Message>, DecodeError> {
        let header = Header::decode(bytes)?;
        let mut report = Report::new();
        match Message::decode_value(&header, &mut report) {
            Err(error) if header.message_type == message_type::ERROR => {
                Err(DecodeError::InErrorMessage(Box::new(error)))
            }
            Err(error) => Err(error),
            Ok(message @ Message { body: Body::Error(_), .. }) => Ok(Decoded { message, report: Report::new() }),
            Ok(message) => Ok(Decoded { message, report }),
        }
    }

    fn decode_value(header: &Header<'_>, report: &mut Report) -> Result<Message, DecodeError> {
        if message_type::name(header.message_type).is_none() {
            return Err(unknown_message(header));
        }
        let mut reader = Reader::message(header, report);
        let sender = ServerId(reader.u32()?);
        let receiver = ServerId(reader.u32()?);
        let body = Body::decode(header, &mut reader)?;
        Ok(Message { sender, receiver, body, unknown: reader.unknown })
    }

    /// Appends the message to `out`, padded to a multiple of 4 bytes.
    ///
    /// # Errors
    /// If it or a part of it is too long for its length field; `out` is then as it was.
    pub fn encode(&self, dialect: Dialect, out: &mut BytesMut) -> Result<(), EncodeError> {
        let mut encoder = Encoder::message(out, self.message_type(), each!(&self.body, b => b.flags()));
        match self.encode_value(&mut encoder) {
            Ok(()) => encoder.finish_message(dialect),
            Err(error) => {
                encoder.abandon();
                Err(error)
            }
        }
    }

    fn encode_value(&self, out: &mut Encoder<'_>) -> Result<(), EncodeError> {
        out.u32(self.sender.0);
        out.u32(self.receiver.0);
        each!(&self.body, b => b.encode_value(out))?;
        UnknownParameter::encode_all(&self.unknown, out)
    }

    /// The message in memory of its own.
    ///
    /// # Errors
    /// As [`Message::encode`].
    pub fn to_bytes(&self, dialect: Dialect) -> Result<Bytes, EncodeError> {
        to_bytes(|out| self.encode(dialect, out))
    }

    /// Message Type.
    pub fn message_type(&self) -> u8 {
        each!(&self.body, b => b.message_type())
    }

    /// The name in the RFC: `ENRP_PRESENCE`.
    pub fn name(&self) -> &'static str {
        message_type::name(self.message_type()).expect("every variant's type has a name")
    }
}

impl Body {
    fn decode(header: &Header<'_>, reader: &mut Reader<'_, '_>) -> Result<Body, DecodeError> {
        let flags = header.flags;
        Ok(match header.message_type {
            message_type::PRESENCE => Presence::decode(flags, reader)?.into(),
            message_type::HANDLE_TABLE_REQUEST => HandleTableRequest::decode(flags, reader)?.into(),
            message_type::HANDLE_TABLE_RESPONSE => HandleTableResponse::decode(flags, reader)?.into(),
            message_type::HANDLE_UPDATE => HandleUpdate::decode(flags, reader)?.into(),
            message_type::LIST_REQUEST => ListRequest::decode(flags, reader)?.into(),
            message_type::LIST_RESPONSE => ListResponse::decode(flags, reader)?.into(),
            message_type::INIT_TAKEOVER => InitTakeover::decode(flags, reader)?.into(),
            message_type::INIT_TAKEOVER_ACK => InitTakeoverAck::decode(flags, reader)?.into(),
            message_type::TAKEOVER_SERVER => TakeoverServer::decode(flags, reader)?.into(),
            message_type::ERROR => Error::decode(flags, reader)?.into(),
            _ => return Err(unknown_message(header)),
        })
    }
}

/// The name and between whom, then what the message says.
impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} -> {} ", self.name(), self.sender, self.receiver)?;
        each!(&self.body, b => b.fmt(f))
    }
}

/// A message behind its header and the two identifiers. Unknown parameters stay in the reader.
trait BodyCodec: Sized {
    /// Message Type.
    const TYPE: u8;

    /// Reads what follows the identifiers.
    fn decode(flags: u8, reader: &mut Reader<'_, '_>) -> Result<Self, DecodeError>;

    /// Writes what follows the identifiers.
    fn encode_value(&self, out: &mut Encoder<'_>) -> Result<(), EncodeError>;

    /// Message Flags.
    fn flags(&self) -> u8 {
        0
    }

    /// [`BodyCodec::TYPE`] of a value.
    fn message_type(&self) -> u8 {
        Self::TYPE
    }
}

macro_rules! from {
    ($($name:ident)*) => {$(
        impl From<$name> for Body {
            fn from(body: $name) -> Self {
                Body::$name(body)
            }
        }
    )*};
}
from! {
    Presence HandleTableRequest HandleTableResponse HandleUpdate ListRequest ListResponse InitTakeover InitTakeoverAck
    TakeoverServer Error
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameter::ErrorCause;
    use crate::testing::hex;

    #[test]
    fn the_two_highest_bits_say_what_happens_to_an_unknown_message() {
        let cause = |bytes: &str| Message::decode(&hex(bytes)).expect_err("it is unknown").cause();
        for discarded in ["0000 0004", "0b00 000c 11111111 22222222", "8100 0004", "c100 0004"] {
            assert_eq!(cause(discarded), None, "{discarded}");
        }
        assert_eq!(cause("4100 0004"), Some(ErrorCause::UnrecognizedMessage(hex("4100 0004"))));
    }

    #[test]
    fn unknown_parameters_are_kept_behind_the_known_ones_and_reported_if_they_ask_for_it() {
        let bytes = hex("0500 0015 11111111 22222222 8099 0004 c099 0005 61 000000");
        let decoded = Message::decode(&bytes).expect("all is framed right");
        assert_eq!(decoded.report[..], [hex("c099 0005 61")]);
        assert_eq!(decoded.message.unknown.len(), 2);
        assert_eq!(decoded.message.to_bytes(Dialect::RFC).expect("it is short")[..], bytes[..]);
        assert_eq!(decoded.message.to_string(), "ENRP_LIST_REQUEST 0x11111111 -> 0x22222222 of all registrars");
    }
}
