// SPDX-License-Identifier: MIT OR Apache-2.0
//! One fault at a time, and what must come of it.

use rsp_core::config::Profile;
use rsp_core::registrar::{Change, Event, Removal};
use rsp_core::session::Cause;
use rsp_wire::PeId;
use sim::world::{Host, Move, Plan, World, replay};

use crate::{REGISTRAR, USER, begin, check_ledgers, finish, ms};

/// For a few seeds: what is a matter of timing shows under some of them.
fn under_seeds(profiles: &[Profile], change: impl Fn(&mut Plan), scenario: impl Fn(&mut World)) {
    for profile in profiles {
        let mut plan = Plan { sessions: 3, ..Plan::of(*profile) };
        change(&mut plan);
        for seed in 0..SEEDS {
            replay(&plan, seed, &scenario);
        }
    }
}

fn no_failover(world: &World) {
    assert_eq!(moves(world), []);
    let reports: Vec<_> = world.user(USER).ledgers().flat_map(|ledger| ledger.reports.iter()).collect();
    assert!(reports.is_empty(), "{reports:?}");
}

fn moves(world: &World) -> Vec<Move> {
    world.user(USER).ledgers().flat_map(|ledger| ledger.failovers.iter().copied()).collect()
}

/// The pool element the first session is at.
fn serving(world: &World) -> Host {
    let target = world.user(USER).machines().next().and_then(|session| session.target()).expect("it is connected");
    let serves = |host: &Host| target.addresses.iter().any(|address| address.ip() == host.address());
    world.hosts().find(serves).expect("its host")
}

