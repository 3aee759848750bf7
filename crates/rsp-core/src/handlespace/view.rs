// SPDX-License-Identifier: MIT OR Apache-2.0
//! What others see of a pool and of a PE.

use bytes::{Bytes, BytesMut};
use rsp_wire::parameter::{Policy, PoolElement, Protocol, RegistrationLife, TransportUse};
use rsp_wire::{PeId, PoolHandle, ServerId};

use super::element::Element;
use super::{Handlespace, Pool, Slot};

/// A registered PE.
#[derive(Debug, Clone, Copy)]
pub struct ElementView<'a> {
    space: &'a Handlespace,
    slot: Slot,
    element: &'a Element,
}

impl<'a> ElementView<'a> {
    pub(super) fn new(space: &'a Handlespace, slot: Slot, element: &'a Element) -> Self {
        ElementView { space, slot, element }
    }

    /// Where it is kept.
    pub fn slot(self) -> Slot {
        self.slot
    }

    /// PE Identifier.
    pub fn id(self) -> PeId {
        self.element.id()
    }

    /// Home ENRP Server.
    pub fn home(self) -> ServerId {
        self.element.home()
    }

    /// Registration Life as it came.
    pub fn life(self) -> RegistrationLife {
        RegistrationLife(self.element.life())
    }

    /// The pool it is in.
    pub fn pool(self) -> PoolView<'a> {
        PoolView::new(self.space, &self.space.pools[self.element.pool()])
    }

    /// The Pool Element parameter as pool users get it, without ASAP Transport.
    pub fn for_pool_users(self) -> &'a [u8] {
        self.element.for_pool_users()
    }

    /// Whether its policy counts how far it is.
    pub fn policy_has_distance(self) -> bool {
        Policy::has_distance(self.element.policy_type())
    }

    /// All that is known of it, unless it was registered with something that RFC 5354 has no form for.
    pub fn to_pool_element(self) -> Option<PoolElement> {
        PoolElement::from_tlv(&self.to_tlv()).ok().map(|decoded| decoded.message)
    }

    /// The whole Pool Element parameter.
    pub fn to_tlv(self) -> Bytes {
        let mut out = BytesMut::new();
        self.element.encode_whole(&mut out);
        out.freeze()
    }
}

/// A pool, which has at least one PE.
#[derive(Debug, Clone, Copy)]
pub struct PoolView<'a> {
    space: &'a Handlespace,
    pool: &'a Pool,
}

impl<'a> PoolView<'a> {
    pub(super) fn new(space: &'a Handlespace, pool: &'a Pool) -> Self {
        PoolView { space, pool }
    }

    /// Its handle.
    pub fn handle(self) -> PoolHandle {
        PoolHandle::new(Bytes::copy_from_slice(&self.pool.handle))
    }

    /// Number of PEs, at least one.
    #[expect(clippy::len_without_is_empty, reason = "a pool without PEs does not exist")]
    pub fn len(self) -> usize {
        self.pool.len as usize
    }

    /// Overall policy. Its values are those of the first PE and mean nothing.
    pub fn policy(self) -> &'a Policy {
        &self.pool.kind.policy
    }

    /// Protocol and use of its user transports; `None` if they are opaque.
    pub fn transport(self) -> Option<(Protocol, TransportUse)> {
        self.pool.kind.transport
    }

    /// Its PEs, in no particular order.
    pub fn elements(self) -> impl Iterator<Item = ElementView<'a>> {
        let space = self.space;
        self.pool.selector.iter(&space.nodes).map(move |slot| ElementView::new(space, slot, &space.elements[slot.0]))
    }
}
