// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lines of standard input.

use std::io::{self, BufRead, Read};

use tokio::sync::mpsc;

/// A line with its end, as it was typed.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) number: u64,
    pub(super) text: Vec<u8>,
}

/// Reads in a thread of its own: reading a terminal can't be interrupted, so the program ends without waiting for it.
pub(super) fn read() -> mpsc::Receiver<io::Result<Line>> {
    let (lines, received) = mpsc::channel(64);
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        for number in 1.. {
            let mut text = Vec::new();
            let line = match input.by_ref().take(LONGEST).read_until(b'\n', &mut text) {
                Ok(0) => return,
                Ok(_) => Ok(Line { number, text }),
                Err(error) => Err(error),
            };
            let is_last = line.is_err();
            if lines.blocking_send(line).is_err() || is_last {
                return;
            }
        }
    });
    received
}

/// More than any mapping carries in a message: such a line is refused when it is sent.
const LONGEST: u64 = 1 << 20;
