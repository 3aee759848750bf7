// SPDX-License-Identifier: MIT OR Apache-2.0
//! A parameter with all that is in it.

use std::net::IpAddr;

use super::{DescribedParameter, Value};
use crate::PoolHandle;
use crate::codec::{Cursor, Parameter};
use crate::parameter::parameter_type::{self, *};
use crate::parameter::{ErrorCause, Policy, handle_resolution, ip_address, pe_checksum, pe_identifier};
use crate::session::SessionParameter;

type Fields = Vec<(&'static str, Value)>;

/// Describes parameters up to the end, or to one whose framing is broken: that stays in `value`.
pub(super) fn describe_all(value: &mut Cursor<'_>, depth: usize) -> Vec<DescribedParameter> {
    let mut described = Vec::new();
    while !value.is_empty() {
        let mut rest = *value;
        let Some(parameter) = Parameter::read(&mut rest) else { break };
        described.push(describe(&parameter, depth));
        *value = rest;
    }
    described
}

fn describe(parameter: &Parameter<'_>, depth: usize) -> DescribedParameter {
    let mut described = DescribedParameter {
        parameter_type: parameter.parameter_type,
        name: parameter_type::name(parameter.parameter_type).unwrap_or("Unknown"),
        fields: Vec::new(),
        parameters: Vec::new(),
        causes: Vec::new(),
    };
    if depth < DEEPEST {
        let mut value = parameter.value;
        match parameter.parameter_type {
            OPERATION_ERROR => described.causes = causes(&mut value, depth + 1),
            POOL_ELEMENT | SERVER_INFORMATION | DCCP_TRANSPORT..=UDP_LITE_TRANSPORT => {
                container_fields(parameter.parameter_type, &mut value, &mut described.fields);
                described.parameters = describe_all(&mut value, depth + 1);
            }
            _ => {
                if let Some(fields) = leaf_fields(parameter) {
                    described.fields = fields;
                    return described;
                }
            }
        }
        data(value, &mut described.fields);
    } else {
        data(parameter.value, &mut described.fields);
    }
    described
}

/// What could not be read.
fn data(value: Cursor<'_>, fields: &mut Fields) {
    if !value.is_empty() {
        fields.push(("data", Value::Bytes(value.to_bytes())));
    }
}

/// The fixed fields of a parameter that contains others, as far as they are there.
fn container_fields(parameter_type: u16, value: &mut Cursor<'_>, fields: &mut Fields) {
    let identifier = |number: u32| Value::Identifier(number.into());
    let number = |number: u16| Value::Number(number.into());
    match parameter_type {
        POOL_ELEMENT => {
            fields.extend(value.u32().map(|id| ("pe_identifier", identifier(id))));
            fields.extend(value.u32().map(|id| ("home_enrp_server_identifier", identifier(id))));
            fields.extend(value.u32().map(|life| ("registration_life", Value::Signed(life.cast_signed().into()))));
        }
        SERVER_INFORMATION => fields.extend(value.u32().map(|id| ("server_id", identifier(id)))),
        _ => {
            fields.extend(value.u16().map(|port| ("port", number(port))));
            fields.extend(value.u16().map(|transport_use| ("transport_use", number(transport_use))));
            if parameter_type == DCCP_TRANSPORT {
                fields.extend(value.u32().map(|code| ("dccp_service_code", identifier(code))));
            }
        }
    }
}

/// The fields of a parameter that contains no others; `None` if it is unknown or broken.
fn leaf_fields(parameter: &Parameter<'_>) -> Option<Fields> {
    let bytes = || Value::Bytes(parameter.value.to_bytes());
    Some(match parameter.parameter_type {
        IPV4_ADDRESS | IPV6_ADDRESS => {
            let address = ip_address::decode(parameter).ok()?;
            let name = match address {
                IpAddr::V4(_) => "ipv4_address",
                IpAddr::V6(_) => "ipv6_address",
            };
            vec![(name, Value::Address(address))]
        }
        POLICY => policy(&Policy::decode(parameter).ok()?),
        POOL_HANDLE => {
            let handle = PoolHandle::decode(parameter).ok()?;
            vec![("pool_handle", Value::Text(handle.to_string().into()))]
        }
        COOKIE => vec![("cookie", bytes())],
        PE_IDENTIFIER => {
            vec![("pe_identifier", Value::Identifier(pe_identifier::decode(parameter).ok()?.0.into()))]
        }
        PE_CHECKSUM => vec![("pe_checksum", Value::Identifier(pe_checksum::decode(parameter).ok()?.0.into()))],
        OPAQUE_TRANSPORT => vec![("opaque_transport_data", bytes())],
        HANDLE_RESOLUTION => vec![("items", Value::Number(handle_resolution::decode(parameter).ok()?.into()))],
        _ => session(&SessionParameter::decode(parameter).ok()??),
    })
}

fn policy(policy: &Policy) -> Fields {
    let mut fields = vec![
        ("policy_type", Value::Identifier(policy.policy_type().into())),
        ("policy_name", Value::Text(policy.short_name().into())),
    ];
    policy.fields(|name, value| fields.push((name, Value::Number(value.into()))));
    if let Policy::Other { data, .. } = policy {
        fields.push(("policy_specific_data", Value::Bytes(data.clone())));
    }
    fields
}

fn session(parameter: &SessionParameter) -> Fields {
    match parameter {
        SessionParameter::Hello(hello) => vec![
            ("version", Value::Number(hello.version.into())),
            ("answer", Value::Flag(hello.answer)),
            ("resumed", Value::Flag(hello.resumed)),
            ("data", Value::Flag(hello.data)),
            ("features", Value::Identifier(hello.features.0.into())),
            ("session_id", Value::Identifier(hello.session_id)),
            ("failover_count", Value::Number(hello.failover_count.into())),
            ("heartbeat_ms", Value::Number(hello.heartbeat_ms.into())),
            ("largest_message", Value::Number(hello.largest_message.into())),
            ("receive_window", Value::Number(hello.receive_window.into())),
            ("next", Value::Number(hello.next)),
        ],
        SessionParameter::Ack(ids) => vec![("message_ids", Value::Numbers(ids.to_vec()))],
        SessionParameter::Heartbeat(value) | SessionParameter::HeartbeatAck(value) => {
            vec![("value", Value::Number(*value))]
        }
        SessionParameter::Drain { milliseconds } => vec![("milliseconds", Value::Number((*milliseconds).into()))],
        SessionParameter::Bye(reason) => vec![
            ("reason", Value::Number(reason.number().into())),
            ("reason_name", Value::Text(reason.to_string().into())),
        ],
        SessionParameter::Taken { bytes } => vec![("bytes", Value::Number(*bytes))],
    }
}

/// Error causes are framed like parameters, and some quote one.
fn causes(value: &mut Cursor<'_>, depth: usize) -> Vec<DescribedParameter> {
    let mut described = Vec::new();
    while !value.is_empty() {
        let mut rest = *value;
        let Some(cause) = Parameter::read(&mut rest) else { break };
        let mut information = cause.value;
        let mut fields = Vec::new();
        let quoted = match cause.parameter_type {
            0x1 | 0x3 | 0x5 | 0x7 if depth < DEEPEST => describe_all(&mut information, depth + 1),
            _ => Vec::new(),
        };
        data(information, &mut fields);
        described.push(DescribedParameter {
            parameter_type: cause.parameter_type,
            name: ErrorCause::name(cause.parameter_type).unwrap_or("Unknown"),
            fields,
            parameters: quoted,
            causes: Vec::new(),
        });
        *value = rest;
    }
    described
}

/// An Operation Error can quote a parameter that is an Operation Error: what lies deeper is shown as data.
pub(super) const DEEPEST: usize = 8;
