// SPDX-License-Identifier: MIT OR Apache-2.0
//! A PE as it is kept: its Pool Element parameter (RFC 5354 §3.10), ready to be copied into a message.

use std::ops::Range;

use bytes::{BufMut, BytesMut};
use rsp_wire::parameter::{Policy, PoolElement, TransportUse};
use rsp_wire::{Encoder, PeId, ServerId};

/// Enough for the usual PE: one IPv4 address and any policy of RFC 5356. Makes an element one cache line.
const INLINE: usize = 48;

/// Longest parameter kept. RSPLIB's has at most 128 addresses; an answer must hold at least a few PEs.
const MAX_LENGTH: usize = 4096;

const LENGTH: Range<usize> = 2..4;
const ID: Range<usize> = 4..8;
const HOME: Range<usize> = 8..12;
const LIFE: Range<usize> = 12..16;
const USER_TRANSPORT: usize = 16;

/// The encoded parameter as pool users get it: User Transport and policy, but no ASAP Transport unless that is for their control, and a length that
/// says so.
#[derive(Debug)]
#[repr(align(64))]
pub(super) enum Element {
    /// Mostly there is no ASAP Transport, or it is the user transport again: control and data on one association.
    Short {
        wire: [u8; INLINE],
        pool: u32,
        asap_is_user_transport: bool,
        asap_transport: Option<Box<Apart>>,
    },
    Long {
        wire: Box<[u8]>,
        pool: u32,
        asap_transport: Box<[u8]>,
    },
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

/// Boxed twice to take one word in the element.
#[derive(Debug)]
pub(super) struct Apart(Box<[u8]>);

impl Element {
    /// `None` if the parameter is too long to keep. Unknown parameters are dropped. `room` is scratch space.
    pub(super) fn new(pool: u32, element: &PoolElement, home: ServerId, room: &mut BytesMut) -> Option<Self> {
        room.clear();
        element.encode(&mut Encoder::parameters(room)).ok().filter(|()| room.len() <= MAX_LENGTH)?;
        let policy_at = user_transport(room).end;
        let length = policy_at + parameter_length(&room[policy_at..]);
        room[HOME].copy_from_slice(&home.0.to_be_bytes());
        room[LENGTH].copy_from_slice(&u16::try_from(length).ok()?.to_be_bytes());
        let (parameter, rest) = room.split_at(length);
        let asap = if element.asap_transport.is_some() { &rest[..parameter_length(rest)] } else { &[] };
        if transport_use(asap) == TransportUse::CONTROL_ONLY.0 {
            // Pool users need it: their sessions have control there and data at the user transport.
            let all = length + asap.len();
            room[LENGTH].copy_from_slice(&u16::try_from(all).ok()?.to_be_bytes());
            return Some(Element::Long { wire: room[..all].into(), pool, asap_transport: Box::default() });
        }
        if length > INLINE {
            return Some(Element::Long { wire: parameter.into(), pool, asap_transport: asap.into() });
        }
        let mut wire = [0; INLINE];
        wire[..length].copy_from_slice(parameter);
        let asap_is_user_transport = !asap.is_empty() && asap == &parameter[user_transport(parameter)];
        let apart = !asap.is_empty() && !asap_is_user_transport;
        let asap_transport = apart.then(|| Box::new(Apart(asap.into())));
        Some(Element::Short { wire, pool, asap_is_user_transport, asap_transport })
    }

    pub(super) fn id(&self) -> PeId {
        PeId(word(&self.wire()[ID]))
    }

    pub(super) fn pool(&self) -> u32 {
        match self {
            Element::Short { pool, .. } | Element::Long { pool, .. } => *pool,
        }
    }

    pub(super) fn home(&self) -> ServerId {
        ServerId(word(&self.wire()[HOME]))
    }

