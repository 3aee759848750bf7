// SPDX-License-Identifier: MIT OR Apache-2.0
//! The in-memory numbers of `docs/performance.md`: CPU time per operation and bytes per PE, beside what this machine's
//! memory allows at all (rows "floor").
//!
//! `cargo bench -p rsp-core --bench handlespace [-- FILTER]`. Each number is the median of five runs, in CPU time of this
//! thread, so that others on the machine disturb it little. Every pool is churned first: half its PEs leave in random order
//! and come back, so that the order of selection is not the order in memory.

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::HashMap;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::BytesMut;
use machine::Rng;
use nix::time::{ClockId, clock_gettime};
use rsp_core::config::Limits;
use rsp_core::handlespace::{Advance, Handlespace, Resolution};
use rsp_wire::parameter::{Policy, PoolElement, Protocol, RegistrationLife, Transport, TransportUse, UserTransport};
use rsp_wire::{PeId, PoolHandle, ServerId};
use smallvec::smallvec;

const SIZES: [u32; 5] = [100, 1_000, 10_000, 100_000, 1_000_000];
const HOME: ServerId = ServerId(0x1111_1111);

fn main() {
    let filter = std::env::args().skip(1).find(|arg| !arg.starts_with('-')).unwrap_or_default();
    let wanted = |name: &str| name.contains(&filter);
    println!("{:<44} {:>9} {:>10} {:>10}", "operation", "PEs", "median ns", "min ns");
    if wanted("floor") {
        SIZES.iter().for_each(|&n| floor(n));
    }
    for (name, policy) in POLICIES {
        if wanted(name) {
            SIZES.iter().for_each(|&n| select_one(name, n, policy));
        }
    }
    if wanted("resolve 3") {
        resolve_three_of_many_pools();
    }
    for (name, policy) in [("re-register, LU", POLICIES[2].1), ("re-register, RR", POLICIES[0].1)] {
        if wanted(name) {
            SIZES.iter().for_each(|&n| re_register(name, n, policy));
        }
    }
    if wanted("deregister + register") {
        SIZES.iter().for_each(|&n| leave_and_join(n));
    }
    println!("{:<44} {:>9} {:>10}", "bytes kept, one pool, one IPv4 address", "PEs", "bytes/PE");
    for (name, policy) in POLICIES {
        if wanted("bytes") {
            [100_000, 700_000, 1_000_000].iter().for_each(|&n| memory(name, n, policy));
        }
    }
}

type Draw = fn(&mut Rng) -> Policy;

const POLICIES: [(&str, Draw); 10] = [
    ("select RR", |_| Policy::RoundRobin),
    ("select PRIO", |rng| Policy::Priority { priority: rng.below(100) as u32 }),
    ("select LU", |rng| Policy::LeastUsed { load: rng.next_u32() }),
    ("select LU, loads in whole percent", |rng| Policy::LeastUsed { load: rng.below(100) as u32 * (u32::MAX / 100) }),
    ("select LUD", |rng| Policy::LeastUsedDegradation { load: rng.next_u32(), degradation: 1 << 24 }),
    ("select PLU", |rng| Policy::PriorityLeastUsed { load: rng.next_u32(), degradation: rng.next_u32() }),
    ("select RAND", |_| Policy::Random),
    ("select WRAND", |rng| Policy::WeightedRandom { weight: 1 + rng.below(100) as u32 }),
    ("select RLU", |rng| Policy::RandomizedLeastUsed { load: rng.next_u32() }),
    ("select WRR", |rng| Policy::WeightedRoundRobin { weight: 1 + rng.below(100) as u32 }),
];

/// What nobody can avoid: finding a 13-byte handle by SipHash, and going from one cache line to another at random.
fn floor(n: u32) {
    let mut rng = Rng::new(1);
    let handles: Vec<PoolHandle> = (0..n).map(|i| format!("pool-{i:08}").into()).collect();
    let map: HashMap<&[u8], u32> = handles.iter().map(PoolHandle::as_bytes).zip(0..).collect();
    report("floor: HashMap get, 13-byte handle", n, 1_000_000, |_| {
        map[handles[rng.below(u64::from(n)) as usize].as_bytes()]
    });
    // A ring through all lines in random order: each read must wait for the one before.
    let mut order: Vec<u32> = (0..n).collect();
    (1..order.len()).rev().for_each(|at| order.swap(at, rng.below(at as u64 + 1) as usize));
    let mut lines = vec![[0u32; 16]; n as usize];
    order.iter().zip(order.iter().cycle().skip(1)).for_each(|(&from, &to)| lines[from as usize][0] = to);
    let mut at = 0;
    report("floor: from one cache line to another", n, 1_000_000, |_| {
        at = lines[at as usize][0];
        at
    });
}

fn select_one(name: &str, n: u32, policy: Draw) {
    let handle = PoolHandle::from("pool-00000001");
    let (mut space, _) = churned(n, policy);
    // Enough to walk through a pool once.
    report(name, n, 2_000_000, |_| space.select_one(black_box(&handle)).map_or(0, |slot| slot.0));
}

