// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tells systemd (`Type=notify`) how far we are. Nothing happens where there is no systemd.

use sd_notify::NotifyState;

/// Everything is open and served.
pub fn ready(status: &str) {
    notify(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The end has begun.
pub fn stopping() {
    notify(&[NotifyState::Stopping]);
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "cannot tell systemd");
    }
}
