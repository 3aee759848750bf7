// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sessions under load while everything around them crashes, hangs and is cut off at random times.

use std::ops::Range;
use std::time::Duration;

use machine::Time;
use rsp_core::config::Profile;
use sim::network::NetworkBox;
use sim::world::{Host, Plan, World, replay};

use crate::{USER, begin, check_ledgers, finish, ms};

/// What is to be undone, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Killed(Host),
    Stopped(Host),
    Cut(Host, Host),
    Deaf(Host),
    Drained(Host),
    Forced,
}

#[test]
fn every_request_is_answered_exactly_once_whatever_fails() {
    for seed in seeds(SEEDS) {
        replay(&plan(Profile::Fast, seed), seed, |world| scenario(world, ms(4_000), ms(2_500)));
    }
}

#[test]
fn every_request_is_answered_exactly_once_whatever_fails_with_the_standard_profile() {
    for seed in seeds(SEEDS / 5) {
        replay(&plan(Profile::Standard, seed), seed, |world| scenario(world, ms(20_000), ms(10_000)));
    }
}

/// From 0, or as the environment says: `SIM_SEEDS=FIRST..END`.
fn seeds(count: u64) -> Range<u64> {
    let range = std::env::var("SIM_SEEDS").ok().map(|text| {
        let (first, end) = text.split_once("..").expect("SIM_SEEDS=FIRST..END");
        first.parse().expect("a number")..end.parse().expect("a number")
    });
    range.unwrap_or(0..count)
}

fn plan(profile: Profile, seed: u64) -> Plan {
    let mut plan = Plan { elements: 2 + (seed % 3) as u16, sessions: 2, ..Plan::of(profile) };
    if seed % 4 == 1 {
        plan.boxes.push(NetworkBox::Mtu(1_400));
        plan.boxes.push(NetworkBox::Loss(20, ms(40)));
        plan.workload.large = 40_000;
    }
    if seed % 4 == 2 {
        plan.workload.callback = Some(ms(seed % 50));
    }
    if seed % 4 == 3 {
        // More than a receive window is on its way at once.
        (plan.workload.large, plan.workload.large_every, plan.workload.window) = (60_000, 2, 64);
    }
    plan.fixed_ids = seed.is_multiple_of(3);
    if profile == Profile::Standard {
        plan.workload.gap = ms(50);
    }
    plan
}

/// For `trouble` something fails every now and then, each time for at most `longest`, which is less than `give_up`. Then all is well.
fn scenario(world: &mut World, trouble: Duration, longest: Duration) {
    begin(world);
    // A session that never reached a PE tells its application at once; one that did never gives up early.
    let connected = |world: &World| world.user(USER).machines().all(|session| session.target().is_some());
    assert!(world.run_while(ms(1_000), |world| !connected(world)).is_some(), "not connected");
    let end = world.now() + trouble;
    let mut faults: Vec<(Time, Fault)> = Vec::new();
    while world.now() < end {
        let step = ms(20 + world.rng.below(trouble.as_millis() as u64 / 10));
        pass(world, step, &mut faults);
        let fault = draw(world);
        if faults.iter().all(|(_, other)| !disturbs(*other, fault)) {
            begin_fault(world, fault);
            let time = ms(10 + world.rng.below(longest.as_millis() as u64));
            faults.push((world.now() + time, fault));
        }
        check_ledgers(world);
    }
    while !faults.is_empty() {
        pass(world, ms(100), &mut faults);
    }
    finish(world, ms(30_000));
}

/// Lets time pass and undoes what is due.
fn pass(world: &mut World, time: Duration, faults: &mut Vec<(Time, Fault)>) {
    let end = world.now() + time;
    while world.now() < end {
        let next = faults.iter().map(|(until, _)| *until).min().filter(|until| *until < end).unwrap_or(end);
        world.run(next.since(world.now()));
        faults.retain(|(until, fault)| {
            let over = *until <= world.now();
            if over {
                end_fault(world, *fault);
            }
            !over
        });
    }
}

fn draw(world: &mut World) -> Fault {
    let element = Host::Element(world.rng.below(world.plan.elements.into()) as u16);
    let registrar = Host::Registrar(world.rng.below(world.plan.registrars.into()) as u16);
    match world.rng.below(18) {
        0..=3 => Fault::Killed(element),
        4..=6 => Fault::Stopped(element),
        7..=9 => Fault::Cut(USER, element),
        10 => Fault::Deaf(element),
        11 => Fault::Killed(registrar),
        12 => Fault::Stopped(registrar),
        13 => Fault::Cut(registrar, element),
        14 => Fault::Cut(registrar, USER),
        15 => Fault::Drained(element),
        16 => Fault::Forced,
        _ => Fault::Stopped(USER),
    }
}

fn disturbs(one: Fault, other: Fault) -> bool {
    let host = |fault| match fault {
        Fault::Killed(host) | Fault::Stopped(host) | Fault::Deaf(host) | Fault::Drained(host) => Some(host),
        Fault::Cut(..) | Fault::Forced => None,
    };
    one == other || host(one).is_some_and(|one| host(other) == Some(one))
}

fn begin_fault(world: &mut World, fault: Fault) {
    match fault {
        Fault::Killed(host) => world.kill(host),
        Fault::Stopped(host) => world.stop(host),
        Fault::Cut(a, b) => world.cut(a, b),
        Fault::Deaf(host) => world.stop_application(host, true),
        Fault::Drained(host) => world.drain(host),
        Fault::Forced => world.force_failover(USER, false),
    }
}

fn end_fault(world: &mut World, fault: Fault) {
    match fault {
        Fault::Killed(host) | Fault::Drained(host) => world.start(host),
        Fault::Stopped(host) => world.cont(host),
        Fault::Cut(a, b) => world.heal(a, b),
        Fault::Deaf(host) => world.stop_application(host, false),
        Fault::Forced => {}
    }
}

/// One seed takes some 10 ms.
const SEEDS: u64 = 300;
