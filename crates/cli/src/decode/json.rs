// SPDX-License-Identifier: MIT OR Apache-2.0
//! A message as one JSON object on one line.

use std::io::{self, Write};

use net::capture::CapturedMessage;
use rsp_wire::describe::{Described, DescribedParameter, Value};
use serde::ser::{Serialize, SerializeMap, Serializer};

pub(super) fn print(out: &mut impl Write, message: &CapturedMessage, described: &Described) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &Message { message, described })?;
    out.write_all(b"\n")
}

struct Message<'a> {
    message: &'a CapturedMessage,
    described: &'a Described,
}

impl Serialize for Message<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Message { message, described } = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("frame", &message.frame)?;
        map.serialize_entry("protocol", &described.protocol.to_string())?;
        map.serialize_entry("message", &described.message)?;
        map.serialize_entry("flags", &described.flags)?;
        fields(&mut map, &described.fields)?;
        map.serialize_entry("parameters", &Parameters(&described.parameters))?;
        if let Some(error) = &described.error {
            map.serialize_entry("error", error)?;
        }
        map.serialize_entry("time", &message.time.as_secs_f64())?;
        map.serialize_entry("source", &message.source)?;
        map.serialize_entry("destination", &message.destination)?;
        map.serialize_entry("transport", &message.transport.to_string())?;
        map.end()
    }
}

struct Parameters<'a>(&'a [DescribedParameter]);

impl Serialize for Parameters<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Parameter))
    }
}

struct Parameter<'a>(&'a DescribedParameter);

impl Serialize for Parameter<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let parameter = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", &parameter.parameter_type)?;
        map.serialize_entry("name", parameter.name)?;
        fields(&mut map, &parameter.fields)?;
        if !parameter.causes.is_empty() {
            map.serialize_entry("causes", &Parameters(&parameter.causes))?;
        }
        if !parameter.parameters.is_empty() {
            map.serialize_entry("parameters", &Parameters(&parameter.parameters))?;
        }
        map.end()
    }
}

fn fields<M: SerializeMap>(map: &mut M, fields: &[(&str, Value)]) -> Result<(), M::Error> {
    fields.iter().try_for_each(|(name, value)| match value {
        Value::Number(number) | Value::Identifier(number) => map.serialize_entry(name, number),
        Value::Signed(number) => map.serialize_entry(name, number),
        Value::Flag(flag) => map.serialize_entry(name, flag),
        Value::Text(text) => map.serialize_entry(name, text),
        Value::Address(address) => map.serialize_entry(name, address),
        Value::Numbers(numbers) => map.serialize_entry(name, numbers),
        // In hexadecimal, as the table shows them.
        Value::Bytes(_) => map.serialize_entry(name, &value.to_string()),
    })
}
