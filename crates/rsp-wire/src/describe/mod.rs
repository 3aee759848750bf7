// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any bytes that may be a message, as a tree of names and values: for `rsp decode`, for logs, for vectors.
//!
//! Decoding answers the message or an error; this shows what can be read of a message that is partly broken, too.

mod message;
mod parameter;
mod text;

use std::borrow::Cow;
use std::net::IpAddr;

use bytes::Bytes;

use crate::{DecodeError, asap, enrp};

/// Whose message it is: what its PPID or port says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// PPID 11, port 3863
    Asap,
    /// PPID 12, port 9901
    Enrp,
}

/// What can be said of a message. Names are the RFC's words in snake_case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Whose message it is.
    pub protocol: Protocol,
    /// `ASAP_REGISTRATION`; `ASAP_UNKNOWN_63` if the type is unknown.
    pub message: Cow<'static, str>,
    /// Message Type.
    pub message_type: u8,
    /// Message Flags.
    pub flags: u8,
    /// Flags by name, then fixed fields.
    pub fields: Vec<(&'static str, Value)>,
    /// Parameters in the order they stand.
    pub parameters: Vec<DescribedParameter>,
    /// What is wrong with the message.
    pub error: Option<String>,
}

/// What can be said of a parameter, or of an error cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedParameter {
    /// Parameter Type, or Cause Code.
    pub parameter_type: u16,
    /// `Pool Handle`; `Unknown` if the type is unknown.
    pub name: &'static str,
    /// Fixed fields; `data` holds what is unknown or broken.
    pub fields: Vec<(&'static str, Value)>,
    /// Parameters in it, in the order they stand.
    pub parameters: Vec<DescribedParameter>,
    /// Causes of an Operation Error.
    pub causes: Vec<DescribedParameter>,
}

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A number people read as decimal.
    Number(u64),
    /// A number that can be negative.
    Signed(i64),
    /// A number people read as hexadecimal: an identifier, a type, a checksum.
    Identifier(u64),
    /// A flag.
    Flag(bool),
    /// Text.
    Text(Cow<'static, str>),
    /// An IP address.
    Address(IpAddr),
    /// Bytes that mean nothing to us.
    Bytes(Bytes),
    /// Several numbers.
    Numbers(Vec<u64>),
}

/// Describes the one message in `bytes`.
pub fn describe(bytes: &Bytes, protocol: Protocol) -> Described {
    let mut described = message::describe(bytes, protocol);
    described.error = match protocol {
        Protocol::Asap => asap::Message::decode(bytes).err(),
        Protocol::Enrp => enrp::Message::decode(bytes).err(),
    }
    .filter(|error| !is_of_unknown_type(error))
    .map(|error| error.to_string());
    described
}

/// A message of unknown type is not broken: its name says all there is to say.
fn is_of_unknown_type(error: &DecodeError) -> bool {
    matches!(error, DecodeError::DiscardMessage { .. } | DecodeError::UnrecognizedMessage { .. })
}

#[cfg(test)]
mod tests;
