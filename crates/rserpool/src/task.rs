// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the tasks that drive a machine have in common: they sleep until an association, a command or the machine's deadline wakes them.

use machine::Time;
use machine::association::{AssociationId, Event};
use net::{Associations, Clock};
use rsp_core::config::{EndpointSettings, SessionSettings};

use crate::mailbox::Receiver;

/// Why a task woke.
pub(crate) enum Wake<C> {
    Association(AssociationId, Event),
    Command(C),
    /// All handles are gone.
    Abandoned,
    Timeout,
}

/// Whose turn it is.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    /// Times the associations came first, in a row.
    associations_first: u32,
    /// Commands in a row.
    commands: u32,
}

/// How many events, or commands, may come in a row before the others get their turn: neither a peer that floods us nor an application
/// that asks without end keeps the others waiting for ever.
const STREAK: u32 = 64;

/// Sleeps. What has arrived comes before what was asked, and both before a timeout, so that a late reader never takes its own delay for a dead peer.
/// What the first of several commands makes us write leaves at once, so that the peer wakes while we deal with the others, and what these make us
/// write leaves in one piece.
pub(crate) async fn wake<C>(
    associations: &mut Associations,
    commands: &mut Receiver<C>,
    deadline: Option<Time>,
    clock: Clock,
    turns: &mut Turns,
) -> Wake<C> {
    if (2..STREAK).contains(&turns.commands)
        && let Some(command) = commands.try_recv()
    {
        turns.commands += 1;
        return Wake::Command(command);
    }
    let timeout = async {
        match deadline {
            Some(at) => tokio::time::sleep_until(clock.instant(at)).await,
            None => std::future::pending().await,
        }
    };
    turns.associations_first += 1;
    if turns.associations_first > STREAK {
        turns.associations_first = 0;
        return tokio::select! {
            biased;
            command = commands.recv() => command.map_or(Wake::Abandoned, Wake::Command),
            () = timeout => Wake::Timeout,
            (id, event) = associations.next() => Wake::Association(id, event),
        };
    }
    let wake = tokio::select! {
        biased;
        (id, event) = associations.next() => Wake::Association(id, event),
        command = commands.recv() => command.map_or(Wake::Abandoned, Wake::Command),
        () = timeout => Wake::Timeout,
    };
    turns.commands = if matches!(wake, Wake::Command(_)) { turns.commands % STREAK + 1 } else { 0 };
    wake
}

/// Transport options of an association to a registrar.
pub(crate) fn registrar_options(settings: &EndpointSettings) -> net::Options {
    net::Options { connect_timeout: settings.connect_timeout, ..net::Options::default() }
}

/// Transport options of an association a pool user opened: the passive side is in no hurry.
pub(crate) fn accepting_options(settings: &SessionSettings) -> net::Options {
    let mut options = session_options(settings);
    options.heartbeat.dead_after = settings.give_up;
    options
}

/// Transport options of an association between pool user and pool element.
pub(crate) fn session_options(settings: &SessionSettings) -> net::Options {
    net::Options {
        connect_timeout: settings.connect_timeout,
        close_timeout: settings.linger,
        heartbeat: machine::association::Heartbeat {
            interval: settings.heartbeat_interval,
            dead_after: settings.dead_after(settings.heartbeat_interval),
        },
        // Twice the window and the cap: the session layer's own rules strike first.
        max_untaken_bytes: 2 * (settings.receive_window as usize + settings.max_control_bytes)
            + settings.max_message_size,
    }
}
