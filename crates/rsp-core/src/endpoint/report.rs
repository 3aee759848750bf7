// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reports of unreachable PEs, RFC 5352 §3.5, and what is remembered of them.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use machine::Time;
use rsp_wire::asap::{EndpointUnreachable, Message};
use rsp_wire::{PeId, PoolHandle};

use super::Endpoint;
use crate::association::Token;

/// A PE of a pool.
type Pe = (PoolHandle, PeId);

/// Reports: made, on their way, waiting for a home.
#[derive(Debug, Default)]
pub(super) struct Reports {
    /// When a PE was last reported by the application.
    failed: BTreeMap<Pe, Time>,
    /// When a report about a PE was last sent.
    sent: BTreeMap<Pe, Time>,
    on_the_way: BTreeMap<Token, (Pe, Time)>,
    waiting: VecDeque<(Pe, Time)>,
}

/// PEs remembered as failed.
const MAX_FAILED: usize = 4_096;
/// Reports that wait for a home, or to be delivered.
const MAX_WAITING: usize = 256;

impl Endpoint {
    /// Never waits: without a home the report goes out when there is one.
    pub(super) fn report(&mut self, pool: &PoolHandle, pe_id: PeId, now: Time) {
        if !self.is_pool_handle(pool) {
            return;
        }
        let pe = (pool.detach(), pe_id);
        let hold = self.settings.failed_hold.max(self.settings.report_min_interval);
        let failed = &mut self.reports.failed;
        if failed.len() >= MAX_FAILED && !failed.contains_key(&pe) {
            failed.retain(|_, at| now.since(*at) < hold);
            if failed.len() >= MAX_FAILED {
                let oldest = failed.iter().min_by_key(|(_, at)| **at).map(|(pe, _)| pe.clone());
                oldest.and_then(|pe| failed.remove(&pe));
            }
        }
        failed.insert(pe.clone(), now);
        //= https://www.rfc-editor.org/rfc/rfc5352#section-3.5
        //# It should be noted that an ASAP Endpoint MUST report
        //# no more than once each time it encounters such an event.
        let min_interval = self.settings.report_min_interval;
        if self.reports.sent.get(&pe).is_some_and(|at| now.since(*at) < min_interval) {
            return;
        }
        self.reports.sent.retain(|_, at| now.since(*at) < min_interval);
        if self.reports.sent.len() < MAX_FAILED {
            self.reports.sent.insert(pe.clone(), now);
        }
        if self.reports.waiting.len() >= MAX_WAITING {
            self.reports.waiting.pop_front();
        }
        self.reports.waiting.push_back((pe, now));
        self.send_reports(now);
    }

    /// Sends what waits, if there is a home. A report that waited too long is dropped: the PE may be back.
    pub(super) fn send_reports(&mut self, now: Time) {
        if self.home.is_none() {
            return;
        }
        while let Some((pe, since)) = self.reports.waiting.pop_front() {
            if now.since(since) >= self.settings.failed_hold {
                continue;
            }
            let (pool_handle, pe_id) = pe.clone();
            let message = EndpointUnreachable { pool_handle, pe_id, unknown: Vec::new() };
            if let Some(token) = self.send_home(&Message::EndpointUnreachable(message)) {
                if self.reports.on_the_way.len() >= MAX_WAITING {
                    self.reports.on_the_way.pop_first();
                }
                self.reports.on_the_way.insert(token, (pe, since));
            }
        }
    }

    pub(super) fn report_delivered(&mut self, token: Token) {
        self.reports.on_the_way.remove(&token);
    }

    /// The home is about to be lost; the report goes to the next one.
    pub(super) fn report_undelivered(&mut self, token: Token) {
        let report = self.reports.on_the_way.remove(&token);
        self.reports.waiting.extend(report.filter(|_| self.reports.waiting.len() < MAX_WAITING));
    }

    /// The home is replaced: what it may not have heard goes to the next one.
    pub(super) fn reports_unheard(&mut self) {
        for report in std::mem::take(&mut self.reports.on_the_way).into_values() {
            if self.reports.waiting.len() < MAX_WAITING {
                self.reports.waiting.push_back(report);
            }
        }
    }

    /// Whether a report waits for a home.
    pub(super) fn has_reports(&self) -> bool {
        !self.reports.waiting.is_empty()
    }
}

impl Reports {
    /// When this user last reported the PE, if that is not longer ago than `hold`.
    pub(super) fn held_since(&self, pool: &PoolHandle, pe_id: PeId, hold: Duration, now: Time) -> Option<Time> {
        if self.failed.is_empty() {
            return None;
        }
        let at = *self.failed.get(&(pool.clone(), pe_id))?;
        (now.since(at) < hold).then_some(at)
    }
}
