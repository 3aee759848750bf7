// SPDX-License-Identifier: MIT OR Apache-2.0
//! Counters since the start, cheap enough for every message. The shell reads them when somebody asks.

use super::event::Removal;

/// What has happened how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Metrics {
    /// Messages received, whatever became of them.
    pub messages_received: u64,
    /// Messages sent.
    pub messages_sent: u64,
    /// Messages not processed.
    pub messages_ignored: u64,
    /// Requests over the rate limit.
    pub requests_over_rate: u64,
    /// New registrations accepted.
    pub registrations: u64,
    /// Re-registrations accepted.
    pub reregistrations: u64,
    /// Registrations refused.
    pub registrations_rejected: u64,
    /// Deregistrations accepted.
    pub deregistrations: u64,
    /// Deregistrations refused.
    pub deregistrations_rejected: u64,
    /// Handle resolutions answered with pool elements.
    pub resolutions: u64,
    /// Handle resolutions of unknown pools.
    pub resolutions_unknown: u64,
    /// Handle resolutions refused.
    pub resolutions_rejected: u64,
    /// Updates sent to subscribers.
    pub updates: u64,
    /// Keep-alives sent.
    pub keep_alives: u64,
    /// Keep-alives answered.
    pub keep_alive_acks: u64,
    /// Unreachable reports received about known PEs.
    pub unreachable_reports: u64,
    /// ASAP_ERRORs sent.
    pub errors_sent: u64,
    /// ASAP_ERRORs received.
    pub errors_received: u64,
    /// Server announcements sent.
    pub announcements: u64,
    /// Associations not accepted because of the limit.
    pub associations_refused: u64,
    /// Associations ended because the peer does not read.
    pub associations_aborted: u64,
    /// ENRP messages sent.
    pub enrp_sent: u64,
    /// ENRP messages received.
    pub enrp_received: u64,
    /// ENRP_HANDLE_UPDATEs announced, however many peers there are.
    pub updates_announced: u64,
    /// ENRP_HANDLE_UPDATEs received.
    pub updates_received: u64,
    /// Messages of peers not obeyed.
    pub peer_messages_refused: u64,
    /// Peers found dead.
    pub peers_dead: u64,
    /// Peers taken over by this registrar.
    pub takeovers: u64,
    /// Downloads of a peer's PEs because checksums differed or updates were lost.
    pub resynchronizations: u64,
    /// Pages of the handlespace sent to peers.
    pub pages_sent: u64,
    /// Requests for the handlespace refused.
    pub downloads_rejected: u64,
    /// PEs removed, in the order of [`Metrics::REMOVALS`].
    pub removed: [u64; 7],
}

impl Metrics {
    /// The reasons a PE is removed for, in the order of `removed`.
    pub const REMOVALS: [Removal; 7] = [
        Removal::Deregistered,
        Removal::Expired,
        Removal::KeepAliveTimeout,
        Removal::SendFailed,
        Removal::Reported,
        Removal::AtHome,
        Removal::NotConfirmed,
    ];

    pub(super) fn count_removal(&mut self, reason: Removal) {
        self.removed[reason as usize] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removals_are_counted_under_their_own_reason() {
        for (place, reason) in Metrics::REMOVALS.into_iter().enumerate() {
            let mut metrics = Metrics::default();
            metrics.count_removal(reason);
            assert_eq!(metrics.removed[place], 1, "{reason}");
        }
    }
}
