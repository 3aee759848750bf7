// SPDX-License-Identifier: MIT OR Apache-2.0
//! A PE as it is kept: its Pool Element parameter (RFC 5354 §3.10), ready to be copied into a message.

use std::num::NonZeroU16;
use std::ops::Range;

use bytes::{BufMut, BytesMut};
use rsp_wire::parameter::PoolElement;
use rsp_wire::{PeId, ServerId};
use smallvec::SmallVec;

use super::encode;

/// Enough for the usual PE: one IPv4 address as user and as ASAP transport.
const INLINE: usize = 64;

/// Longest parameter kept. RSPLIB's has at most 128 addresses; an answer must hold at least a few PEs.
const MAX_LENGTH: usize = 4096;

const HOME: Range<usize> = 8..12;
const LIFE: Range<usize> = 12..16;
const USER_TRANSPORT: usize = 16;

/// The encoded parameter, ASAP Transport last. Its length field leaves the ASAP Transport out, as pool users get it.
#[derive(Debug)]
pub(super) struct Element {
    wire: SmallVec<[u8; INLINE]>,
    id: PeId,
    pool: u32,
    /// Where the policy begins. It ends where the ASAP Transport begins. Never 0, which makes room for `Option<Element>`.
    policy_at: NonZeroU16,
}

/// What a re-registration changed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Difference {
    pub(super) home: bool,
    pub(super) life: bool,
    pub(super) user_transport: bool,
    pub(super) policy: bool,
    pub(super) asap_transport: bool,
}

impl Element {
    /// `None` if the parameter is too long to keep. Unknown parameters are dropped. `room` is scratch space.
    pub(super) fn new(pool: u32, element: &PoolElement, home: ServerId, room: &mut BytesMut) -> Option<Self> {
        room.clear();
        encode::pool_element(element, room);
        if room.len() > MAX_LENGTH {
            return None;
        }
        let user_transport = usize::from(u16::from_be_bytes([room[USER_TRANSPORT + 2], room[USER_TRANSPORT + 3]]));
        let policy_at = u16::try_from(USER_TRANSPORT + user_transport.next_multiple_of(4)).ok()?;
        if let Some(asap_transport) = &element.asap_transport {
            encode::transport(asap_transport, room);
        }
        let mut wire = SmallVec::from_slice(room);
        wire[HOME].copy_from_slice(&home.0.to_be_bytes());
        (wire.len() <= MAX_LENGTH).then_some(Element {
            wire,
            id: element.id,
            pool,
            policy_at: NonZeroU16::new(policy_at)?,
        })
    }

    pub(super) fn id(&self) -> PeId {
        self.id
    }

    pub(super) fn pool(&self) -> u32 {
        self.pool
    }

    pub(super) fn home(&self) -> ServerId {
        ServerId(word(&self.wire[HOME]))
    }

    pub(super) fn set_home(&mut self, home: ServerId) {
        self.wire[HOME].copy_from_slice(&home.0.to_be_bytes());
    }

    pub(super) fn life(&self) -> i32 {
        word(&self.wire[LIFE]).cast_signed()
    }

    /// The parameter as pool users get it, without ASAP Transport. A multiple of 4 long.
    pub(super) fn for_pool_users(&self) -> &[u8] {
        &self.wire[..self.asap_at()]
    }

    /// The Member Selection Policy parameter.
    pub(super) fn policy(&self) -> &[u8] {
        &self.wire[self.policy_at()..self.asap_at()]
    }

    /// The A bit of the policy type, RFC 5356 §7.1.
    pub(super) fn is_adaptive(&self) -> bool {
        self.policy()[4] & 0x40 != 0
    }

    /// Appends the whole parameter, as registrars exchange it.
    pub(super) fn encode_whole(&self, out: &mut BytesMut) {
        let at = out.len();
        out.put_slice(&self.wire);
        let length = u16::try_from(self.wire.len()).expect("Element::new checked the length");
        out[at + 2..at + 4].copy_from_slice(&length.to_be_bytes());
    }

    pub(super) fn difference(&self, new: &Element) -> Difference {
        let differs = |part: fn(&Element) -> Range<usize>| self.wire[part(self)] != new.wire[part(new)];
        if self.wire == new.wire {
            return Difference::default();
        }
        Difference {
            home: differs(|_| HOME),
            life: differs(|_| LIFE),
            user_transport: differs(|e| USER_TRANSPORT..e.policy_at()),
            policy: differs(|e| e.policy_at()..e.asap_at()),
            asap_transport: differs(|e| e.asap_at()..e.wire.len()),
        }
    }

    fn policy_at(&self) -> usize {
        usize::from(self.policy_at.get())
    }

    fn asap_at(&self) -> usize {
        usize::from(u16::from_be_bytes([self.wire[2], self.wire[3]]))
    }
}

fn word(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes.try_into().expect("callers pass 4 bytes"))
}
