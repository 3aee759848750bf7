// SPDX-License-Identifier: MIT OR Apache-2.0
//! The signals that ask a daemon to stop, and the one that does not.

use std::io::{self, IsTerminal};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM, SIGINT and SIGHUP, caught from here on.
#[derive(Debug)]
pub struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    /// SIGHUP means that the terminal has gone, and so does the program.
    in_terminal: bool,
}

impl StopSignals {
    /// Catches them. Must be called inside the runtime.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn catch() -> io::Result<Self> {
        Ok(StopSignals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            in_terminal: io::stdin().is_terminal(),
        })
    }

    /// Waits for the next one and answers its name. SIGHUP asks a daemon to read its configuration again: there is no such thing here, and it
    /// must not die of it.
    pub async fn next(&mut self) -> &'static str {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.hangup.recv() => {
                    if self.in_terminal {
                        return "SIGHUP";
                    }
                    tracing::warn!("SIGHUP: there is no reload, restart to apply a changed configuration; going on");
                }
            }
        }
    }
}
