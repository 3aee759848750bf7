// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether a socket shows as writable, which may have many sessions with a window each.

use std::collections::HashSet;

/// The sessions whose windows are full.
#[derive(Debug, Default)]
pub(super) struct Room {
    full: HashSet<u32>,
    /// A message was refused, and no session has had room since.
    is_refused: bool,
}

impl Room {
    /// A session has no room; whether that is new, and somebody has to wait for it.
    pub(super) fn is_out(&mut self, session: u32, is_refused: bool) -> bool {
        self.is_refused |= is_refused;
        self.full.insert(session)
    }

    /// A session has room, or has ended: it is worth trying again.
    pub(super) fn came(&mut self, session: u32) {
        self.full.remove(&session);
        self.is_refused = false;
    }

    /// Whether the next send is likely to be refused. One stalled peer does not count for the others, unless the application has just tried: then
    /// it waits for room, for whichever of those it has tried.
    pub(super) fn is_missing(&self, sessions: usize) -> bool {
        self.is_refused || (!self.full.is_empty() && self.full.len() >= sessions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_writable_unless_all_its_sessions_are_full() {
        let mut room = Room::default();
        assert!(!room.is_missing(0) && !room.is_missing(2));
        assert!(room.is_out(1, false) && !room.is_out(1, false));
        assert!(!room.is_missing(2));
        assert!(room.is_out(2, false));
        assert!(room.is_missing(2));
        assert!(!room.is_missing(3), "a new session has room");
        room.came(1);
        assert!(!room.is_missing(2));
    }

    #[test]
    fn after_a_refusal_it_is_writable_when_any_session_has_room() {
        let mut room = Room::default();
        room.is_out(1, true);
        assert!(room.is_missing(3));
        room.is_out(2, true);
        room.came(2);
        assert!(!room.is_missing(3));
        assert!(!room.is_out(1, true), "it is still waited for");
        assert!(room.is_missing(3));
        room.came(1);
        assert!(!room.is_missing(3));
    }
}
