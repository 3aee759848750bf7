// SPDX-License-Identifier: MIT OR Apache-2.0
//! Taking over a copy of the handlespace: the whole from the mentor (RFC 5353 §3.2.3), or a peer's own PEs (§3.6.3).

use machine::Time;
use rsp_wire::enrp::{HandleTableRequest, HandleTableResponse};
use rsp_wire::parameter::PoolElement;
use rsp_wire::{PoolHandle, ServerId};

use super::startup::Phase;
use crate::registrar::Registrar;
use crate::registrar::event::{Event, Refusal};

/// What a table was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Initialization,
    Resynchronization,
}

impl Registrar {
    /// ENRP_HANDLE_TABLE_RESPONSE.
    pub(in crate::registrar) fn handle_table_response(
        &mut self,
        sender: ServerId,
        response: HandleTableResponse,
        now: Time,
    ) {
        let Some(purpose) = self.purpose_of(sender) else {
            if response.more_to_send {
                self.download_abandoned(sender, now);
            }
            return self.refuse(sender, Refusal::Unexpected);
        };
        let HandleTableResponse { reject, more_to_send, entries } = response;
        if reject {
            return self.table_rejected(sender, purpose, now);
        }
        let received = entries.iter().map(|entry| entry.pool_elements.len()).sum();
        let may_go_on = self.count_page(sender, purpose, received);
        if more_to_send && !may_go_on {
            return self.table_endless(sender, purpose, now);
        }
        if more_to_send {
            //= https://www.rfc-editor.org/rfc/rfc5353#section-3.2.3
            //# If the M flag is set to '1' in the just processed
            //# ENRP_HANDLE_TABLE_RESPONSE message, the initiating server MUST
            //# send another ENRP_HANDLE_TABLE_REQUEST message to the mentor peer
            //# to request for the next ENRP_HANDLE_TABLE_RESPONSE message.
            // The request goes first, so that the peer writes the next page while we read this one.
            let own_children_only = purpose == Purpose::Resynchronization;
            self.tell(sender, HandleTableRequest { own_children_only });
        }
        match purpose {
            Purpose::Initialization => {
                for entry in entries {
                    for element in entry.pool_elements {
                        self.initial_entry(&entry.pool_handle, element, now);
                    }
                }
                match more_to_send {
                    true => self.mentor_progress(now),
                    false => self.started(Some(sender), now),
                }
            }
            Purpose::Resynchronization => {
                for entry in entries {
                    for element in entry.pool_elements {
                        self.own_entry(sender, &entry.pool_handle, element, now);
                    }
                }
                match more_to_send {
                    true => self.download_progress(sender, now),
                    false => self.resynchronized(sender, now),
                }
            }
        }
    }

    fn purpose_of(&self, sender: ServerId) -> Option<Purpose> {
        match &self.enrp.startup.phase {
            Phase::Downloading { mentor, .. } if *mentor == sender => Some(Purpose::Initialization),
            _ => {
                let peer = self.enrp.peers.get(sender)?;
                peer.audit.running.is_some().then_some(Purpose::Resynchronization)
            }
        }
    }

    /// Counts what has come, and answers whether more may: a table cannot be longer than what may be registered.
    fn count_page(&mut self, sender: ServerId, purpose: Purpose, page: usize) -> bool {
        let download = match (&mut self.enrp.startup.phase, purpose) {
            (Phase::Downloading { download, .. }, Purpose::Initialization) => Some(download),
            _ => self.enrp.peers.get_mut(sender).and_then(|peer| peer.audit.running.as_mut()),
        };
        let Some(download) = download else { return false };
        download.received += page;
        page > 0 && download.received <= self.settings.limits.pool_elements
    }

    fn table_rejected(&mut self, sender: ServerId, purpose: Purpose, now: Time) {
        match purpose {
            Purpose::Initialization => self.mentor_busy(sender, false, now),
            Purpose::Resynchronization => drop(self.resynchronization_over(sender, now)),
        }
    }

    fn table_endless(&mut self, sender: ServerId, purpose: Purpose, now: Time) {
        self.refuse(sender, Refusal::EndlessTable);
        match purpose {
            Purpose::Initialization => self.mentor_failed(sender, now),
            Purpose::Resynchronization => {
                self.resynchronization_over(sender, now);
                self.download_abandoned(sender, now);
            }
        }
    }

    /// The timer of a resynchronization.
    //= https://www.rfc-editor.org/rfc/rfc5353#section-3.2.3
    //# If this timer expires
    //# without receiving a response from the mentor peer, the initiating
    //# server SHOULD abort the current download session
    pub(in crate::registrar) fn download_expired(&mut self, peer: ServerId, now: Time) {
        self.refuse(peer, Refusal::NoTable);
        self.resynchronization_over(peer, now);
        self.download_abandoned(peer, now);
    }

    //= https://www.rfc-editor.org/rfc/rfc5353#section-3.2.3
    //# When unpacking the data entries from a ENRP_HANDLE_TABLE_RESPONSE
    //# message into its local handlespace database, the initiating
    //# server MUST handle each pool entry carried in the message using
    //# the following rules:
    /// The mentor speaks for everybody; but what has come from the PE or its home itself meanwhile is newer.
    fn initial_entry(&mut self, pool: &PoolHandle, mut element: PoolElement, now: Time) {
        let Phase::Downloading { download, mentor } = &mut self.enrp.startup.phase else { return };
        let mentor = *mentor;
        // Mostly nothing has changed meanwhile, and a hundred thousand need not be looked for.
        if !(download.marked.is_empty() && self.monitors.is_empty())
            && let Some(slot) = self.handlespace.find(pool, element.id)
            && (download.marked.contains(slot) || self.monitors.get(slot).is_some())
        {
            return;
        }
        element.unknown.clear();
        let home = element.home;
        if home == ServerId::NONE || (home != self.id && !self.learn_peer(home, None, now)) {
            return self.refuse(mentor, Refusal::UnknownHome);
        }
        self.measured_there(mentor, &mut element);
        match self.handlespace.register(pool, &element, home) {
            Ok(registered) => self.update_subscribers_of(registered, pool, now),
            Err(cause) => {
                let (pool, pe, cause) = (pool.detach(), element.id, cause.code());
                self.complain(mentor, Event::UpdateRejected { peer: mentor, pool, pe, cause });
            }
        }
    }

    /// The peer speaks for its own PEs.
    //= https://www.rfc-editor.org/rfc/rfc5353#section-3.6.3
    //# If a PE entry being
    //# transferred already exists in its local database, the ENRP server
    //# MUST replace the entry with the copy found in the message and
    //# remove the "mark" from the entry.
    fn own_entry(&mut self, sender: ServerId, pool: &PoolHandle, element: PoolElement, now: Time) {
        if element.home != sender {
            return self.refuse(sender, Refusal::NotHome);
        }
        if let Some(peer) = self.enrp.peers.get_mut(sender)
            && let Some(download) = &mut peer.audit.running
            && let Some(slot) = self.handlespace.find(pool, element.id)
        {
            download.marked.remove(slot);
        }
        self.add_or_update(sender, pool, element, now);
    }
}