fn resolve_three_of_many_pools() {
    let mut rng = Rng::new(3);
    let mut space = Handlespace::new(Limits::default(), 256, 1);
    let handles: Vec<PoolHandle> = (0..10_000).map(|i| format!("pool-{i:08}").into()).collect();
    for _ in 0..10 {
        for handle in &handles {
            space.register(handle, &pe(rng.next_u32(), Policy::RoundRobin), HOME).expect("consistent");
        }
    }
    let how = Resolution { items: 3, advance: Advance::Yes, accept_updates: false, max_message: 65_519 };
    let mut out = BytesMut::with_capacity(4096);
    report("resolve 3 of 10,000 pools of 10, encoded", 100_000, 1_000_000, |_| {
        out.clear();
        let handle = &handles[rng.below(10_000) as usize];
        space.resolve(black_box(handle).as_bytes(), how, &mut out).map_or(0, |count| count as u32 + u32::from(out[3]))
    });
}

fn re_register(name: &str, n: u32, policy: Draw) {
    let handle = PoolHandle::from("pool-00000001");
    let (mut space, ids) = churned(n, policy);
    let mut rng = Rng::new(9);
    let mut element = pe(0, policy(&mut rng));
    report(name, n, 500_000, |_| {
        element.id = PeId(ids[rng.below(u64::from(n)) as usize]);
        element.policy = policy(&mut rng);
        space.register(black_box(&handle), black_box(&element), HOME).map_or(0, |registered| registered.slot.0)
    });
}

fn leave_and_join(n: u32) {
    let handle = PoolHandle::from("pool-00000001");
    let policy = POLICIES[2].1;
    let (mut space, mut ids) = churned(n, policy);
    let mut rng = Rng::new(9);
    let mut element = pe(0, policy(&mut rng));
    report("deregister + register, LU", n, 500_000, |_| {
        let at = rng.below(u64::from(n)) as usize;
        space.deregister(black_box(&handle), PeId(ids[at])).expect("it is there");
        ids[at] = std::iter::repeat_with(|| rng.next_u32())
            .find(|&id| space.find(&handle, PeId(id)).is_none())
            .expect("there are more identifiers than PEs");
        element.id = PeId(ids[at]);
        element.policy = policy(&mut rng);
        space.register(&handle, black_box(&element), HOME).map_or(0, |registered| registered.slot.0)
    });
}

fn memory(name: &str, n: u32, policy: Draw) {
    let before = Counting::now();
    let (space, ids) = churned(n, policy);
    drop(ids);
    let bytes = Counting::now() - before;
    println!("{:<44} {n:>9} {:>10.1}", name.trim_start_matches("select "), bytes as f64 / f64::from(n));
    drop(space);
}

fn churned(n: u32, policy: Draw) -> (Handlespace, Vec<u32>) {
    let handle = PoolHandle::from("pool-00000001");
    let mut rng = Rng::new(u64::from(n));
    let limits = Limits { pool_elements: usize::MAX, pool_elements_per_pool: usize::MAX, ..Limits::default() };
    let mut space = Handlespace::new(limits, 256, 1);
    let mut ids: Vec<u32> = Vec::with_capacity(n as usize);
    let register = |space: &mut Handlespace, rng: &mut Rng, ids: &mut Vec<u32>| {
        while ids.len() < n as usize {
            let id = rng.next_u32();
            let known = space.element_count();
            space.register(&handle, &pe(id, policy(rng)), HOME).expect("consistent");
            if space.element_count() > known {
                ids.push(id);
            }
        }
    };
    register(&mut space, &mut rng, &mut ids);
    while ids.len() > n as usize / 2 {
        let id = ids.swap_remove(rng.below(ids.len() as u64) as usize);
        space.deregister(&handle, PeId(id)).expect("it is there");
    }
    register(&mut space, &mut rng, &mut ids);
    (space, ids)
}

fn pe(id: u32, policy: Policy) -> PoolElement {
    let address = IpAddr::V4(Ipv4Addr::from(0x0a00_0000 | id & 0xff_ffff));
    let transport = |port| Transport {
        protocol: Protocol::Tcp,
        port,
        transport_use: TransportUse::DATA_PLUS_CONTROL,
        addresses: smallvec![address],
    };
    PoolElement {
        id: PeId(id),
        home: ServerId::NONE,
        life: RegistrationLife(300),
        user_transport: UserTransport::Ip(transport(7000)),
        policy,
        asap_transport: Some(transport(7000)),
        unknown: vec![],
    }
}

fn report(name: &str, n: u32, operations: u32, mut operation: impl FnMut(u32) -> u32) {
    let mut runs: Vec<f64> = (0..6)
        .map(|_| {
            let start = cpu_ns();
            let sum = (0..operations).fold(0u32, |sum, i| sum.wrapping_add(operation(i)));
            black_box(sum);
            (cpu_ns() - start) / f64::from(operations)
        })
        .skip(1)
        .collect();
    runs.sort_by(f64::total_cmp);
    println!("{name:<44} {n:>9} {:>10.1} {:>10.1}", runs[2], runs[0]);
}

fn cpu_ns() -> f64 {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("Linux has this clock");
    time.tv_sec() as f64 * 1e9 + time.tv_nsec() as f64
}

/// The system's allocator, counting the bytes it was asked for.
struct Counting;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static COUNTING: Counting = Counting;

impl Counting {
    fn now() -> usize {
        ALLOCATED.load(Ordering::Relaxed)
    }
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}
