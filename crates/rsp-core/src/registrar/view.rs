// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an administrator sees of a registrar. Nothing here changes anything.

use std::time::Duration;

use machine::Time;
use rsp_wire::parameter::{Policy, PoolElement, Protocol, TransportUse};
use rsp_wire::{PeId, PoolHandle};

use super::Registrar;
use super::enrp::claim::NOWHERE;
use super::monitors::{KeepAlive, NEVER};
use crate::association::{AssociationId, Peer};
use crate::handlespace::{ElementView, PoolView};

/// A pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolStatus {
    /// Its handle.
    pub handle: PoolHandle,
    /// Its overall policy; the values are those of some PE.
    pub policy: Policy,
    /// Protocol and use of its user transports; `None` if they are opaque.
    pub transport: Option<(Protocol, TransportUse)>,
    /// Number of pool elements.
    pub pool_elements: usize,
    /// Number of subscriptions to it.
    pub subscribers: usize,
}

/// A pool with some of its elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolPage {
    /// The pool.
    pub pool: PoolStatus,
    /// Sorted by identifier.
    pub elements: Vec<ElementStatus>,
    /// The last identifier on this page, if another page follows.
    pub next_after: Option<PeId>,
}

/// A pool element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElementStatus {
    /// All that is registered of it: identifier, home, addresses, policy with its values, ASAP transport.
    pub element: PoolElement,
    /// What is left of its registration life; `None` = for ever, or another registrar watches it.
    pub life_left: Option<Duration>,
    /// How it is reached; `None` if another registrar watches it, or did until a moment ago.
    pub reached: Option<Reached>,
}

/// How this registrar reaches a pool element it is the home of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    /// Over this association.
    pub association: AssociationId,
    /// Which is up, or being opened.
    pub up: bool,
    /// A keep-alive is on its way and not answered.
    pub keep_alive_pending: bool,
    /// Time since it registered or answered a keep-alive.
    pub silent_for: Duration,
    /// Reports that count against it.
    pub reports: u32,
}

impl Registrar {
    /// All pools, in no particular order.
    pub fn pools(&self) -> impl Iterator<Item = PoolStatus> + '_ {
        self.handlespace.pools().map(|pool| self.pool_status(pool))
    }

    /// One pool and its elements, in no particular order.
    pub fn pool(&self, handle: &PoolHandle, now: Time) -> Option<(PoolStatus, Vec<ElementStatus>)> {
        let pool = self.handlespace.pool(handle)?;
        let elements = pool.elements().filter_map(|element| self.element_status(element, now)).collect();
        Some((self.pool_status(pool), elements))
    }

    /// One pool and at most `limit` of its elements: the first by identifier, above `after` if there is one. A page costs a look
    /// at each element's identifier; only those on it are decoded.
    pub fn pool_page(&self, handle: &PoolHandle, after: Option<PeId>, limit: usize, now: Time) -> Option<PoolPage> {
        let pool = self.handlespace.pool(handle)?;
        let mut elements: Vec<_> = pool.elements().filter(|element| Some(element.id()) > after).collect();
        let more = elements.len() > limit;
        if more {
            elements.select_nth_unstable_by_key(limit, |element| element.id());
            elements.truncate(limit);
        }
        elements.sort_unstable_by_key(|element| element.id());
        let last = elements.last().map(|element| element.id());
        let elements = elements.into_iter().filter_map(|element| self.element_status(element, now)).collect();
        Some(PoolPage { pool: self.pool_status(pool), elements, next_after: last.filter(|_| more) })
    }

    /// Number of pools.
    pub fn pool_count(&self) -> usize {
        self.handlespace.pool_count()
    }

    /// Number of pool elements in all pools.
    pub fn pool_element_count(&self) -> usize {
        self.handlespace.element_count()
    }

    /// Number of associations, those being opened included.
    pub fn association_count(&self) -> usize {
        self.associations.len()
    }

    /// All associations that are up.
    pub fn associations(&self) -> impl Iterator<Item = (AssociationId, &Peer)> {
        self.associations.iter().filter_map(|(id, association)| Some((id, association.peer()?)))
    }

    /// Number of subscriptions of pool users.
    pub fn subscription_count(&self) -> usize {
        self.subscribers.len()
    }

    fn pool_status(&self, pool: PoolView<'_>) -> PoolStatus {
        let handle = pool.handle();
        PoolStatus {
            policy: pool.policy().clone(),
            transport: pool.transport(),
            pool_elements: pool.len(),
            subscribers: self.subscribers.count_of(handle.as_bytes()),
            handle,
        }
    }

    fn element_status(&self, element: ElementView<'_>, now: Time) -> Option<ElementStatus> {
        let monitor = self.monitors.get(element.slot());
        Some(ElementStatus {
            element: decoded(element)?,
            life_left: monitor.filter(|it| it.expires != NEVER).map(|it| it.expires.since(now)),
            reached: monitor.filter(|it| it.association != NOWHERE).map(|it| Reached {
                association: it.association,
                up: self.associations.is_up(it.association),
                keep_alive_pending: matches!(it.keep_alive, KeepAlive::Waiting { .. }),
                silent_for: now.since(it.heard),
                reports: it.reports.as_ref().map_or(0, |reports| reports.reporters.len() as u32),
            }),
        })
    }
}

/// The parameter kept for an element, as values.
pub(super) fn decoded(element: ElementView<'_>) -> Option<PoolElement> {
    PoolElement::from_tlv(&element.to_tlv()).ok().map(|decoded| decoded.message)
}