    pub(super) fn set_home(&mut self, home: ServerId) {
        let wire: &mut [u8] = match self {
            Element::Short { wire, .. } => wire,
            Element::Long { wire, .. } => wire,
        };
        wire[HOME].copy_from_slice(&home.0.to_be_bytes());
    }

    pub(super) fn life(&self) -> i32 {
        word(&self.wire()[LIFE]).cast_signed()
    }

    /// The parameter as pool users get it, without ASAP Transport unless that is for their control. A multiple of 4 long.
    pub(super) fn for_pool_users(&self) -> &[u8] {
        let wire = self.wire();
        &wire[..parameter_length(wire)]
    }

    /// The Member Selection Policy parameter.
    pub(super) fn policy(&self) -> &[u8] {
        let parameter = self.for_pool_users();
        let policy = &parameter[user_transport(parameter).end..];
        &policy[..parameter_length(policy)]
    }

    /// The ASAP Transport that pool users get, too; mostly none.
    fn shown_asap_transport(&self) -> &[u8] {
        let parameter = self.for_pool_users();
        let rest = &parameter[user_transport(parameter).end..];
        &rest[parameter_length(rest)..]
    }

    /// Whether the policy's values are loads, which come and go.
    pub(super) fn is_adaptive(&self) -> bool {
        Policy::is_adaptive_type(self.policy_type())
    }

    pub(super) fn policy_type(&self) -> u32 {
        word(&self.policy()[4..8])
    }

    /// Appends the whole parameter, as registrars exchange it.
    pub(super) fn encode_whole(&self, out: &mut BytesMut) {
        let at = out.len();
        out.put_slice(self.for_pool_users());
        out.put_slice(self.asap_transport());
        let length = u16::try_from(out.len() - at).expect("Element::new checked the length");
        out[at..][LENGTH].copy_from_slice(&length.to_be_bytes());
    }

    pub(super) fn difference(&self, new: &Element) -> Difference {
        let (old_wire, new_wire) = (self.wire(), new.wire());
        Difference {
            home: old_wire[HOME] != new_wire[HOME],
            life: old_wire[LIFE] != new_wire[LIFE],
            user_transport: old_wire[user_transport(old_wire)] != new_wire[user_transport(new_wire)],
            policy: self.policy() != new.policy(),
            asap_transport: self.asap_transport() != new.asap_transport()
                || self.shown_asap_transport() != new.shown_asap_transport(),
        }
    }

    /// The ASAP Transport parameter, empty if there is none, or pool users get it, too.
    fn asap_transport(&self) -> &[u8] {
        match self {
            Element::Short { wire, asap_is_user_transport: true, .. } => &wire[user_transport(wire)],
            Element::Short { asap_transport, .. } => asap_transport.as_ref().map_or(&[], |apart| &apart.0),
            Element::Long { asap_transport, .. } => asap_transport,
        }
    }

    fn wire(&self) -> &[u8] {
        match self {
            Element::Short { wire, .. } => wire,
            Element::Long { wire, .. } => wire,
        }
    }
}

/// The Transport Use of a transport parameter, 0 if there is none.
fn transport_use(transport: &[u8]) -> u16 {
    transport.get(6..8).map_or(0, |it| u16::from_be_bytes([it[0], it[1]]))
}

/// The User Transport in a Pool Element parameter, with the padding after it.
fn user_transport(parameter: &[u8]) -> Range<usize> {
    USER_TRANSPORT..USER_TRANSPORT + parameter_length(&parameter[USER_TRANSPORT..]).next_multiple_of(4)
}

/// What a parameter says of its length. Of those kept only an Opaque Transport may be no multiple of 4.
fn parameter_length(parameter: &[u8]) -> usize {
    usize::from(u16::from_be_bytes([parameter[2], parameter[3]]))
}

fn word(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes.try_into().expect("callers pass 4 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_is_a_cache_line() {
        assert_eq!((size_of::<Option<Element>>(), align_of::<Element>()), (64, 64));
    }
}
