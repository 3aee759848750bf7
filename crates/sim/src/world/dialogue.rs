// SPDX-License-Identifier: MIT OR Apache-2.0
//! What was said, by whom and when: printed when a seed fails.

use std::fmt::Display;
use std::net::SocketAddr;

use machine::Time;
use machine::association::Event;
use rsp_core::PPID_ASAP;
use rsp_wire::describe;

/// Lines of a run; none are kept unless asked for, since a run that holds is not looked at.
#[derive(Debug, Default)]
pub struct Dialogue {
    on: bool,
    speaker: String,
    lines: Vec<String>,
}

impl Dialogue {
    /// One that keeps what is said.
    pub fn kept() -> Self {
        Dialogue { on: true, ..Dialogue::default() }
    }

    pub(crate) fn speaker(&mut self, name: impl Display) {
        if self.on {
            self.speaker = name.to_string();
        }
    }

    pub(crate) fn say(&mut self, now: Time, what: impl FnOnce() -> String) {
        if self.on {
            self.lines.push(format!("{now} {:4} {}", self.speaker, what()));
        }
    }

    pub(crate) fn heard(&mut self, now: Time, peer: SocketAddr, event: &Event) {
        if matches!(event, Event::Delivered(_)) {
            return;
        }
        self.say(now, || match event {
            Event::Message { ppid: PPID_ASAP, data, .. } => {
                format!(
                    "<- {peer} {}",
                    describe::describe(data, describe::Protocol::Asap).to_string().replace('\n', ";")
                )
            }
            Event::Message { ppid, data, .. } => format!("<- {peer} {} bytes, PPID {ppid:#x}", data.len()),
            Event::Up(_) => format!("<- {peer} up"),
            other => format!("<- {peer} {other:?}"),
        });
    }

    /// The last lines, oldest first.
    pub fn last(&self, most: usize) -> String {
        self.lines[self.lines.len().saturating_sub(most)..].join("\n")
    }
}
