// SPDX-License-Identifier: MIT OR Apache-2.0
//! A message: its name, its flags and its fixed fields.

use std::borrow::Cow;

use bytes::Bytes;

use super::{Described, Protocol, Value, parameter};
use crate::codec::{Cursor, HEADER_LENGTH, padding};
use crate::{asap, enrp};

/// Describes what is there, whatever Message Length says.
pub(super) fn describe(bytes: &Bytes, protocol: Protocol) -> Described {
    let mut value = Cursor::new(bytes);
    let message_type = value.u8().unwrap_or_default();
    let flags = value.u8().unwrap_or_default();
    let length = usize::from(value.u16().unwrap_or_default());
    let mut value = trim(value, length);

    let name = match protocol {
        Protocol::Asap => asap::message_type::name(message_type),
        Protocol::Enrp => enrp::message_type::name(message_type),
    };
    let mut fields = flag_names(protocol, message_type)
        .iter()
        .map(|&(flag, name)| (name, Value::Flag(flags & flag != 0)))
        .collect::<Vec<_>>();
    let mut parameters = Vec::new();
    let message = match name {
        Some(name) => {
            fixed_fields(protocol, message_type, &mut value, &mut fields);
            parameters = parameter::describe_all(&mut value, 0);
            name.into()
        }
        None => Cow::Owned(format!("{protocol}_UNKNOWN_{message_type}")),
    };
    if !value.is_empty() {
        fields.push(("data", Value::Bytes(value.to_bytes())));
    }
    Described { protocol, message, message_type, flags, fields, parameters, error: None }
}

/// Leaves out the padding behind the message.
fn trim(mut value: Cursor<'_>, length: usize) -> Cursor<'_> {
    match length.checked_sub(HEADER_LENGTH) {
        Some(length) if value.remaining() <= length + padding(length) => value.take(length).unwrap_or(value),
        _ => value,
    }
}

/// The flags of a message and what they mean.
fn flag_names(protocol: Protocol, message_type: u8) -> &'static [(u8, &'static str)] {
    match protocol {
        Protocol::Asap => match message_type {
            asap::message_type::REGISTRATION_RESPONSE => &[(0x01, "reject")],
            asap::message_type::HANDLE_RESOLUTION => &[(0x01, "subscribe")],
            asap::message_type::HANDLE_RESOLUTION_RESPONSE => &[(0x01, "accept_updates")],
            asap::message_type::ENDPOINT_KEEP_ALIVE => &[(0x01, "home")],
            _ => &[],
        },
        Protocol::Enrp => match message_type {
            enrp::message_type::PRESENCE => &[(0x01, "reply_required")],
            enrp::message_type::HANDLE_TABLE_REQUEST => &[(0x01, "own_children_only")],
            enrp::message_type::HANDLE_TABLE_RESPONSE => &[(0x01, "reject"), (0x02, "more_to_send")],
            enrp::message_type::HANDLE_UPDATE => &[(0x01, "takeover_suggested")],
            enrp::message_type::LIST_RESPONSE => &[(0x01, "reject")],
            _ => &[],
        },
    }
}

/// Reads the fields before the parameters, as far as they are there.
fn fixed_fields(protocol: Protocol, message_type: u8, value: &mut Cursor<'_>, fields: &mut Vec<(&'static str, Value)>) {
    let mut identifier = |value: &mut Cursor<'_>, name| {
        fields.extend(value.u32().map(|number| (name, Value::Identifier(number.into()))));
    };
    match (protocol, message_type) {
        (Protocol::Asap, asap::message_type::ENDPOINT_KEEP_ALIVE | asap::message_type::SERVER_ANNOUNCE) => {
            identifier(value, "server_identifier");
        }
        (Protocol::Asap, _) => {}
        (Protocol::Enrp, _) => {
            identifier(value, "sending_server_id");
            identifier(value, "receiving_server_id");
            match message_type {
                enrp::message_type::INIT_TAKEOVER
                | enrp::message_type::INIT_TAKEOVER_ACK
                | enrp::message_type::TAKEOVER_SERVER => identifier(value, "targeting_server_id"),
                enrp::message_type::HANDLE_UPDATE => {
                    let action = value.u16().map(enrp::UpdateAction::from);
                    fields.extend(action.map(|action| ("update_action", Value::Text(action.to_string().into()))));
                    value.u16();
                }
                _ => {}
            }
        }
    }
}
