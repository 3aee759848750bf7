// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is read as a usual resolution is what the decoder for everything reads.

use bytes::Bytes;
use proptest::prelude::*;
use rsp_wire::asap::{HandleResolution, Message, UsualResolution};
use rsp_wire::{Dialect, PoolHandle};

proptest! {
    #[test]
    fn a_usual_resolution_is_read_as_the_decoder_reads_it(
        handle in proptest::collection::vec(any::<u8>(), 1..40), items in any::<Option<u32>>(), subscribe in any::<bool>()
    ) {
        let pool_handle = PoolHandle::new(handle.clone());
        let message = Message::from(HandleResolution { subscribe, pool_handle, items, unknown: vec![] });
        let bytes = message.to_bytes(Dialect::STANDARD).expect("it is short");
        let usual = UsualResolution { pool_handle: &handle, items };
        prop_assert_eq!(UsualResolution::read(&bytes), (!subscribe).then_some(usual));
    }

    #[test]
    fn whatever_is_read_so_the_decoder_reads_so_too(
        cut in 0usize..40, changes in proptest::collection::vec((0usize..40, any::<u8>()), 0..4)
    ) {
        let mut bytes = b"\x05\0\0\x1c\0\x09\0\x0eNoSuchPool\0\0\x80\x3f\0\x08\0\0\0\x01\0\0\0\0".to_vec();
        for (at, value) in changes {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        bytes.truncate(if cut < 4 { 28 } else { cut });
        if let Some(usual) = UsualResolution::read(&bytes) {
            let decoded = Message::decode(&Bytes::copy_from_slice(&bytes)).expect("a usual one is sound");
            prop_assert!(decoded.unrecognized().is_none());
            let pool_handle = PoolHandle::new(usual.pool_handle.to_vec());
            let message = HandleResolution { subscribe: false, pool_handle, items: usual.items, unknown: vec![] };
            prop_assert_eq!(decoded.message, message.into());
        }
    }
}

#[test]
fn rsplibs_bytes_are_usual() {
    let usual = UsualResolution { pool_handle: b"NoSuchPool", items: Some(1) };
    assert_eq!(UsualResolution::read(b"\x05\0\0\x1c\0\x09\0\x0eNoSuchPool\0\0\x80\x3f\0\x08\0\0\0\x01"), Some(usual));
}
