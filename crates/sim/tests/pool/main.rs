// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pools in virtual time: what a failing server, registrar, network or application does to sessions, and what it must not do.

mod faults;
mod random;

use std::time::Duration;

use sim::world::{Host, World};

pub(crate) const REGISTRAR: Host = Host::Registrar(0);
pub(crate) const USER: Host = Host::User(0);

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The pool elements join, then the pool user starts.
pub(crate) fn begin(world: &mut World) {
    let elements = usize::from(world.plan.elements);
    let joined = world.run_while(ms(5_000), |world| world.pool_at(REGISTRAR).len() < elements);
    assert!(joined.is_some(), "not all pool elements have joined: {:?}", world.pool_at(REGISTRAR));
    for user in 0..world.plan.users {
        world.start(Host::User(user));
    }
}

/// Every request was answered to the application once, every send has one outcome, and no session has ended.
pub(crate) fn check_ledgers(world: &World) {
    for user in (0..world.plan.users).map(Host::User) {
        for (ledger, session) in world.user(user).ledgers().zip(1..) {
            assert!(ledger.wrong.is_empty(), "{user} session {session}: {:?}", ledger.wrong);
            assert_eq!(ledger.ended, None, "{user} session {session} has ended");
            assert!(ledger.returned.is_empty(), "{user} session {session}: {:?}", ledger.returned);
        }
    }
}

/// Runs until all is asked and answered.
pub(crate) fn finish(world: &mut World, most: Duration) {
    let users = world.plan.users;
    let done = world.run_while(most, |world| !(0..users).map(Host::User).all(|user| world.user(user).is_done()));
    check_ledgers(world);
    let open = |user| {
        let ledgers = world.user(user).ledgers().map(|ledger| (ledger.asked(), ledger.outstanding()));
        ledgers.collect::<Vec<_>>()
    };
    assert!(done.is_some(), "asked and unanswered after {most:?}: {:?}", open(USER));
}
