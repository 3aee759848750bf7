// SPDX-License-Identifier: MIT OR Apache-2.0
//! Registration and deregistration, RFC 5352 §3.1 and §3.2.

use bytes::Bytes;
use rsp_wire::parameter::{ErrorCause, Policy, PoolElement, UserTransport};
use rsp_wire::{EncodeError, PeId, PoolHandle, ServerId};
use smallvec::SmallVec;

use super::element::Element;
use super::home::Owned;
use super::kind::Kind;
use super::{Handlespace, Pool, Slot, checksum};
use crate::policy::{self, Selector, Standing};

/// A registration that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registered {
    /// Where the PE is kept.
    pub slot: Slot,
    /// What is different now.
    pub change: Change,
}

/// What a registration did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The PE is new in its pool.
    New {
        /// And the pool is new with it.
        pool: bool,
    },
    /// The PE registered again. Nothing changed if all are false.
    Renewed(Changes),
}

/// What a re-registration changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Changes {
    /// Its home registrar was this one.
    pub home: Option<ServerId>,
    /// Registration Life.
    pub life: bool,
    /// User Transport: addresses or port.
    pub user_transport: bool,
    /// Values of an adaptive policy: load or degradation.
    pub load: bool,
    /// Values of a non-adaptive policy: weight or priority.
    pub policy: bool,
    /// ASAP Transport.
    pub asap_transport: bool,
}

impl Changes {
    /// Whether pool users that subscribed must hear of it at once (load can wait).
    pub fn is_urgent(self) -> bool {
        self.user_transport || self.policy
    }
}

/// A PE that was taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removed {
    /// Where it was kept. The slot may be given to another PE from now on.
    pub slot: Slot,
    /// Its identifier.
    pub id: PeId,
    /// Its home registrar.
    pub home: ServerId,
    /// It was the last of its pool, which is gone, too.
    pub last_of_pool: bool,
}

impl Handlespace {
    /// Registers a PE, or registers it again with what is different now. `home` owns it from now on.
    ///
    /// # Errors
    /// The cause to answer with; the handlespace is as it was.
    pub fn register(
        &mut self,
        handle: &PoolHandle,
        element: &PoolElement,
        home: ServerId,
    ) -> Result<Registered, ErrorCause> {
        let standing = self.check_values(handle, element)?;
        match self.find_pool(handle.as_bytes()) {
            None => self.register_in_new_pool(handle, element, home, standing),
            Some(pool) => {
                self.pools[pool].kind.check(element)?;
                let new = Element::new(pool, element, home, &mut self.room).ok_or(ErrorCause::LackOfResources)?;
                match self.find_in(pool, element.id) {
                    None => self.register_new(pool, new, home, standing),
                    Some(slot) => Ok(self.register_again(slot, pool, new, home, standing)),
                }
            }
        }
    }

    /// Takes the PE `id` out of the pool `handle`, if it is there.
    pub fn deregister(&mut self, handle: &PoolHandle, id: PeId) -> Option<Removed> {
        self.remove(self.find(handle, id)?)
    }

    //= https://www.rfc-editor.org/rfc/rfc5352#section-3.2
    //# Upon receiving the message, the ENRP server SHALL remove the PE from
    //# its handlespace.  Moreover, if the PE is the last one of the named
    //# pool, the ENRP server will remove the pool from the handlespace as
    //# well.
    /// Takes the PE at `slot` out of its pool, if there is one.
    pub fn remove(&mut self, slot: Slot) -> Option<Removed> {
        let element = self.elements.remove(slot.0)?;
        let (pool, id, home) = (element.pool(), element.id(), element.home());
        if let Ok(entry) = self.by_id.find_entry(self.hash_id(pool, id), |&at| at == slot) {
            entry.remove();
        }
        self.by_home.remove(&Owned { home, pool, slot });
        self.disown(home, pool, id);
        let entry = &mut self.pools[pool];
        entry.selector.remove(&mut self.nodes, slot);
        entry.len -= 1;
        let last_of_pool = entry.len == 0;
        if last_of_pool {
            self.remove_pool(pool);
        }
        Some(Removed { slot, id, home, last_of_pool })
    }

    fn remove_pool(&mut self, pool: u32) {
        let hash = self.hash_handle(&self.pools[pool].handle);
        if let Ok(entry) = self.by_handle.find_entry(hash, |&at| at == pool) {
            entry.remove();
        }
        self.pools.remove(pool);
    }

