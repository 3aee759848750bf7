// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who may do what, and how often. TLS and rights will plug in at [`may`], nowhere else.

use machine::Time;
use rsp_wire::parameter::ErrorCause;

use crate::association::{Mapping, Peer, PeerIdentity};

/// What a peer wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Add or change a pool element.
    Register,
    /// Remove a pool element.
    Deregister,
    /// Learn who is in a pool.
    Resolve,
    /// Report a pool element unreachable.
    Report,
}

/// Whether someone of this identity may do it. Today nobody proves who he is, and everybody may do everything.
pub fn may(identity: &PeerIdentity, _action: Action) -> Result<(), ErrorCause> {
    match identity {
        PeerIdentity::Anonymous => Ok(()),
    }
}

/// Whether the peer may do it: its identity, and the mapping it came over.
pub(super) fn admit(peer: &Peer, action: Action) -> Result<(), ErrorCause> {
    match (peer.mapping, action) {
        //= https://www.rfc-editor.org/rfc/rfc5352#section-2.1
        //# Note also that *all* ASAP messages exchanged between an
        //# ENRP server and a PE MUST use SCTP as transport, while ASAP messages
        //# exchanged between an ENRP server and a PU MUST use either SCTP or TCP
        //# as transport.
        (Mapping::PlainAsap, Action::Register | Action::Deregister) => {
            Err(ErrorCause::RejectedDueToSecurityConsiderations)
        }
        (Mapping::PlainAsap | Mapping::Sctp | Mapping::Tcp, _) => may(&peer.identity, action),
    }
}

/// A rate with a burst, in eight bytes: the time at which a peer that keeps to the rate would have sent what it has (GCRA).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Rate {
    /// In nanoseconds, as a million requests per second are a legal setting.
    spent_until: u64,
}

impl Rate {
    /// Takes one of `per_second`, with a burst of `burst`, and answers whether there was one.
    pub(super) fn take(&mut self, per_second: u32, burst: u32, now: Time) -> bool {
        let Some(interval) = NANOS_PER_SECOND.checked_div(u64::from(per_second)) else { return false };
        let now = now.as_micros().saturating_mul(1000);
        let spent_until = self.spent_until.max(now);
        if spent_until - now > interval * u64::from(burst.max(1) - 1) {
            return false;
        }
        self.spent_until = spent_until.saturating_add(interval);
        true
    }
}

const NANOS_PER_SECOND: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_allows_its_burst_and_then_its_rate() {
        let mut rate = Rate::default();
        let start = Time::from_millis(5_000);
        assert_eq!((0..100).filter(|_| rate.take(10, 20, start)).count(), 20);
        assert_eq!((0..100).filter(|_| rate.take(10, 20, Time::from_millis(5_100))).count(), 1);
        assert_eq!((0..100).filter(|_| rate.take(10, 20, Time::from_millis(6_100))).count(), 10);
        assert_eq!((0..100).filter(|_| rate.take(10, 20, Time::from_millis(60_000))).count(), 20);
    }

    #[test]
    fn extreme_rates_neither_divide_by_zero_nor_overflow() {
        assert!(!Rate::default().take(0, 0, Time::ZERO));
        assert!(Rate::default().take(u32::MAX, u32::MAX, Time::from_micros(u64::MAX)));
        let mut rate = Rate::default();
        assert_eq!((0..5).filter(|_| rate.take(1, 0, Time::ZERO)).count(), 1);
    }
}
