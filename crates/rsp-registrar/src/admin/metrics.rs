// SPDX-License-Identifier: MIT OR Apache-2.0
//! What Prometheus gets. The counters are the registrar's own.

use daemon::metrics::Sample;
use machine::Time;
use rsp_core::registrar::{Metrics, PeerState, PeerStatus, Registrar, Removal};

use super::status::millis;

/// The registrar's numbers at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    counters: Metrics,
    pools: usize,
    pool_elements: usize,
    associations: usize,
    subscriptions: usize,
    owned: usize,
    peers: Vec<PeerStatus>,
    unreached: usize,
}

impl Snapshot {
    pub(super) fn of(registrar: &Registrar, unresolved: &[String], now: Time) -> Self {
        Snapshot {
            counters: *registrar.metrics(),
            pools: registrar.pool_count(),
            pool_elements: registrar.pool_element_count(),
            associations: registrar.association_count(),
            subscriptions: registrar.subscription_count(),
            owned: registrar.status().owned,
            peers: registrar.peers(now).collect(),
            unreached: unresolved.len() + registrar.unreached().count(),
        }
    }

    pub(super) fn samples(self) -> Vec<Sample> {
        let Snapshot { counters: c, pools, pool_elements, associations, subscriptions, owned, peers, unreached } = self;
        let gauge = |name, help, value: usize| Sample::gauge(name, help, value as u64);
        let of_peers = |name, help, value: fn(&PeerStatus) -> u64| {
            Sample::gauges(name, help, "peer", peers.iter().map(|peer| (peer.id.to_string(), value(peer))))
        };
        vec![
            Sample::gauges(
                "build_info",
                "Always 1; the label says what runs",
                "version",
                [(env!("CARGO_PKG_VERSION"), 1)],
            ),
            gauge("pools", "Pools", pools),
            gauge("pool_elements", "Pool elements in all pools", pool_elements),
            gauge("pool_elements_owned", "Pool elements this registrar is the home of", owned),
            gauge("peers", "Other registrars known", peers.len()),
            gauge("static_peers_unreached", "Named registrars that are not reached, or have no address", unreached),
            of_peers("peer_pool_elements", "Pool elements a peer is the home of", |peer| peer.owned as u64),
            of_peers("peer_silent_milliseconds", "Time since a peer was heard", |peer| millis(peer.silent_for)),
            of_peers("peer_alive", "Whether a peer is believed to be alive", |peer| {
                u64::from(matches!(peer.state, PeerState::Active))
            }),
            of_peers(
                "peer_agrees",
                "Whether a peer's checksum was the one we had of it when it last announced it",
                |peer| u64::from(peer.agrees == Some(true)),
            ),
            gauge("associations", "Associations, those being opened included", associations),
            gauge("subscriptions", "Subscriptions of pool users to pools", subscriptions),
            Sample::counter("messages_received", "Messages received, ASAP's and ENRP's", c.messages_received),
            Sample::counter("messages_sent", "ASAP messages sent", c.messages_sent),
            Sample::counter("messages_ignored", "ASAP messages not processed", c.messages_ignored),
            Sample::counter("requests_over_rate", "Requests over the rate limit", c.requests_over_rate),
            Sample::counters(
                "registrations",
                "Registrations by result",
                "result",
                [("new", c.registrations), ("renewed", c.reregistrations), ("rejected", c.registrations_rejected)],
            ),
            Sample::counters(
                "deregistrations",
                "Deregistrations by result",
                "result",
                [("accepted", c.deregistrations), ("rejected", c.deregistrations_rejected)],
            ),
            Sample::counters(
                "resolutions",
                "Handle resolutions by result",
                "result",
                [
                    ("found", c.resolutions),
                    ("unknown_pool", c.resolutions_unknown),
                    ("rejected", c.resolutions_rejected),
                ],
            ),
            Sample::counter("updates", "Updates pushed to subscribers", c.updates),
            Sample::counter("keep_alives", "Keep-alives sent to pool elements", c.keep_alives),
            Sample::counter("keep_alive_acks", "Keep-alives answered", c.keep_alive_acks),
            Sample::counter("unreachable_reports", "Reports that a pool element is unreachable", c.unreachable_reports),
            Sample::counters(
                "pool_elements_removed",
                "Pool elements removed by reason",
                "reason",
                Metrics::REMOVALS.into_iter().zip(c.removed).map(|(reason, count)| (removal(reason), count)),
            ),
            Sample::counter("errors_sent", "ASAP_ERROR messages sent", c.errors_sent),
            Sample::counter("errors_received", "ASAP_ERROR messages received", c.errors_received),
            Sample::counter("announcements", "Server announcements made", c.announcements),
            Sample::counter("enrp_messages_sent", "ENRP messages sent", c.enrp_sent),
            Sample::counter("enrp_messages_received", "ENRP messages received", c.enrp_received),
            Sample::counter("handle_updates_sent", "Handle updates announced, however many peers", c.updates_announced),
            Sample::counter("handle_updates_received", "Handle updates received", c.updates_received),
            Sample::counter("peer_messages_refused", "Messages of peers not obeyed", c.peer_messages_refused),
            Sample::counter("peers_dead", "Peers found dead", c.peers_dead),
            Sample::counter("takeovers", "Peers taken over by this registrar", c.takeovers),
            Sample::counter("resynchronizations", "Downloads of a peer's pool elements", c.resynchronizations),
            Sample::counter("handle_table_pages_sent", "Pages of the handlespace sent to peers", c.pages_sent),
            Sample::counter("downloads_rejected", "Requests for the handlespace refused", c.downloads_rejected),
            Sample::counter("associations_refused", "Associations over the limit", c.associations_refused),
            Sample::counter("associations_aborted", "Associations whose peer did not read", c.associations_aborted),
        ]
    }
}

fn removal(reason: Removal) -> &'static str {
    match reason {
        Removal::Deregistered => "deregistered",
        Removal::Expired => "expired",
        Removal::KeepAliveTimeout => "keep_alive_timeout",
        Removal::SendFailed => "send_failed",
        Removal::Reported => "reported",
        Removal::AtHome => "at_home",
        Removal::NotConfirmed => "not_confirmed",
    }
}
