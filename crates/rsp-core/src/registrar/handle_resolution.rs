// SPDX-License-Identifier: MIT OR Apache-2.0
//! Handle resolution, RFC 5352 §3.3, with the option 0x803f of draft-dreibholz-rserpool-asap-hropt. The hot path.

use bytes::{Bytes, BytesMut};
use machine::Time;
use rsp_wire::PoolHandle;
use rsp_wire::asap::{HandleResolution, HandleResolutionResponse, Message, UsualResolution};
use rsp_wire::parameter::ErrorCause;

use super::admission::{Action, admit};
use super::associations::{Sent, What};
use super::{Channel, Registrar};
use crate::PPID_ASAP;
use crate::association::AssociationId;
use crate::handlespace::{Advance, Resolution};

impl Registrar {
    /// Answers a message where it lies, by appending to `answer`, if it is a resolution like most: no subscription begins or ends, the pool
    /// is there, nothing is to be refused. Else it does nothing and says `false`: the message is an input like any other.
    ///
    /// Nothing but the answer comes of it, no effect and no deadline. The caller sees to it that a peer that does not read its answers stops
    /// getting them this way.
    pub fn answer_at_once(
        &mut self,
        id: AssociationId,
        ppid: u32,
        message: &[u8],
        now: Time,
        answer: &mut BytesMut,
    ) -> bool {
        let Some(UsualResolution { pool_handle, items }) = UsualResolution::read(message) else { return false };
        let items = self.items(items);
        let Some(association) = self.associations.get_mut(id) else { return false };
        let Some(peer) = association.peer().filter(|_| ppid == PPID_ASAP && association.channel == Channel::Asap)
        else {
            return false;
        };
        if admit(peer, Action::Resolve).is_err() || !association.subscriptions.is_empty() {
            return false;
        }
        let max_message = peer.max_message;
        let rate = self.settings.limits.requests_per_second;
        let mut requests = association.requests;
        if !requests.take(rate, rate.saturating_mul(2), now) {
            return false;
        }
        let how = Resolution { items, advance: Advance::Yes, accept_updates: false, max_message };
        if self.handlespace.resolve(pool_handle, how, answer).is_none() {
            return false;
        }
        association.requests = requests;
        association.last_heard = now;
        self.now = self.now.max(now);
        self.metrics.messages_received += 1;
        self.metrics.resolutions += 1;
        self.metrics.messages_sent += 1;
        true
    }

    /// How many are looked for when so many are asked for.
    fn items(&self, asked_for: Option<u32>) -> u32 {
        match asked_for {
            None | Some(0) => self.settings.default_items,
            Some(items) => items,
        }
        .min(self.settings.limits.items_per_resolution)
    }

    /// ASAP_HANDLE_RESOLUTION.
    pub(super) fn handle_resolution(&mut self, association: AssociationId, request: HandleResolution) {
        let HandleResolution { subscribe, pool_handle, items, .. } = request;
        let Some(peer) = self.peer(association) else { return };
        let max_message = peer.max_message;
        if let Err(cause) = admit(peer, Action::Resolve) {
            return self.reject_resolution(association, pool_handle, cause);
        }
        let items = self.items(items);
        let accept_updates = subscribe && self.subscribe(association, &pool_handle, items);
        if !subscribe && self.subscribers.len() > 0 {
            self.unsubscribe(association, pool_handle.as_bytes());
        }
        match self.encode_resolution(&pool_handle, items, max_message, accept_updates, Advance::Yes) {
            Some(message) => {
                self.metrics.resolutions += 1;
                self.send_answer(association, message);
            }
            //= https://www.rfc-editor.org/rfc/rfc5352#section-3.3
            //# If the named pool does not exist in the handlespace, the ENRP server
            //# MUST reject the handle resolution request by responding with an
            //# ASAP_HANDLE_RESOLUTION_RESPONSE message carrying an Unknown Pool
            //# Handle error.
            None => {
                self.metrics.resolutions_unknown += 1;
                self.send_unknown_pool(association, pool_handle);
            }
        }
    }

    /// The answer with up to `items` pool elements, or `None` if there is no such pool.
    pub(super) fn encode_resolution(
        &mut self,
        pool_handle: &PoolHandle,
        items: u32,
        max_message: usize,
        accept_updates: bool,
        advance: Advance,
    ) -> Option<Bytes> {
        let items = items.min(self.settings.limits.items_per_resolution);
        let how = Resolution { items, advance, accept_updates, max_message };
        self.buffer.clear();
        self.handlespace.resolve(pool_handle.as_bytes(), how, &mut self.buffer)?;
        Some(Bytes::copy_from_slice(&self.buffer))
    }

    /// Refuses a resolution for another reason than that the pool is unknown.
    pub(super) fn reject_resolution(&mut self, association: AssociationId, pool_handle: PoolHandle, cause: ErrorCause) {
        self.metrics.resolutions_rejected += 1;
        self.unsubscribe(association, pool_handle.as_bytes());
        let response = negative(pool_handle, cause);
        self.send(association, What::Answer, &response);
    }

    /// The answer that there is no such pool.
    pub(super) fn send_unknown_pool(&mut self, association: AssociationId, pool_handle: PoolHandle) {
        self.send(association, What::Answer, &negative(pool_handle, ErrorCause::UnknownPoolHandle));
    }

    fn send_answer(&mut self, association: AssociationId, message: Bytes) {
        let sent = Sent { length: message.len(), what: What::Answer };
        self.send_encoded(association, sent, message);
    }
}

fn negative(pool_handle: PoolHandle, cause: ErrorCause) -> Message {
    Message::HandleResolutionResponse(HandleResolutionResponse {
        accept_updates: false,
        pool_handle,
        policy: None,
        pool_elements: Vec::new(),
        error: super::error::because(cause),
        unknown: Vec::new(),
    })
}
