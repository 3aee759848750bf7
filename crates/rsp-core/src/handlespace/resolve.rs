// SPDX-License-Identifier: MIT OR Apache-2.0
//! Handle resolution, RFC 5352 §3.3: choosing PEs, and the answer as bytes.

use bytes::BytesMut;
use rsp_wire::asap::message_type::HANDLE_RESOLUTION_RESPONSE;
use rsp_wire::{Dialect, Encoder, PoolHandle};

use super::{Handlespace, Slot};

/// The A bit of ASAP_HANDLE_RESOLUTION_RESPONSE, RFC 5352 §2.2.6.
const ACCEPT_UPDATES: u8 = 0x01;

/// No Pool Element parameter is shorter: 16 bytes of its own, a transport with one IPv4 address or none, a policy.
const SHORTEST_ELEMENT: usize = 16 + 4 + 8;

/// Message Length has 16 bits, and includes padding.
const MAX_MESSAGE: usize = 65_532;

/// Whether a resolution moves the pool's order on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advance {
    /// A pool user asked.
    Yes,
    /// An update is pushed, or somebody only looks.
    No,
}

/// What to resolve and how much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resolution {
    /// At most so many PEs; [`rsp_wire::asap::HandleResolution::ALL_ITEMS`] = all that fit.
    pub items: u32,
    /// Whether the pool's order moves on.
    pub advance: Advance,
    /// The A flag of the answer.
    pub accept_updates: bool,
    /// Longest message to write.
    pub max_message: usize,
}

impl Handlespace {
    /// Chooses one PE of the pool and moves its order on.
    pub fn select_one(&mut self, handle: &PoolHandle) -> Option<Slot> {
        let pool = self.find_pool(handle.as_bytes())?;
        self.pools[pool].selector.select_one(&mut self.nodes, &mut self.rng)
    }

    /// Chooses at most `items` PEs of the pool, each once, in the order its policy says. Empty if there is no such pool.
    pub fn select(&mut self, handle: &PoolHandle, items: usize, advance: Advance) -> &[Slot] {
        self.picked.clear();
        if let Some(pool) = self.find_pool(handle.as_bytes()) {
            let selector = &mut self.pools[pool].selector;
            selector.order(&mut self.nodes, &mut self.rng, items, &mut self.picked);
            if advance == Advance::Yes {
                selector.charge(&mut self.nodes, &self.picked);
            }
        }
        &self.picked
    }

    /// Appends a whole ASAP_HANDLE_RESOLUTION_RESPONSE for the pool to `out` and answers how many PEs it holds, or `None`,
    /// and writes nothing, if there is no such pool. Of what does not fit into `max_message` nothing is written.
    pub fn resolve(&mut self, handle: &[u8], how: Resolution, out: &mut BytesMut) -> Option<usize> {
        let pool = self.find_pool(handle)?;
        let mut message =
            Encoder::message(out, HANDLE_RESOLUTION_RESPONSE, if how.accept_updates { ACCEPT_UPDATES } else { 0 });
        PoolHandle::encode_bytes(handle, &mut message).expect("a known handle is no longer than the limit for handles");

        let max_message = how.max_message.min(MAX_MESSAGE);
        let room = max_message.saturating_sub(message.len());
        let limit = (how.items as usize).min(room / SHORTEST_ELEMENT);
        let selector = &mut self.pools[pool].selector;
        self.picked.clear();
        selector.order(&mut self.nodes, &mut self.rng, limit, &mut self.picked);

        let mut written = 0;
        for slot in &self.picked {
            let element = &self.elements[slot.0];
            // The pool's policy goes first, with the first PE's values, as RSPLIB has it.
            let policy = if written == 0 { element.policy() } else { &[] };
            let parameter = element.for_pool_users();
            if message.len().next_multiple_of(4) + policy.len() + parameter.len() > max_message {
                break;
            }
            if written == 0 {
                message.tlv(policy);
            }
            message.tlv(parameter);
            written += 1;
        }
        if how.advance == Advance::Yes {
            selector.charge(&mut self.nodes, &self.picked[..written]);
        }
        message.finish_message(Dialect::STANDARD).expect("it is no longer than MAX_MESSAGE");
        Some(written)
    }
}
