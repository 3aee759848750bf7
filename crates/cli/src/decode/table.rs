// SPDX-License-Identifier: MIT OR Apache-2.0
//! A message as a line for people: when, from, to, what.

use std::io::{self, Write};
use std::time::Duration;

use net::capture::{CapturedMessage, Protocol};
use rsp_wire::describe::Described;
use rsp_wire::{asap, enrp};

/// The time is shown since the first message.
pub(super) fn print(
    out: &mut impl Write,
    message: &CapturedMessage,
    described: &Described,
    first: Duration,
) -> io::Result<()> {
    let CapturedMessage { frame, time, source, destination, .. } = message;
    let time = time.saturating_sub(first);
    write!(out, "{frame:>6} {:>6}.{:06}  {source:>21} > {destination:<21}  ", time.as_secs(), time.subsec_micros())?;
    match (&described.error, text(message)) {
        (None, Some(text)) => writeln!(out, "{text}"),
        (None, None) => writeln!(out, "{}", described.message),
        (Some(error), _) => writeln!(out, "{} error: {error}", described.message),
    }
}

/// The message in one line.
fn text(message: &CapturedMessage) -> Option<String> {
    Some(match message.protocol {
        Protocol::Asap => asap::Message::decode(&message.bytes).ok()?.message.to_string(),
        Protocol::Enrp => enrp::Message::decode(&message.bytes).ok()?.message.to_string(),
    })
}