    fn check_values(&self, handle: &PoolHandle, element: &PoolElement) -> Result<Standing, ErrorCause> {
        let invalid = |tlv: Result<Bytes, EncodeError>| Err(ErrorCause::InvalidValues(tlv.unwrap_or_default()));
        if handle.is_empty() || handle.len() > self.max_pool_handle {
            return invalid(handle.to_tlv());
        }
        if let UserTransport::Ip(transport) = &element.user_transport
            && transport.addresses.is_empty()
        {
            return invalid(transport.to_tlv());
        }
        match (policy::standing(&element.policy), &element.policy) {
            (Some(standing), _) => Ok(standing),
            // RSPLIB has a number for them and no form on the wire: no pool can be of such a policy.
            (None, Policy::Other { policy_type: 0xb000_2004 | 0xb000_2005, .. }) => {
                Err(ErrorCause::InconsistentPoolPolicy(Some(element.policy.clone())))
            }
            (None, _) => invalid(element.policy.to_tlv()),
        }
    }

    //= https://www.rfc-editor.org/rfc/rfc5352#section-3.1
    //# When a new pool is created, the overall member selection policy
    //# of the pool MUST be set to the policy type indicated by the first
    //# PE, the overall pool transport type MUST be set to the transport
    //# type indicated by the PE, and the overall pool data/control
    //# channel configuration MUST be set to what is indicated in the
    //# Transport Use field of the User Transport parameter by the
    //# registering PE.
    fn register_in_new_pool(
        &mut self,
        handle: &PoolHandle,
        element: &PoolElement,
        home: ServerId,
        standing: Standing,
    ) -> Result<Registered, ErrorCause> {
        if self.pools.len() >= self.limits.pools {
            return Err(ErrorCause::LackOfResources);
        }
        let vacant = self.pools.next_vacant();
        let new = Element::new(vacant, element, home, &mut self.room).ok_or(ErrorCause::LackOfResources)?;
        let pool = self.pools.insert(Pool {
            handle: SmallVec::from_slice(handle.as_bytes()),
            kind: Box::new(Kind::of(element)),
            selector: Selector::new(standing),
            len: 0,
            sum: checksum::of_handle(handle.as_bytes()),
        });
        let hash = self.hash_handle(handle.as_bytes());
        self.by_handle.insert_unique(hash, pool, |&pool| self.hasher.hash(&self.pools[pool].handle));
        match self.register_new(pool, new, home, standing) {
            Ok(registered) => Ok(Registered { change: Change::New { pool: true }, ..registered }),
            Err(cause) => {
                self.remove_pool(pool);
                Err(cause)
            }
        }
    }

    fn register_new(
        &mut self,
        pool: u32,
        element: Element,
        home: ServerId,
        standing: Standing,
    ) -> Result<Registered, ErrorCause> {
        let members = self.pools[pool].len as usize;
        if self.elements.len() >= self.limits.pool_elements || members >= self.limits.pool_elements_per_pool {
            return Err(ErrorCause::LackOfResources);
        }
        let id = element.id();
        let hash = self.hash_id(pool, id);
        let slot = Slot(self.elements.insert(element));
        self.nodes.make_room(slot);
        let rehash = |slot: &Slot| {
            let element = &self.elements[slot.0];
            let key = super::id_key(element.pool(), element.id());
            self.hasher.hash(&key)
        };
        self.by_id.insert_unique(hash, slot, rehash);
        self.by_home.insert(Owned { home, pool, slot });
        self.own(home, pool, id);
        let entry = &mut self.pools[pool];
        entry.selector.insert(&mut self.nodes, slot, standing);
        entry.len += 1;
        Ok(Registered { slot, change: Change::New { pool: false } })
    }

    //= https://www.rfc-editor.org/rfc/rfc5352#section-3.1
    //# If the re-registration is
    //# accepted after the test, the ENRP server SHOULD replace the
    //# attributes of the existing PE with the information carried in the
    //# received ASAP_REGISTRATION message.
    fn register_again(
        &mut self,
        slot: Slot,
        pool: u32,
        element: Element,
        home: ServerId,
        standing: Standing,
    ) -> Registered {
        // First, so that the processor fetches what the policy needs while it compares the rest.
        self.pools[pool].selector.update(&mut self.nodes, slot, standing);
        let kept = &mut self.elements[slot.0];
        let (old_home, differs, adaptive) = (kept.home(), kept.difference(&element), kept.is_adaptive());
        *kept = element;
        let id = self.elements[slot.0].id();
        self.move_home(slot, pool, id, old_home, home);
        let changes = Changes {
            home: differs.home.then_some(old_home),
            life: differs.life,
            user_transport: differs.user_transport,
            load: differs.policy && adaptive,
            policy: differs.policy && !adaptive,
            asap_transport: differs.asap_transport,
        };
        Registered { slot, change: Change::Renewed(changes) }
    }
}
