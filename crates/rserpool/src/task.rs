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
    /// Events since the others last came first.
    events: u32,
    /// When that was.
    others_first: Option<Time>,
    /// Commands in a row.
    commands: u32,
}

impl Turns {
    /// The others come first now, after [`STREAK`] events: whether `deadline` was missed before these.
    fn others_turn(&mut self, deadline: Option<Time>, clock: Clock) -> Option<bool> {
        if self.events < STREAK {
            return None;
        }
        self.events = 0;
        let before = self.others_first.replace(clock.now());
        Some(before.zip(deadline).is_some_and(|(before, deadline)| deadline <= before))
    }
}

/// How many events, or commands, may come in a row before the others get their turn: neither a peer that floods us nor an application
/// that asks without end keeps the others waiting for ever.
const STREAK: u32 = 64;

/// Sleeps. What has arrived comes before what was asked, and both before a timeout, so that a late reader never takes its own delay for a dead peer:
/// a deadline comes before what has arrived only when it was missed before the last [`STREAK`] events already.
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
    if let Some(is_overdue) = turns.others_turn(deadline, clock) {
        return tokio::select! {
            biased;
            command = commands.recv() => command.map_or(Wake::Abandoned, Wake::Command),
            () = std::future::ready(()), if is_overdue => Wake::Timeout,
            (id, event) = associations.next() => Wake::Association(id, event),
            () = timeout => Wake::Timeout,
        };
    }
    let wake = tokio::select! {
        biased;
        (id, event) = associations.next() => Wake::Association(id, event),
        command = commands.recv() => command.map_or(Wake::Abandoned, Wake::Command),
        () = timeout => Wake::Timeout,
    };
    turns.events += u32::from(matches!(wake, Wake::Association(..)));
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the deadline comes before what has arrived, each time the others come first.
    fn overdue(turns: &mut Turns, deadline: Time, streaks: u32) -> Vec<bool> {
        let clock = Clock::new();
        let events = (0..streaks * STREAK).filter_map(|_| {
            turns.events += 1;
            turns.others_turn(Some(deadline), clock)
        });
        events.collect()
    }

    #[test]
    fn a_deadline_waits_for_what_has_arrived_but_not_for_ever() {
        let clock = Clock::new();
        let mut turns = Turns::default();
        let far = clock.now() + std::time::Duration::from_secs(1_000_000);
        assert_eq!(overdue(&mut turns, far, 3), [false; 3], "not due");
        // It is due from here on, and was not when the others last came first.
        while clock.now() <= turns.others_first.expect("they did") {}
        let due = clock.now();
        assert_eq!(overdue(&mut turns, due, 2), [false, true]);
    }
}
