// SPDX-License-Identifier: MIT OR Apache-2.0
//! What decoding asks of the allocator. One test, so that no other thread's allocations are counted.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::{Bytes, BytesMut};
use rsp_wire::{Dialect, PoolHandle, asap, message_length};

struct Counting;

static CALLS: AtomicUsize = AtomicUsize::new(0);
static BYTES: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system allocator unchanged; counting does not touch the memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.fetch_add(1, Relaxed);
        BYTES.fetch_add(layout.size(), Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `System.alloc` with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations<T>(work: impl FnOnce() -> T) -> (usize, usize) {
    let (calls, bytes) = (CALLS.load(Relaxed), BYTES.load(Relaxed));
    black_box(work());
    (CALLS.load(Relaxed) - calls, BYTES.load(Relaxed) - bytes)
}

#[test]
fn a_handle_resolution_costs_no_allocation_and_nothing_costs_more_than_its_bytes_are_worth() {
    let resolution = asap::Message::from(asap::HandleResolution {
        subscribe: true,
        pool_handle: PoolHandle::from("EchoPool"),
        items: Some(3),
        unknown: Vec::new(),
    });
    let mut out = BytesMut::with_capacity(4096);
    let (calls, _) = allocations(|| resolution.encode(Dialect::STANDARD, &mut out).expect("it is short"));
    assert_eq!(calls, 0, "encoding into a buffer with room");

    // A receive buffer is shared among the messages in it; sharing it the first time is not decoding's doing.
    let received = out.split().freeze();
    let keeps_it_shared = received.clone();
    assert_eq!(message_length(&received), Some(received.len()));
    let (calls, _) = allocations(|| asap::Message::decode(&received).expect("it is sound"));
    assert_eq!(calls, 0, "decoding");
    drop(keeps_it_shared);

    // The worst are parameters of no bytes that ask for a report: a type and a length on the wire, two handles in memory.
    let mut hostile = vec![0x0e, 0, 0xff, 0xfc];
    while hostile.len() < 65_532 {
        hostile.extend_from_slice(b"\xc0\x99\0\x04");
    }
    hostile[0] = 0x05;
    hostile[4..12].copy_from_slice(b"\0\x09\0\x05p\0\0\0");
    let hostile = Bytes::from(hostile);
    let (_, bytes) = allocations(|| asap::Message::decode(&hostile).expect("it is sound"));
    assert!(bytes <= 64 * hostile.len(), "{bytes} bytes allocated for {} received", hostile.len());
}
