// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reports of unreachable pool elements, RFC 5352 §3.5.

use std::net::{IpAddr, Ipv6Addr};

use bytes::Bytes;
use machine::Time;
use rsp_wire::ServerId;
use rsp_wire::asap::{EndpointUnreachable, Message};
use smallvec::SmallVec;

use super::admission::{Action, admit};
use super::associations::{Sent, What};
use super::event::{Event, IgnoreReason, Removal};
use super::monitors::Reports;
use super::{Channel, Registrar};
use crate::PPID_ASAP;
use crate::association::AssociationId;
use crate::handlespace::Slot;

impl Registrar {
    /// ASAP_ENDPOINT_UNREACHABLE. One per reporter address and `bad_report_window` counts: a single pool user cannot evict
    /// a pool element, and three reports over years do not either.
    pub(super) fn endpoint_unreachable(&mut self, association: AssociationId, report: EndpointUnreachable, now: Time) {
        let Some(peer) = self.peer(association) else { return };
        if admit(peer, Action::Report).is_err() {
            return;
        }
        let reporter = peer.addresses.first().map(|source| source.ip().to_canonical());
        let key = reporter.map(counted_as);
        let slot = self.handlespace.find(&report.pool_handle, report.pe_id);
        let (Some(reporter), Some(key), Some(slot)) = (reporter, key, slot) else {
            self.ignore(association, IgnoreReason::UnknownPoolElement);
            return;
        };
        let Some(monitor) = self.monitors.get_mut(slot) else {
            return self.forward_report(association, slot, report);
        };
        self.metrics.unreachable_reports += 1;
        let window = self.settings.bad_report_window;
        let reports = match &mut monitor.reports {
            Some(reports) if now.since(reports.since) < window => reports,
            old => old.insert(Box::new(Reports { since: now, reporters: SmallVec::new() })),
        };
        let counts = !reports.reporters.contains(&key);
        if counts {
            reports.reporters.push(key);
        }
        let reports = reports.reporters.len() as u32;
        let heard_lately = now.since(monitor.heard) <= self.settings.keep_alive_timeout;
        if counts {
            self.event(Event::PeReported { pool: report.pool_handle.detach(), pe: report.pe_id, reporter, reports });
        }

        //= https://www.rfc-editor.org/rfc/rfc5352#section-3.5
        //# If the counter exceeds the
        //# protocol threshold MAX-BAD-PE-REPORT, the ENRP server SHOULD remove
        //# the PE from its handlespace.
        // The third report removes, as in RSPLIB: a threshold of 3 that takes four would surprise.
        if reports >= self.settings.max_bad_pe_reports {
            return self.remove_pool_element(slot, Removal::Reported, now);
        }
        //= https://www.rfc-editor.org/rfc/rfc5352#section-3.5
        //# Upon the reception of an ASAP_ENDPOINT_UNREACHABLE message, an ENRP
        //# server MUST immediately send a point-to-point
        //# ASAP_ENDPOINT_KEEP_ALIVE message to the PE in question (the H flag in
        //# the message SHOULD be set to '0', in this case).
        // But for one that does not count and a PE that has just shown that it lives, or anybody could have us ask it without end.
        if counts || !heard_lately {
            self.check(slot, now);
        }
    }
}

impl Registrar {
    /// A pool element of another registrar: its home is the one to ask it. The report goes there as it is, as ASAP over the association
    /// with that registrar, and counts once however many pool users of ours say so.
    fn forward_report(&mut self, reporter: AssociationId, slot: Slot, report: EndpointUnreachable) {
        let home = self.handlespace.element(slot).map(|element| element.home());
        let is_user = self.associations.get(reporter).is_some_and(|it| it.channel == Channel::Asap);
        let Some(link) = home.filter(|_| is_user).and_then(|home| self.link_of(home)) else { return };
        if self.may_complain(reporter)
            && let Some(data) = self.encode(&report.into())
        {
            let sent = Sent { length: data.len(), what: What::Answer };
            self.send_as(PPID_ASAP, link, sent, data);
        }
    }

    /// What a registrar says in ASAP: that pool users of its own report a pool element of ours.
    pub(super) fn asap_from_peer(&mut self, association: AssociationId, data: &Bytes, now: Time) {
        let is_peer = self.associations.get(association).is_some_and(|it| it.registrar != ServerId::NONE);
        match Message::decode(data).map(|decoded| decoded.message) {
            Ok(Message::EndpointUnreachable(report)) if is_peer => self.endpoint_unreachable(association, report, now),
            _ => drop(self.ignore(association, IgnoreReason::PayloadProtocol(PPID_ASAP))),
        }
    }
}

/// Whom a report counts for. Whoever has an IPv6 address has the other 2^64 of its network, too. IPv4 addresses count each,
/// so all pool users of one host count once.
fn counted_as(reporter: IpAddr) -> IpAddr {
    match reporter {
        IpAddr::V6(address) if !address.is_loopback() => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        IpAddr::V6(_) | IpAddr::V4(_) => reporter,
    }
}
