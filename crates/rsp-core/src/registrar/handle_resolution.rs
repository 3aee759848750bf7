// SPDX-License-Identifier: MIT OR Apache-2.0
//! Handle resolution, RFC 5352 §3.3, with the option 0x803f of draft-dreibholz-rserpool-asap-hropt. The hot path.

use bytes::Bytes;
use rsp_wire::PoolHandle;
use rsp_wire::asap::{HandleResolution, HandleResolutionResponse, Message};
use rsp_wire::parameter::ErrorCause;

use super::Registrar;
use super::admission::{Action, admit};
use super::associations::{Sent, What};
use crate::association::AssociationId;
use crate::handlespace::{Advance, Resolution};

impl Registrar {
    /// ASAP_HANDLE_RESOLUTION.
    pub(super) fn handle_resolution(&mut self, association: AssociationId, request: HandleResolution) {
        let HandleResolution { subscribe, pool_handle, items, .. } = request;
        let Some(peer) = self.peer(association) else { return };
        let max_message = peer.max_message;
        if let Err(cause) = admit(peer, Action::Resolve) {
            return self.reject_resolution(association, pool_handle, cause);
        }
        let items = match items {
            None | Some(0) => self.settings.default_items,
            Some(items) => items,
        };
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
        self.handlespace.resolve(pool_handle, how, &mut self.buffer)?;
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
