// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the peer has taken, on a mapping that cannot tell: 0xbf07 TAKEN, `docs/session-wire.md` §6.

/// Both directions of an association, in application bytes since it began; a message counts as in the window.
#[derive(Debug, Default)]
pub(super) struct Credit {
    /// The mapping's `Delivered` says nothing of the application: TAKEN does.
    pub(super) is_told: bool,
    /// By us.
    pub(super) sent: u64,
    /// What the transport gave up of that, and the peer will probably not take.
    given_up: u64,
    /// By the peer's application, as it says.
    peer_taken: u64,
    /// By our application.
    pub(super) taken: u64,
    /// What the peer has been told of that.
    told: u64,
}

impl Credit {
    /// What the peer has not taken.
    pub(super) fn untaken(&self) -> u64 {
        // A peer may have taken, in advance, what the transport then refused.
        (self.sent - self.given_up).saturating_sub(self.peer_taken)
    }

    /// The transport refused so much, which the peer never takes.
    pub(super) fn refused(&mut self, bytes: u64) {
        self.sent -= bytes;
        self.given_up = self.given_up.min(self.sent);
    }

    /// The transport gave up so much, which the peer may have all the same.
    pub(super) fn given_up(&mut self, bytes: u64) {
        self.given_up = (self.given_up + bytes).min(self.sent);
    }

    /// TAKEN came in.
    pub(super) fn peer_took(&mut self, bytes: u64) -> Result<(), String> {
        if bytes > self.sent {
            return Err("it took more than it was sent".into());
        }
        self.peer_taken = self.peer_taken.max(bytes);
        // It had what was given up.
        self.given_up = self.given_up.min(self.sent.saturating_sub(self.peer_taken));
        Ok(())
    }

    /// What to tell the peer now, if anything: with whatever else `writes`, and at the latest when a quarter of the window is
    /// taken and not told, or so much that the largest message would wait for it.
    pub(super) fn tell(&mut self, writes: bool, window: u32, max_message: usize) -> Option<u64> {
        let untold = self.taken - self.told;
        let most = u64::from(window / 4).min(u64::from(window).saturating_sub(max_message as u64)).max(1);
        let is_due = self.is_told && untold > 0 && (writes || untold >= most);
        is_due.then(|| {
            self.told = self.taken;
            self.taken
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receiver(taken: u64) -> Credit {
        Credit { is_told: true, taken, ..Credit::default() }
    }

    #[test]
    fn what_was_taken_is_told_with_the_next_write_or_when_it_is_a_quarter_of_the_window() {
        let mut credit = receiver(1_000);
        assert_eq!(credit.tell(false, 256 << 10, 65_455), None);
        assert_eq!(credit.tell(true, 256 << 10, 65_455), Some(1_000));
        assert_eq!(credit.tell(true, 256 << 10, 65_455), None, "told already");
        credit.taken += 64 << 10;
        assert_eq!(credit.tell(false, 256 << 10, 65_455), Some(1_000 + (64 << 10)));
    }

    #[test]
    fn a_window_hardly_larger_than_a_message_never_keeps_one_waiting_for_a_word() {
        // A sender may wait with 60,000 bytes while it believes 10,000 to be untaken: it must hear of them.
        assert_eq!(receiver(10_000).tell(false, 65_536, 65_455), Some(10_000));
        assert_eq!(receiver(64).tell(false, 1_000, 65_455), Some(64));
    }

    #[test]
    fn where_the_mapping_tells_nothing_is_said() {
        let mut credit = Credit { taken: 1 << 20, ..Credit::default() };
        assert_eq!(credit.tell(true, 1_000, 65_455), None);
    }

    #[test]
    fn what_the_transport_gave_up_fills_no_window_unless_the_peer_had_it_after_all() {
        let mut credit = Credit { sent: 300, ..Credit::default() };
        credit.given_up(100);
        assert_eq!(credit.untaken(), 200);
        credit.peer_took(200).unwrap();
        assert_eq!(credit.untaken(), 0);
        credit.peer_took(300).expect("it had it");
        credit.sent += 50;
        assert_eq!(credit.untaken(), 50);
    }

    #[test]
    fn a_peer_takes_neither_more_than_it_was_sent_nor_anything_back() {
        let mut credit = Credit { sent: 100, ..Credit::default() };
        assert!(credit.peer_took(101).is_err());
        credit.peer_took(80).unwrap();
        credit.peer_took(10).unwrap();
        assert_eq!(credit.untaken(), 20);
    }
}
