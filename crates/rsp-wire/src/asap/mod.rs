// SPDX-License-Identifier: MIT OR Apache-2.0
//! ASAP messages, RFC 5352 §2.2.

mod business_card;
mod cookie;
mod cookie_echo;
mod deregistration;
mod deregistration_response;
mod endpoint_keep_alive;
mod endpoint_keep_alive_ack;
mod endpoint_unreachable;
mod error;
mod handle_resolution;
mod handle_resolution_response;
pub mod message_type;
mod pe_reference;
mod registration;
mod registration_response;
mod server_announce;
mod session;

pub use business_card::BusinessCard;
pub use cookie::Cookie;
pub use cookie_echo::CookieEcho;
pub use deregistration::Deregistration;
pub use deregistration_response::DeregistrationResponse;
pub use endpoint_keep_alive::EndpointKeepAlive;
pub use endpoint_keep_alive_ack::EndpointKeepAliveAck;
pub use endpoint_unreachable::EndpointUnreachable;
pub use error::Error;
pub use handle_resolution::{HandleResolution, UsualResolution};
pub use handle_resolution_response::HandleResolutionResponse;
pub use registration::Registration;
pub use registration_response::RegistrationResponse;
pub use server_announce::ServerAnnounce;
pub use session::Session;

use std::fmt;

use bytes::{Bytes, BytesMut};

use crate::codec::{Dialect, EncodeError, Encoder, Header, MessageBody, Reader, Report, to_bytes, unknown_message};
use crate::{DecodeError, Decoded};

/// Any ASAP message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// ASAP_REGISTRATION 0x01
    Registration(Registration),
    /// ASAP_DEREGISTRATION 0x02
    Deregistration(Deregistration),
    /// ASAP_REGISTRATION_RESPONSE 0x03
    RegistrationResponse(RegistrationResponse),
    /// ASAP_DEREGISTRATION_RESPONSE 0x04
    DeregistrationResponse(DeregistrationResponse),
    /// ASAP_HANDLE_RESOLUTION 0x05
    HandleResolution(HandleResolution),
    /// ASAP_HANDLE_RESOLUTION_RESPONSE 0x06
    HandleResolutionResponse(HandleResolutionResponse),
    /// ASAP_ENDPOINT_KEEP_ALIVE 0x07
    EndpointKeepAlive(EndpointKeepAlive),
    /// ASAP_ENDPOINT_KEEP_ALIVE_ACK 0x08
    EndpointKeepAliveAck(EndpointKeepAliveAck),
    /// ASAP_ENDPOINT_UNREACHABLE 0x09
    EndpointUnreachable(EndpointUnreachable),
    /// ASAP_SERVER_ANNOUNCE 0x0a
    ServerAnnounce(ServerAnnounce),
    /// ASAP_COOKIE 0x0b
    Cookie(Cookie),
    /// ASAP_COOKIE_ECHO 0x0c
    CookieEcho(CookieEcho),
    /// ASAP_BUSINESS_CARD 0x0d
    BusinessCard(BusinessCard),
    /// ASAP_ERROR 0x0e
    Error(Error),
    /// ASAP_SESSION 0x3f, `docs/session-wire.md`
    Session(Session),
}

/// The same expression for whatever the message is.
macro_rules! each {
    ($message:expr, $m:ident => $expression:expr) => {
        match $message {
            Message::Registration($m) => $expression,
            Message::Deregistration($m) => $expression,
            Message::RegistrationResponse($m) => $expression,
            Message::DeregistrationResponse($m) => $expression,
            Message::HandleResolution($m) => $expression,
            Message::HandleResolutionResponse($m) => $expression,
            Message::EndpointKeepAlive($m) => $expression,
            Message::EndpointKeepAliveAck($m) => $expression,
            Message::EndpointUnreachable($m) => $expression,
            Message::ServerAnnounce($m) => $expression,
            Message::Cookie($m) => $expression,
            Message::CookieEcho($m) => $expression,
            Message::BusinessCard($m) => $expression,
            Message::Error($m) => $expression,
            Message::Session($m) => $expression,
        }
    };
}
impl Message {
    /// Reads the one message in `bytes`. Handles, cookies and unknown parameters of it share the memory of `bytes`.
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
            Ok(Message::Error(error)) => Ok(Decoded { message: Message::Error(error), report: Report::new() }),
            Ok(message) => Ok(Decoded { message, report }),
        }
    }

    fn decode_value(header: &Header<'_>, report: &mut Report) -> Result<Message, DecodeError> {
        let flags = header.flags;
        let reader = Reader::message(header, report);
        Ok(match header.message_type {
            message_type::REGISTRATION => Registration::decode(flags, reader)?.into(),
            message_type::DEREGISTRATION => Deregistration::decode(flags, reader)?.into(),
            message_type::REGISTRATION_RESPONSE => RegistrationResponse::decode(flags, reader)?.into(),
            message_type::DEREGISTRATION_RESPONSE => DeregistrationResponse::decode(flags, reader)?.into(),
            message_type::HANDLE_RESOLUTION => HandleResolution::decode(flags, reader)?.into(),
            message_type::HANDLE_RESOLUTION_RESPONSE => HandleResolutionResponse::decode(flags, reader)?.into(),
            message_type::ENDPOINT_KEEP_ALIVE => EndpointKeepAlive::decode(flags, reader)?.into(),
            message_type::ENDPOINT_KEEP_ALIVE_ACK => EndpointKeepAliveAck::decode(flags, reader)?.into(),
            message_type::ENDPOINT_UNREACHABLE => EndpointUnreachable::decode(flags, reader)?.into(),
            message_type::SERVER_ANNOUNCE => ServerAnnounce::decode(flags, reader)?.into(),
            message_type::COOKIE => Cookie::decode(flags, reader)?.into(),
            message_type::COOKIE_ECHO => CookieEcho::decode(flags, reader)?.into(),
            message_type::BUSINESS_CARD => BusinessCard::decode(flags, reader)?.into(),
            message_type::ERROR => Error::decode(flags, reader)?.into(),
            message_type::SESSION => Session::decode(flags, reader)?.into(),
            _ => return Err(unknown_message(header)),
        })
    }

    /// Appends the message to `out`, padded to a multiple of 4 bytes.
    ///
    /// # Errors
    /// If it or a part of it is too long for its length field; `out` is then as it was.
    pub fn encode(&self, dialect: Dialect, out: &mut BytesMut) -> Result<(), EncodeError> {
        let mut encoder = Encoder::message(out, self.message_type(), each!(self, m => m.flags()));
        match each!(self, m => m.encode_value(&mut encoder)) {
            Ok(()) => encoder.finish_message(dialect),
            Err(error) => {
                encoder.abandon();
                Err(error)
            }
        }
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
        each!(self, m => m.message_type())
    }

    /// The name in the RFC: `ASAP_REGISTRATION`.
    pub fn name(&self) -> &'static str {
        message_type::name(self.message_type()).expect("every variant's type has a name")
    }
}

/// The name, then what the message says.
impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.name())?;
        each!(self, m => m.fmt(f))
    }
}

macro_rules! from {
    ($($name:ident)*) => {$(
        impl From<$name> for Message {
            fn from(message: $name) -> Self {
                Message::$name(message)
            }
        }
    )*};
}
from! {
    Registration Deregistration RegistrationResponse DeregistrationResponse HandleResolution HandleResolutionResponse
    EndpointKeepAlive EndpointKeepAliveAck EndpointUnreachable ServerAnnounce Cookie CookieEcho BusinessCard Error Session
}

#[cfg(test)]
mod tests;
