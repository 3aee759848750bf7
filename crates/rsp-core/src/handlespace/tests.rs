// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tests of the handlespace.

use std::net::{IpAddr, Ipv4Addr};

use bytes::{Bytes, BytesMut};
use rsp_wire::parameter::{
    ErrorCause, Policy, PoolElement, Protocol, RegistrationLife, Transport, TransportUse, UserTransport,
};
use rsp_wire::{PeId, PoolHandle, ServerId};
use smallvec::smallvec;

use super::*;

const HOME: ServerId = ServerId(0x1111_1111);

fn space() -> Handlespace {
    Handlespace::new(Limits::default(), 256, 1)
}

fn tcp(port: u16) -> Transport {
    let addresses = smallvec![IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2))];
    Transport { protocol: Protocol::Tcp, port, transport_use: TransportUse::DATA_PLUS_CONTROL, addresses }
}

fn pe(id: u32, policy: Policy) -> PoolElement {
    PoolElement {
        id: PeId(id),
        home: ServerId::NONE,
        life: RegistrationLife(300),
        user_transport: UserTransport::Ip(tcp(7000)),
        policy,
        asap_transport: None,
        unknown: vec![],
    }
}

fn echo() -> PoolHandle {
    PoolHandle::from("echo")
}

fn all(items: u32) -> Resolution {
    Resolution { items, advance: Advance::No, accept_updates: false, max_message: 65_535 }
}

//= https://www.rfc-editor.org/rfc/rfc5352#section-3.1
//= type=test
//# If
//# different, the ENRP server MUST reject the registration.
#[test]
fn what_differs_from_the_pool_is_rejected_with_its_own_cause() {
    let mut space = space();
    space.register(&echo(), &pe(1, Policy::RoundRobin), HOME).expect("the first PE makes the pool");
    for id in [1, 2] {
        // The second test is the same for a re-registration, even of the pool's only PE.
        let other_policy = pe(id, Policy::Random);
        assert_eq!(
            space.register(&echo(), &other_policy, HOME),
            Err(ErrorCause::InconsistentPoolPolicy(Some(Policy::RoundRobin)))
        );
        let mut other_type = pe(id, Policy::RoundRobin);
        other_type.user_transport = UserTransport::Ip(Transport { protocol: Protocol::Sctp, ..tcp(7000) });
        let cause = space.register(&echo(), &other_type, HOME).expect_err("TCP is not SCTP");
        assert!(
            matches!(&cause, ErrorCause::InconsistentTransportType(Some(t)) if t.protocol == Protocol::Tcp),
            "{cause:?}"
        );
        let mut opaque = pe(id, Policy::RoundRobin);
        opaque.user_transport = UserTransport::Opaque(Bytes::from_static(b"x25:1"));
        let cause = space.register(&echo(), &opaque, HOME).expect_err("TCP is not opaque");
        assert!(matches!(cause, ErrorCause::InconsistentTransportType(Some(_))), "{cause:?}");
        let mut other_use = pe(id, Policy::RoundRobin);
        other_use.user_transport = UserTransport::Ip(Transport { transport_use: TransportUse::DATA_ONLY, ..tcp(7000) });
        assert_eq!(space.register(&echo(), &other_use, HOME), Err(ErrorCause::InconsistentDataControlConfiguration));
    }
    assert_eq!(space.element_count(), 1, "a rejection leaves everything as it was");
}

#[test]
fn a_pool_goes_with_its_last_pe_and_can_come_back_different() {
    let mut space = space();
    for id in 1..=2 {
        space.register(&echo(), &pe(id, Policy::RoundRobin), HOME).expect("consistent");
    }
    let first = space.deregister(&echo(), PeId(1)).expect("it is there");
    assert!(!first.last_of_pool);
    assert_eq!(space.deregister(&echo(), PeId(1)), None);
    let second = space.deregister(&echo(), PeId(2)).expect("it is there");
    assert!(second.last_of_pool);
    assert_eq!((space.pool_count(), space.element_count()), (0, 0));
    assert_eq!(space.resolve(echo().as_bytes(), all(9), &mut BytesMut::new()), None);
    space.register(&echo(), &pe(1, Policy::Random), HOME).expect("a new pool");
}