fn all_elements(world: &World) -> Vec<PeId> {
    let mut ids: Vec<PeId> = (0..world.plan.elements).map(|n| world.element(Host::Element(n)).id).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn without_a_fault_nothing_moves() {
    under_seeds(
        &Profile::ALL,
        |_| {},
        |world| {
            begin(world);
            finish(world, ms(10_000));
            no_failover(world);
            for ledger in world.user(USER).ledgers() {
                assert_eq!(ledger.stray, 0);
                assert!(ledger.longest() < ms(100), "{:?}", ledger.longest());
            }
        },
    );
}

#[test]
fn a_killed_server_is_left_at_once_and_a_hung_or_cut_one_when_its_heartbeats_are_missed() {
    let faults: [fn(&mut World, Host); 3] = [World::kill, World::stop, |world, element| world.cut(USER, element)];
    for (fault, cause) in faults.iter().zip([Cause::TransportLost, Cause::HeartbeatMissed, Cause::HeartbeatMissed]) {
        under_seeds(
            &[Profile::Fast, Profile::Standard],
            |plan| plan.workload.gap = ms(15),
            |world| {
                begin(world);
                world.run(ms(1_000));
                let (element, at) = (serving(world), world.now());
                fault(world, element);
                finish(world, ms(20_000));
                let first = moves(world)[0];
                assert_eq!(first.cause, cause);
                let settings = &world.plan.session;
                let bound = match cause {
                    Cause::TransportLost => ms(50),
                    // Silence counts from the last byte; connecting to another takes a moment.
                    _ => settings.dead_after(settings.heartbeat_interval) + ms(50),
                };
                assert!(first.at.since(at) <= bound, "{:?} after the fault", first.at.since(at));
            },
        );
    }
}

#[test]
fn a_registrar_that_restarts_empty_has_all_elements_back_within_a_second_and_no_session_moves() {
    under_seeds(
        &[Profile::Fast, Profile::Standard],
        |_| {},
        |world| {
            begin(world);
            world.run(ms(1_000));
            world.start(REGISTRAR);
            assert_eq!(world.pool_at(REGISTRAR), []);
            let back = world.run_while(ms(1_000), |world| world.pool_at(REGISTRAR) != all_elements(world));
            assert!(back.is_some(), "{:?}", world.pool_at(REGISTRAR));
            finish(world, ms(10_000));
            no_failover(world);
        },
    );
}

#[test]
fn after_an_outage_of_ten_seconds_the_elements_are_back_within_t5_doubled_as_often_and_no_session_moves() {
    under_seeds(
        &[Profile::Fast, Profile::Standard],
        |plan| plan.workload.gap = ms(40),
        |world| {
            begin(world);
            world.run(ms(1_000));
            world.kill(REGISTRAR);
            world.run(ms(10_000));
            world.start(REGISTRAR);
            // T5 doubles, so the pause before the next attempt is never longer than the outage was, and one T5 more.
            let bound = ms(10_000) + world.plan.endpoint.t5_server_hunt + ms(100);
            let back = world.run_while(bound, |world| world.pool_at(REGISTRAR) != all_elements(world));
            assert!(back.is_some(), "{:?}", world.pool_at(REGISTRAR));
            finish(world, ms(20_000));
            no_failover(world);
        },
    );
}

#[test]
fn a_pause_of_3_seconds_of_the_pool_user_the_registrar_or_an_application_moves_no_session() {
    let pauses: [fn(&mut World, bool); 4] = [
        |world, paused| if paused { world.stop(USER) } else { world.cont(USER) },
        |world, paused| if paused { world.stop(REGISTRAR) } else { world.cont(REGISTRAR) },
        |world, paused| world.stop_application(USER, paused),
        |world, paused| (0..3).for_each(|n| world.stop_application(Host::Element(n), paused)),
    ];
    for pause in pauses {
        under_seeds(
            &[Profile::Fast, Profile::Standard],
            |_| {},
            |world| {
                begin(world);
                world.run(ms(1_000));
                pause(world, true);
                world.run(ms(3_000));
                pause(world, false);
                finish(world, ms(10_000));
                no_failover(world);
                assert_eq!(world.pool_at(REGISTRAR), all_elements(world));
            },
        );
    }
}

#[test]
fn a_hung_element_is_removed_within_an_interval_and_a_half_and_the_timeout_and_is_back_when_it_wakes() {
    under_seeds(
        &[Profile::Fast, Profile::Standard],
        |_| {},
        |world| {
            begin(world);
            world.run(ms(1_000));
            let (element, before) = (Host::Element(1), world.pool_at(REGISTRAR));
            let id = world.element(element).id;
            world.stop(element);
            let settings = &world.plan.registrar;
            let bound = settings.keep_alive_interval.mul_f64(1.5) + settings.keep_alive_timeout + ms(20);
            let removed = world.run_while(bound, |world| world.pool_at(REGISTRAR).contains(&id));
            assert!(removed.is_some(), "still there after {bound:?}");
            world.run(ms(2_000));
            world.cont(element);
            let back = world.run_while(ms(100), |world| world.pool_at(REGISTRAR) != before);
            assert!(back.is_some(), "{:?}", world.pool_at(REGISTRAR));
            finish(world, ms(20_000));
        },
    );
}

#[test]
fn an_element_cut_off_from_the_registrar_is_removed_and_back_when_the_wire_is_mended() {
    under_seeds(
        &[Profile::Fast, Profile::Standard],
        |_| {},
        |world| {
            begin(world);
            world.run(ms(1_000));
            let (element, before) = (Host::Element(1), world.pool_at(REGISTRAR));
            let id = world.element(element).id;
            world.cut(REGISTRAR, element);
            let settings = &world.plan.registrar;
            let bound = settings.keep_alive_interval.mul_f64(1.5) + settings.keep_alive_timeout + ms(20);
            let removed = world.run_while(bound, |world| world.pool_at(REGISTRAR).contains(&id));
            assert!(removed.is_some(), "still there after {bound:?}");
            world.heal(REGISTRAR, element);
            // T5 of its hunt has doubled meanwhile.
            let back = world.run_while(bound, |world| world.pool_at(REGISTRAR) != before);
            assert!(back.is_some(), "{:?}", world.pool_at(REGISTRAR));
            finish(world, ms(20_000));
            // It served all the time: a registrar's word alone moves nobody.
            no_failover(world);
        },
    );
}

#[test]
fn an_element_that_three_users_report_leaves_the_pool_though_it_answers_and_is_back_with_its_next_registration() {
    under_seeds(
        &[Profile::Fast],
        |plan| (plan.users, plan.workload.requests, plan.workload.gap) = (3, 200, ms(20)),
        |world| {
            begin(world);
            world.run(ms(1_000));
            let (element, before) = (serving(world), world.pool_at(REGISTRAR));
            let id = world.element(element).id;
            (0..3).for_each(|n| world.cut(Host::User(n), element));
            let session = &world.plan.session;
            let bound = session.dead_after(session.heartbeat_interval) + ms(100);
            let removed = world.run_while(bound, |world| world.pool_at(REGISTRAR).contains(&id));
            assert!(removed.is_some(), "still there after {bound:?}");
            assert_eq!(removals(world, id), [Removal::Reported]);
            (0..3).for_each(|n| world.heal(Host::User(n), element));
            finish(world, ms(20_000));
            // T4 of a life of 30 s.
            let back = world.run_while(ms(15_000), |world| world.pool_at(REGISTRAR) != before);
            assert!(back.is_some(), "{:?}", world.pool_at(REGISTRAR));
        },
    );
}

#[test]
fn when_the_home_registrar_dies_everybody_changes_to_the_other_and_no_session_notices() {
    let other = Host::Registrar(1);
    under_seeds(
        &[Profile::Fast, Profile::Standard],
        |plan| plan.registrars = 2,
        |world| {
            world.kill(other);
            begin(world);
            world.run(ms(1_000));
            world.start(other);
            assert_eq!(world.pool_at(other), []);
            world.kill(REGISTRAR);
            let moved = world.run_while(ms(1_000), |world| world.pool_at(other) != all_elements(world));
            assert!(moved.is_some(), "{:?}", world.pool_at(other));
            let home = |world: &World| world.user(USER).endpoint.home().map(|home| home.address.ip());
            assert_eq!(home(world), Some(other.address()));
            finish(world, ms(10_000));
            no_failover(world);

            // It is really used: a killed server's sessions find another one by it.
            let element = serving(world);
            world.kill(element);
            world.run(ms(2_000));
            check_ledgers(world);
            assert!(!moves(world).is_empty());
        },
    );
}

#[test]
fn when_the_home_registrar_hangs_elements_change_to_the_other_at_their_next_word_and_no_session_notices() {
    let other = Host::Registrar(1);
    under_seeds(
        &[Profile::Fast, Profile::Standard],
        |plan| plan.registrars = 2,
        |world| {
            world.kill(other);
            begin(world);
            world.run(ms(1_000));
            world.start(other);
            world.stop(REGISTRAR);
            // The mapping's heartbeat, 1 s x 3, says so; then a hunt.
            let bound = ms(3_000 + 1_000) + world.plan.endpoint.t5_server_hunt;
            let moved = world.run_while(bound, |world| world.pool_at(other) != all_elements(world));
            assert!(moved.is_some(), "{:?}", world.pool_at(other));
            finish(world, ms(10_000));
            no_failover(world);
        },
    );
}

#[test]
fn a_drained_element_leaves_without_a_loss_and_without_a_report() {
    under_seeds(
        &[Profile::Fast, Profile::Standard],
        |plan| plan.workload.window = 8,
        |world| {
            begin(world);
            world.run(ms(1_000));
            let element = serving(world);
            let id = world.element(element).id;
            world.drain(element);
            let left = world.run_while(ms(1_000), |world| !world.element(element).left);
            assert!(left.is_some(), "{} sessions are still there", world.element(element).session_count());
            assert!(!world.pool_at(REGISTRAR).contains(&id));
            finish(world, ms(10_000));
            let reports: Vec<_> = world.user(USER).ledgers().flat_map(|ledger| ledger.reports.iter()).collect();
            assert!(reports.is_empty(), "{reports:?}");
            assert!(moves(world).iter().all(|it| it.from == id && it.cause == Cause::Drain), "{:?}", moves(world));
            let removals: Vec<Removal> = removals(world, id);
            assert_eq!(removals, [Removal::Deregistered]);
            // Nobody asked anything twice.
            assert!(world.user(USER).ledgers().all(|ledger| ledger.stray == 0 && ledger.longest() < ms(200)));
        },
    );
}

#[test]
fn elements_drained_one_after_the_other_while_others_join_lose_nothing() {
    under_seeds(
        &[Profile::Fast],
        |plan| plan.workload.requests = 800,
        |world| {
            begin(world);
            for round in 0..6 {
                world.run(ms(500));
                let element = Host::Element(round % 3);
                world.drain(element);
                world.run(ms(300));
                assert!(world.element(element).left);
                world.start(element);
            }
            finish(world, ms(10_000));
            assert!(moves(world).iter().all(|it| it.cause == Cause::Drain), "{:?}", moves(world));
        },
    );
}

fn removals(world: &World, id: PeId) -> Vec<Removal> {
    let removal = |event: &Event| match event {
        Event::HandlespaceChanged { pe, change: Change::Removed(reason), .. } if *pe == id => Some(*reason),
        _ => None,
    };
    world.registrar(REGISTRAR).events.iter().filter_map(|(_, event)| removal(event)).collect()
}

const SEEDS: u64 = 6;
