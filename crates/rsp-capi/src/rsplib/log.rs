// SPDX-License-Identifier: MIT OR Apache-2.0
//! The `-log..` words of `rsp_initarg`: where the library writes what it does, if at all.

use std::fs::{File, OpenOptions};
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};

use tracing::Level;

#[derive(Debug, Default)]
struct Wishes {
    level: Option<Option<Level>>,
    file: Option<File>,
    color: Option<bool>,
}

static WISHES: Mutex<Wishes> = Mutex::new(Wishes { level: None, file: None, color: None });

/// Understands a word; nothing if it cannot.
pub(super) fn take(name: &str, value: &str) -> Option<()> {
    let mut wishes = WISHES.lock().unwrap_or_else(PoisonError::into_inner);
    match (name, value) {
        ("-logquiet", "") => wishes.level = Some(None),
        ("-loglevel", number) => wishes.level = Some(level(number.parse().ok()?)?),
        ("-logcolor", "on" | "off") => wishes.color = Some(value == "on"),
        ("-logfile", path) => wishes.file = Some(File::create(path).ok()?),
        ("-logappend", path) => wishes.file = Some(OpenOptions::new().append(true).create(true).open(path).ok()?),
        _ => return None,
    }
    Some(())
}

/// RSPLIB counts from 0, nothing, to 9, everything.
fn level(number: u32) -> Option<Option<Level>> {
    Some(match number {
        0 => None,
        1 | 2 => Some(Level::ERROR),
        3 => Some(Level::WARN),
        4 | 5 => Some(Level::INFO),
        6 | 7 => Some(Level::DEBUG),
        8 | 9 => Some(Level::TRACE),
        _ => return None,
    })
}

/// Writes from now on, if a word asked for it.
pub(super) fn start() {
    let mut wishes = WISHES.lock().unwrap_or_else(PoisonError::into_inner);
    let file = wishes.file.take();
    let level = match (wishes.level.take(), &file) {
        (Some(level), _) => level,
        (None, Some(_)) => Some(Level::ERROR),
        (None, None) => None,
    };
    let Some(level) = level else { return };
    let ansi = wishes.color.unwrap_or_else(|| file.is_none() && std::io::stderr().is_terminal());
    let log = tracing_subscriber::fmt().with_max_level(level).with_ansi(ansi);
    // An error means that the program, or a call before, has decided already.
    let _ = match file {
        Some(file) => log.with_writer(Mutex::new(file)).try_init(),
        None => log.with_writer(std::io::stderr).try_init(),
    };
}