#[test]
fn a_re_registration_keeps_its_slot_and_says_what_changed() {
    let mut space = space();
    let load = |load| Policy::LeastUsed { load };
    let slot = space.register(&echo(), &pe(1, load(5)), HOME).expect("new").slot;
    let again = |space: &mut Handlespace, element: &PoolElement| {
        let registered = space.register(&echo(), element, HOME).expect("consistent");
        assert_eq!(registered.slot, slot);
        match registered.change {
            Change::Renewed(changes) => changes,
            Change::New { .. } => panic!("it was registered"),
        }
    };
    assert_eq!(again(&mut space, &pe(1, load(5))), Changes::default());
    assert_eq!(again(&mut space, &pe(1, load(6))), Changes { load: true, ..Changes::default() });
    let mut moved = pe(1, load(6));
    moved.user_transport = UserTransport::Ip(tcp(7001));
    let changes = again(&mut space, &moved);
    assert_eq!(changes, Changes { user_transport: true, ..Changes::default() });
    assert!(changes.is_urgent());
    moved.asap_transport = Some(tcp(7002));
    moved.life = RegistrationLife::INFINITE;
    assert_eq!(again(&mut space, &moved), Changes { asap_transport: true, life: true, ..Changes::default() });
    let other = ServerId(2);
    let registered = space.register(&echo(), &moved, other).expect("consistent");
    let Change::Renewed(changes) = registered.change else { panic!("it was registered") };
    assert_eq!(changes, Changes { home: Some(HOME), ..Changes::default() });
    assert_eq!(space.element(slot).map(|e| (e.home(), e.life())), Some((other, RegistrationLife::INFINITE)));
}

#[test]
fn limits_answer_lack_of_resources_and_leave_nothing_behind() {
    let limits = Limits { pools: 2, pool_elements: 3, pool_elements_per_pool: 2, ..Limits::default() };
    let mut space = Handlespace::new(limits, 8, 1);
    let mut register = |handle: &str, id| space.register(&handle.into(), &pe(id, Policy::RoundRobin), HOME);
    assert!(register("a", 1).is_ok() && register("a", 2).is_ok());
    assert_eq!(register("a", 3), Err(ErrorCause::LackOfResources), "PEs of a pool");
    assert!(register("a", 2).is_ok(), "again is not more");
    assert!(register("b", 1).is_ok());
    assert_eq!(register("b", 2), Err(ErrorCause::LackOfResources), "PEs");
    assert_eq!(register("c", 1), Err(ErrorCause::LackOfResources), "pools");
    assert_eq!(
        register("123456789", 1),
        Err(ErrorCause::InvalidValues(Bytes::from_static(b"\0\x09\0\x0d123456789"))),
        "length of a handle"
    );
    assert!(matches!(register("", 1), Err(ErrorCause::InvalidValues(_))));
    assert_eq!((space.pool_count(), space.element_count()), (2, 3));
}

#[test]
fn a_policy_nobody_here_knows_is_refused_with_the_parameter() {
    let unknown = Policy::Other { policy_type: 0xb000_3001, data: Bytes::from_static(&[0, 0, 0, 7]) };
    assert_eq!(
        space().register(&echo(), &pe(1, unknown), HOME),
        Err(ErrorCause::InvalidValues(Bytes::from_static(b"\0\x08\0\x0c\xb0\0\x30\x01\0\0\0\x07")))
    );
}

#[test]
fn an_answer_is_the_message_rsplib_would_write() {
    // Frame 46 of vectors/golden/asap-policies.pcap.
    let mut element = pe(0xbbbb_0002, Policy::WeightedRoundRobin { weight: 7 });
    element.life = RegistrationLife(90_000);
    element.user_transport = UserTransport::Ip(Transport { protocol: Protocol::Sctp, ..tcp(0x1bbe) });
    element.asap_transport = Some(tcp(1));
    let mut space = space();
    space.register(&"Pool2".into(), &element, HOME).expect("new");
    let mut out = BytesMut::from(&b"before"[..]);
    assert_eq!(space.resolve(b"Pool2", all(3), &mut out), Some(1));
    let expected = b"before\x06\0\0\x48\0\x09\0\x09Pool2\0\0\0\0\x08\0\x0c\0\0\0\x02\0\0\0\x07\
        \0\x0a\0\x2c\xbb\xbb\0\x02\x11\x11\x11\x11\0\x01\x5f\x90\0\x04\0\x10\x1b\xbe\0\x01\0\x01\0\x08\xc0\0\x02\x02\
        \0\x08\0\x0c\0\0\0\x02\0\0\0\x07";
    assert_eq!(&out[..], expected);
}

#[test]
fn no_answer_is_longer_than_a_message_may_be() {
    let mut space = space();
    for id in 0..3000 {
        space.register(&echo(), &pe(id, Policy::RoundRobin), HOME).expect("consistent");
    }
    let mut out = BytesMut::new();
    let items = space.resolve(echo().as_bytes(), all(u32::MAX), &mut out).expect("known");
    assert_eq!(items, (65_535 - 4 - 8 - 8) / 40);
    assert_eq!(out.len(), 20 + 40 * items);
    assert_eq!(usize::from(u16::from_be_bytes([out[2], out[3]])), out.len());
    out.clear();
    let how = Resolution { max_message: 100, ..all(u32::MAX) };
    assert_eq!((space.resolve(echo().as_bytes(), how, &mut out), out.len()), (Some(2), 100));
}

