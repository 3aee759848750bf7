// SPDX-License-Identifier: MIT OR Apache-2.0
//! The handlespace: pools by handle, pool elements by identifier in their pool, and who owns them.
//!
//! RFC 5352 §3.1 to §3.3 say what registration, deregistration and handle resolution do with it. It knows nothing of
//! associations, time and messages coming in; a registrar keeps such things beside it, indexed by [`Slot`].
//!
//! - Each PE is kept as the bytes of its Pool Element parameter, so an answer to a pool user is put together by copying.
//! - Keys the wire chooses (handles, PE identifiers) are found by SipHash with a secret seed.
//! - Nothing here takes longer than O(log n), except looking at everything.

mod checksum;
mod element;
mod home;
mod kind;
mod register;
mod resolve;
mod table;
mod view;

pub use crate::policy::Slot;
pub use checksum::Sum;
pub use home::Cursor;
pub use register::{Change, Changes, Registered, Removed};
pub use resolve::{Advance, Resolution};
pub use table::{Header, Page};
pub use view::{ElementView, PoolView};

use std::collections::{BTreeMap, BTreeSet};

use bytes::BytesMut;
use hashbrown::HashTable;
use machine::Rng;
use rsp_wire::{PeId, PoolHandle, ServerId};
use siphasher::sip::SipHasher13;
use smallvec::SmallVec;

use crate::config::Limits;
use crate::paged::Slab;
use crate::policy::{Nodes, Selector};
use element::Element;
use kind::Kind;

/// All pools of an operational scope, as one registrar knows them.
#[derive(Debug)]
pub struct Handlespace {
    limits: Limits,
    max_pool_handle: usize,
    pools: Slab<Pool>,
    elements: Slab<Element>,
    /// What the policies keep for each PE, by the same slots.
    nodes: Nodes,
    by_handle: HashTable<u32>,
    by_id: HashTable<Slot>,
    by_home: BTreeSet<home::Owned>,
    /// What each home owns, by number and checksum. One that owns nothing is not in it.
    homes: BTreeMap<ServerId, Sum>,
    hasher: SipHasher13,
    rng: Rng,
    /// Room for the PEs of one answer, kept between answers.
    picked: Vec<Slot>,
    /// Room for one parameter.
    room: BytesMut,
}

#[derive(Debug)]
struct Pool {
    handle: SmallVec<[u8; 32]>,
    kind: Box<Kind>,
    selector: Selector,
    len: u32,
    /// What its handle adds to a checksum.
    sum: u32,
}

impl Handlespace {
    /// An empty one. `seed` is random and secret: it guards the tables against chosen keys and drives random policies.
    pub fn new(limits: Limits, max_pool_handle: usize, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        Handlespace {
            limits,
            max_pool_handle,
            pools: Slab::default(),
            elements: Slab::default(),
            nodes: Nodes::default(),
            by_handle: HashTable::new(),
            by_id: HashTable::new(),
            by_home: BTreeSet::new(),
            homes: BTreeMap::new(),
            hasher: SipHasher13::new_with_keys(rng.next_u64(), rng.next_u64()),
            rng,
            picked: Vec::new(),
            room: BytesMut::new(),
        }
    }

    /// Number of pools.
    pub fn pool_count(&self) -> usize {
        self.pools.len()
    }

    /// Number of PEs in all pools.
    pub fn element_count(&self) -> usize {
        self.elements.len()
    }

    /// Where the PE `id` of pool `handle` is kept, if it is registered.
    pub fn find(&self, handle: &PoolHandle, id: PeId) -> Option<Slot> {
        self.find_in(self.find_pool(handle.as_bytes())?, id)
    }

    /// The PE at `slot`, if there is one.
    pub fn element(&self, slot: Slot) -> Option<ElementView<'_>> {
        Some(ElementView::new(self, slot, self.elements.get(slot.0)?))
    }

    /// The pool with this handle, if there is one.
    pub fn pool(&self, handle: &PoolHandle) -> Option<PoolView<'_>> {
        Some(PoolView::new(self, &self.pools[self.find_pool(handle.as_bytes())?]))
    }

    /// All pools, in no particular order.
    pub fn pools(&self) -> impl Iterator<Item = PoolView<'_>> {
        self.pools.iter().map(|(_, pool)| PoolView::new(self, pool))
    }

    /// All PEs, in no particular order.
    pub fn elements(&self) -> impl Iterator<Item = ElementView<'_>> {
        self.elements.iter().map(|(at, element)| ElementView::new(self, Slot(at), element))
    }

    fn find_pool(&self, handle: &[u8]) -> Option<u32> {
        self.by_handle.find(self.hash_handle(handle), |&pool| self.pools[pool].handle[..] == *handle).copied()
    }

    fn find_in(&self, pool: u32, id: PeId) -> Option<Slot> {
        let is_it = |slot: &Slot| {
            let element = &self.elements[slot.0];
            element.id() == id && element.pool() == pool
        };
        self.by_id.find(self.hash_id(pool, id), is_it).copied()
    }

    fn hash_handle(&self, handle: &[u8]) -> u64 {
        self.hasher.hash(handle)
    }

    fn hash_id(&self, pool: u32, id: PeId) -> u64 {
        self.hasher.hash(&id_key(pool, id))
    }
}

fn id_key(pool: u32, id: PeId) -> [u8; 8] {
    (u64::from(pool) << 32 | u64::from(id.0)).to_ne_bytes()
}

#[cfg(test)]
mod tests;
