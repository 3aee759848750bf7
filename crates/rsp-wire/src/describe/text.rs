// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tree as text: a line for the message, an indented line for each parameter.

use std::fmt;

use super::{Described, DescribedParameter, Protocol, Value};

impl fmt::Display for Described {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} flags={:#04x}", self.message, self.flags)?;
        fmt_fields(&self.fields, f)?;
        self.parameters.iter().try_for_each(|parameter| parameter.fmt_at(1, f))?;
        match &self.error {
            Some(error) => write!(f, "\n  error: {error}"),
            None => Ok(()),
        }
    }
}

impl DescribedParameter {
    fn fmt_at(&self, depth: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{:indent$}{} ({:#x})", "", self.name, self.parameter_type, indent = 2 * depth)?;
        fmt_fields(&self.fields, f)?;
        self.causes.iter().chain(&self.parameters).try_for_each(|nested| nested.fmt_at(depth + 1, f))
    }
}

fn fmt_fields(fields: &[(&str, Value)], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    fields.iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Number(number) => write!(f, "{number}"),
            Value::Signed(number) => write!(f, "{number}"),
            Value::Identifier(number) => write!(f, "{number:#x}"),
            Value::Flag(flag) => write!(f, "{flag}"),
            Value::Text(text) => f.write_str(text),
            Value::Address(address) => write!(f, "{address}"),
            Value::Bytes(bytes) => bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
            Value::Numbers(numbers) => {
                f.write_str("[")?;
                for (i, number) in numbers.iter().enumerate() {
                    write!(f, "{}{number}", if i == 0 { "" } else { "," })?;
                }
                f.write_str("]")
            }
        }
    }
}

/// `ASAP`, as message names begin.
impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Asap => "ASAP",
            Protocol::Enrp => "ENRP",
        })
    }
}
