// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reports of unreachable pool elements, RFC 5352 §3.5.

use machine::Time;
use rsp_wire::asap::EndpointUnreachable;
use smallvec::SmallVec;

use super::Registrar;
use super::admission::{Action, admit};
use super::event::{Event, IgnoreReason, Removal};
use super::monitors::Reports;
use crate::association::AssociationId;

impl Registrar {
    /// ASAP_ENDPOINT_UNREACHABLE. One per reporter address and `bad_report_window` counts: a single pool user cannot evict
    /// a pool element, and three reports over years do not either.
    pub(super) fn endpoint_unreachable(&mut self, association: AssociationId, report: EndpointUnreachable, now: Time) {
        let Some(peer) = self.peer(association) else { return };
        if admit(peer, Action::Report).is_err() {
            return;
        }
        let reporter = peer.addresses.first().map(|source| source.ip().to_canonical());
        let slot = self.handlespace.find(&report.pool_handle, report.pe_id);
        let (Some(reporter), Some(slot)) = (reporter, slot) else {
            self.ignore(association, IgnoreReason::UnknownPoolElement);
            return;
        };
        let Some(monitor) = self.monitors.get_mut(slot) else { return };
        self.metrics.unreachable_reports += 1;
        let window = self.settings.bad_report_window;
        let reports = match &mut monitor.reports {
            Some(reports) if now.since(reports.since) < window => reports,
            old => old.insert(Box::new(Reports { since: now, reporters: SmallVec::new() })),
        };
        let counts = !reports.reporters.contains(&reporter);
        if counts {
            reports.reporters.push(reporter);
        }
        let reports = reports.reporters.len() as u32;
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
        self.check(slot, now);
    }
}