#[test]
fn an_update_does_not_advance_the_order_and_an_answer_does() {
    let mut space = space();
    for id in 1..=3 {
        space.register(&echo(), &pe(id, Policy::RoundRobin), HOME).expect("consistent");
    }
    let mut first = |advance, accept_updates| {
        let mut out = BytesMut::new();
        space.resolve(
            echo().as_bytes(),
            Resolution { items: 1, advance, accept_updates, max_message: 65_535 },
            &mut out,
        );
        (out[1], out[27])
    };
    assert_eq!(first(Advance::No, false), (0, 1));
    assert_eq!(first(Advance::Yes, true), (1, 1));
    assert_eq!(first(Advance::Yes, true), (1, 2));
}

#[test]
fn pages_of_one_home_survive_changes_between_them() {
    let mut space = space();
    let (mine, other) = (ServerId(5), ServerId(7));
    for id in 0..30 {
        let home = if id % 3 == 0 { other } else { mine };
        let handle = PoolHandle::from(["a", "b"][id as usize % 2]);
        space.register(&handle, &pe(id, Policy::RoundRobin), home).expect("consistent");
    }
    let mut seen = vec![];
    let mut cursor = Cursor::default();
    loop {
        let page: Vec<_> = space.owned_by(mine, cursor).take(3).collect();
        let Some(&(last, next)) = page.last() else { break };
        seen.extend(page.iter().map(|&(slot, _)| space.element(slot).expect("listed").id().0));
        // The very PE the cursor stands on goes.
        space.remove(last);
        cursor = next;
    }
    assert_eq!(seen.len(), 20);
    assert!(seen.iter().all(|id| id % 3 != 0));
    assert!(seen.iter().map(|id| id % 2).is_sorted(), "pool by pool: {seen:?}");
    assert_eq!(space.all_after(Cursor::default()).count(), space.element_count());

    let slot = space.find(&"a".into(), PeId(0)).expect("registered");
    assert_eq!(space.set_home(slot, mine), Some(other));
    assert!(space.owned_by(mine, Cursor::default()).any(|(owned, _)| owned == slot));
    assert_eq!(space.element(slot).map(|e| e.for_pool_users()[8..12].to_vec()), Some(vec![0, 0, 0, 5]));
}

#[test]
fn the_whole_parameter_has_the_asap_transport_and_the_one_for_pool_users_has_not() {
    let mut space = space();
    let mut element = pe(1, Policy::RoundRobin);
    element.asap_transport = Some(tcp(0x1234));
    let slot = space.register(&echo(), &element, HOME).expect("new").slot;
    let view = space.element(slot).expect("registered");
    let (short, whole) = (view.for_pool_users(), view.to_tlv());
    assert_eq!((short.len(), &short[..4]), (40, &b"\0\x0a\0\x28"[..]));
    assert_eq!((whole.len(), &whole[..4]), (56, &b"\0\x0a\0\x38"[..]));
    assert_eq!(whole[4..40], short[4..]);
    assert_eq!(whole[40..46], *b"\0\x05\0\x10\x12\x34");
    assert_eq!((view.pool().handle(), view.pool().len()), (echo(), 1));
}

#[test]
fn an_asap_transport_for_control_only_is_for_pool_users_too_and_a_change_of_it_is_seen() {
    let mut space = space();
    let mut element = pe(1, Policy::RoundRobin);
    let control = |port| Some(Transport { transport_use: TransportUse::CONTROL_ONLY, ..tcp(port) });
    element.asap_transport = control(0x1234);
    let slot = space.register(&echo(), &element, HOME).expect("new").slot;
    let view = space.element(slot).expect("registered");
    let (shown, whole) = (view.for_pool_users(), view.to_tlv());
    assert_eq!((shown.len(), &shown[..4]), (56, &b"\0\x0a\0\x38"[..]));
    assert_eq!(whole[..], *shown);
    assert_eq!(shown[40..48], *b"\0\x05\0\x10\x12\x34\0\x02");
    element.asap_transport = control(0x1235);
    for differs in [true, false] {
        let registered = space.register(&echo(), &element, HOME).expect("consistent");
        assert!(matches!(registered.change, Change::Renewed(changes) if changes.asap_transport == differs));
    }
}
