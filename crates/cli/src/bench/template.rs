// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages encoded once, of which only what differs is written anew.

use anyhow::Context;
use rsp_wire::asap::Message;
use rsp_wire::{Dialect, PoolHandle};

/// An encoded message with places in it to write to.
#[derive(Debug, Clone)]
pub(super) struct Template {
    bytes: Vec<u8>,
    handle: usize,
}

impl Template {
    /// A message about the pool [`pool_handle`]`(0)`.
    pub(super) fn new(message: impl Into<Message>, dialect: Dialect) -> anyhow::Result<Self> {
        let bytes = message.into().to_bytes(dialect)?.to_vec();
        let handle = find(&bytes, &name(0)).context("the message names no pool")?;
        Ok(Template { bytes, handle })
    }

    /// Where these bytes are.
    pub(super) fn place_of(&self, bytes: &[u8]) -> anyhow::Result<usize> {
        find(&self.bytes, bytes).context("the message doesn't hold them")
    }

    /// From now on it is about this pool.
    pub(super) fn set_pool(&mut self, pool: u32) -> &mut Self {
        self.bytes[self.handle..self.handle + NAME].copy_from_slice(&name(pool));
        self
    }

    /// Writes a number at a place.
    pub(super) fn set_u32(&mut self, place: usize, number: u32) -> &mut Self {
        self.bytes[place..place + 4].copy_from_slice(&number.to_be_bytes());
        self
    }

    /// Writes a number of two bytes at a place.
    pub(super) fn set_u16(&mut self, place: usize, number: u16) -> &mut Self {
        self.bytes[place..place + 2].copy_from_slice(&number.to_be_bytes());
        self
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The handle of the pool with this number.
pub(super) fn pool_handle(pool: u32) -> PoolHandle {
    PoolHandle::new(name(pool).to_vec())
}

/// Whether a message whose first parameter is a Pool Handle names this pool, as all answers of a registrar do.
pub(super) fn names(message: &[u8], pool: u32) -> bool {
    message.get(8..8 + NAME) == Some(&name(pool)[..]) && message[4..8] == [0, 9, 0, 4 + NAME as u8]
}

/// The PE Identifier parameter behind the Pool Handle of an answer.
pub(super) fn pe_id(message: &[u8]) -> Option<u32> {
    let rest = message.get(8 + NAME..16 + NAME)?;
    (rest[..4] == [0, 0xe, 0, 8]).then(|| u32::from_be_bytes([rest[4], rest[5], rest[6], rest[7]]))
}

fn name(pool: u32) -> [u8; NAME] {
    let mut name = *b"b0000000";
    let mut rest = pool;
    for digit in name[1..].iter_mut().rev() {
        *digit = b"0123456789abcdef"[rest as usize & 15];
        rest >>= 4;
    }
    name
}

/// Where these bytes are first.
pub(super) fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// Length of a handle.
const NAME: usize = 8;

#[cfg(test)]
mod tests {
    use rsp_wire::PeId;
    use rsp_wire::asap::RegistrationResponse;

    use super::*;

    #[test]
    fn what_is_written_into_a_template_is_read_from_the_message() {
        let response = |pool, pe| RegistrationResponse {
            reject: false,
            pool_handle: pool_handle(pool),
            pe_id: PeId(pe),
            error: None,
            unknown: Vec::new(),
        };
        let mut template = Template::new(response(0, 0xa5a5_a5a5), Dialect::STANDARD).unwrap();
        let pe = template.place_of(&[0xa5; 4]).unwrap();
        let bytes = template.set_pool(0x1f_00c7).set_u32(pe, 7).bytes();
        let expected = Message::from(response(0x1f_00c7, 7)).to_bytes(Dialect::STANDARD).unwrap();
        assert_eq!(bytes, &expected[..]);
        assert!(names(bytes, 0x1f_00c7) && !names(bytes, 0));
        assert_eq!(pe_id(bytes), Some(7));
        assert!(!names(&bytes[..9], 0) && pe_id(&bytes[..20]).is_none());
    }
}
