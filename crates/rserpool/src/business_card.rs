// SPDX-License-Identifier: MIT OR Apache-2.0
//! Business cards (RFC 5352 §3.9, seed 004 §3.3): a peer says which pool it belongs to and who should go on if it fails.

use std::sync::{Arc, Mutex, PoisonError};

use rsp_wire::parameter::{PoolElement, RegistrationLife, Transport, TransportUse, UserTransport};
use rsp_wire::{Dialect, PoolHandle, asap};

use crate::{Error, Mapping, PeHandle, Result};

/// The pool a peer belongs to, and whom it prefers to go on if it fails, best first (Set.BusinessCard.PE.List).
///
/// Sessions show theirs by themselves: [`SessionBuilder::business_card`](crate::SessionBuilder::business_card) for a pool user that is a pool element too,
/// [`PoolElementBuilder::business_card`](crate::PoolElementBuilder::business_card) for a pool element that prefers somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusinessCard {
    /// The pool of whoever shows it.
    pub pool: PoolHandle,
    /// Who goes on; may be empty: then anybody of the pool.
    pub prefer: Vec<PeHandle>,
}

impl BusinessCard {
    /// A member of this pool, without preference.
    pub fn new(pool: impl Into<PoolHandle>) -> Self {
        BusinessCard { pool: pool.into(), prefer: Vec::new() }
    }

    /// The same with these to go on.
    pub fn prefer(mut self, prefer: impl IntoIterator<Item = PeHandle>) -> Self {
        self.prefer = prefer.into_iter().collect();
        self
    }

    pub(crate) fn wire(&self) -> Result<asap::BusinessCard> {
        let pool_elements = self.prefer.iter().map(PeHandle::element).collect::<Result<_>>()?;
        let card = asap::BusinessCard { pool_handle: self.pool.clone(), pool_elements, unknown: Vec::new() };
        let len = asap::Message::BusinessCard(card.clone()).to_bytes(Dialect::STANDARD).map_or(usize::MAX, |b| b.len());
        if len > MAX_CARD {
            return Err(Error::TooLong { len, max: MAX_CARD });
        }
        Ok(card)
    }

    /// Those it prefers, as the registrar knows them: a card aims nobody at an address that is not in the pool.
    pub(crate) fn registered(&self, pool: &[Arc<PoolElement>]) -> Vec<PoolElement> {
        let known = |pe: &PeHandle| pool.iter().find(|element| element.id == pe.id).map(|element| (**element).clone());
        self.prefer.iter().filter_map(known).collect()
    }

    pub(crate) fn of_wire(card: &asap::BusinessCard) -> Self {
        let pool = &card.pool_handle;
        let prefer = card.pool_elements.iter().map(|element| PeHandle::of_element(pool, element)).collect();
        BusinessCard { pool: pool.clone(), prefer }
    }
}

impl PeHandle {
    /// What a message says of this server.
    pub(crate) fn element(&self) -> Result<PoolElement> {
        let (Some(protocol), Some(first)) = (self.protocol, self.addrs.first()) else {
            return Err(Error::Config(format!("the handle of {} has no address", self.id)));
        };
        let transport_use =
            if self.mapping == Mapping::None { TransportUse::DATA_ONLY } else { TransportUse::DATA_PLUS_CONTROL };
        let addresses = self.addrs.iter().map(|address| address.ip()).collect();
        Ok(PoolElement {
            id: self.id,
            home: rsp_wire::ServerId::NONE,
            life: RegistrationLife(0),
            user_transport: UserTransport::Ip(Transport { protocol, port: first.port(), transport_use, addresses }),
            policy: rsp_wire::parameter::Policy::RoundRobin,
            asap_transport: None,
            unknown: Vec::new(),
        })
    }
}

/// The newest card of a peer. However many it sends, one notice waits for the application.
#[derive(Debug, Default)]
pub(crate) struct CardSlot(Mutex<(Option<BusinessCard>, bool)>);

impl CardSlot {
    /// Keeps a card; answers whether a notice is to be queued, and whether it is the first one of all.
    pub(crate) fn put(&self, card: BusinessCard, is_news: bool) -> (bool, bool) {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = slot.0.is_none();
        slot.0 = Some(card);
        let waits = slot.1;
        slot.1 |= is_news;
        (is_news && !waits, first)
    }

    /// The card a queued notice stands for.
    pub(crate) fn notice(&self) -> Option<BusinessCard> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slot.1 = false;
        slot.0.clone()
    }

    pub(crate) fn newest(&self) -> Option<BusinessCard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }
}

/// Largest card, as an ASAP message (docs/session-wire.md §9).
const MAX_CARD: usize = 65_455;
