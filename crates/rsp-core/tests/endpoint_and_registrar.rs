// SPDX-License-Identifier: MIT OR Apache-2.0
//! Endpoints and a registrar on a network without delay, in virtual time: what one says the other understands.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use machine::{Machine, Output, Time};
use rsp_core::association::{self, AssociationId, LostReason, Mapping, Peer, PeerIdentity, Request};
use rsp_core::config::{EndpointSettings, Profile, RegistrarSettings};
use rsp_core::endpoint::{
    self, Command, Endpoint, Freshness, Life, Register, RegistrarAddress, RegistrationId, Reply, RequestId,
};
use rsp_core::registrar::{self, Registrar};
use rsp_wire::parameter::{Policy, Protocol, Transport, TransportUse, UserTransport};
use rsp_wire::{PeId, PoolHandle, ServerId};

/// Who is on the network: the registrar is `None`.
type Host = Option<usize>;

struct World {
    profile: Profile,
    now: Time,
    registrar: Option<Registrar>,
    /// Stopped: it hears nothing until it goes on.
    stopped: bool,
    unheard: Vec<(AssociationId, association::Event)>,
    endpoints: Vec<Option<Endpoint>>,
    /// The other end of each association.
    ends: BTreeMap<(Host, AssociationId), (Host, AssociationId)>,
    next_accepted: u64,
    sequence: u64,
    replies: Vec<(usize, Reply)>,
}

impl World {
    fn new(profile: Profile, endpoints: usize) -> Self {
        let endpoint = |n| {
            let registrar = RegistrarAddress::tcp(address(None));
            Some(Endpoint::new(EndpointSettings::of(profile), vec![registrar], n as u64))
        };
        let mut world = World {
            profile,
            now: Time::ZERO,
            registrar: None,
            stopped: false,
            unheard: Vec::new(),
            endpoints: (0..endpoints).map(endpoint).collect(),
            ends: BTreeMap::new(),
            next_accepted: 1,
            sequence: 0,
            replies: Vec::new(),
        };
        world.start_registrar();
        world
    }

    fn start_registrar(&mut self) {
        let settings = RegistrarSettings::of(self.profile);
        self.registrar = Some(Registrar::new(ServerId(7), settings, vec![address(None).ip()], 1));
        self.run();
    }

    /// `kill -9`: its associations are lost at the other end.
    fn kill(&mut self, host: Host) {
        match host {
            None => self.registrar = None,
            Some(n) => self.endpoints[n] = None,
        }
        let ends: Vec<_> = self.ends.keys().filter(|(at, _)| *at == host).copied().collect();
        for end in ends {
            self.sever(end, LostReason::Reset);
        }
        self.run();
    }

    fn cont(&mut self) {
        self.stopped = false;
        for (id, event) in std::mem::take(&mut self.unheard) {
            self.tell(None, id, event);
        }
        self.run();
    }

    fn command(&mut self, n: usize, command: Command) {
        if let Some(endpoint) = &mut self.endpoints[n] {
            endpoint.handle_input(endpoint::Input::Command(command), self.now);
        }
        self.run();
    }

    fn tell(&mut self, host: Host, id: AssociationId, event: association::Event) {
        match host {
            None if self.stopped => self.unheard.push((id, event)),
            None => {
                if let Some(registrar) = &mut self.registrar {
                    registrar.handle_input(registrar::Input::Association(id, event), self.now);
                }
            }
            Some(n) => {
                if let Some(endpoint) = &mut self.endpoints[n] {
                    endpoint.handle_input(endpoint::Input::Association(id, event), self.now);
                }
            }
        }
    }

    fn sever(&mut self, end: (Host, AssociationId), reason: LostReason) {
        if let Some(other) = self.ends.remove(&end) {
            self.ends.remove(&other);
            self.tell(other.0, other.1, association::Event::Lost(reason));
        }
    }

    /// Performs what everybody wants until nobody wants anything.
    fn run(&mut self) {
        for _ in 0..100_000 {
            let Some((host, id, request)) = self.next_request() else { return };
            match request {
                Request::Connect { to, .. } => self.connect(host, id, to[0]),
                Request::Send { stream, ppid, unordered, token, data, .. } => {
                    if let Some(&(other, other_id)) = self.ends.get(&(host, id)) {
                        self.sequence += 1;
                        let sequence = self.sequence;
                        let message = association::Event::Message { sequence, stream, ppid, unordered, data };
                        self.tell(other, other_id, message);
                        self.tell(host, id, association::Event::Delivered(token));
                    }
                }
                Request::Close | Request::Abort => self.sever((host, id), LostReason::PeerClosed),
                Request::Taken { .. } | Request::Heartbeat(_) | Request::Probe | Request::RoundTripTime => {}
            }
        }
        panic!("they talk for ever");
    }

    fn next_request(&mut self) -> Option<(Host, AssociationId, Request)> {
        for n in 0..self.endpoints.len() {
            while let Some(Output::Effect(effect)) = self.endpoints[n].as_mut().map(Machine::poll_output) {
                match effect {
                    endpoint::Effect::Association(id, request) => return Some((Some(n), id, request)),
                    endpoint::Effect::Reply(reply) => self.replies.push((n, reply)),
                    endpoint::Effect::Event(event) => {
                        assert!(
                            !matches!(
                                event,
                                endpoint::Event::BadMessage { .. } | endpoint::Event::ErrorReceived { .. }
                            ),
                            "{event}"
                        );
                    }
                }
            }
        }
        while let Some(Output::Effect(effect)) =
            self.registrar.as_mut().filter(|_| !self.stopped).map(Machine::poll_output)
        {
            if let registrar::Effect::Association(id, request) = effect {
                return Some((None, id, request));
            }
        }
        None
    }

    fn connect(&mut self, host: Host, id: AssociationId, to: SocketAddr) {
        let other = match to == address(None) {
            true if self.stopped => return,
            true => self.registrar.is_some().then_some(None),
            false => {
                (0..self.endpoints.len()).find(|n| address(Some(*n)) == to && self.endpoints[*n].is_some()).map(Some)
            }
        };
        let Some(other) = other else { return self.tell(host, id, association::Event::Lost(LostReason::Refused)) };
        let accepted = AssociationId(self.next_accepted);
        self.next_accepted += 2;
        self.ends.insert((host, id), (other, accepted));
        self.ends.insert((other, accepted), (host, id));
        self.tell(other, accepted, association::Event::Up(peer(host, other)));
        self.tell(host, id, association::Event::Up(peer(other, host)));
    }

    fn wait(&mut self, duration: Duration) {
        let end = self.now + duration;
        for _ in 0..100_000 {
            let mut next = end;
            for endpoint in self.endpoints.iter_mut().flatten() {
                if let Output::Wait(Some(deadline)) = endpoint.poll_output() {
                    next = next.min(deadline);
                }
            }
            if let Some(Output::Wait(Some(deadline))) =
                self.registrar.as_mut().filter(|_| !self.stopped).map(Machine::poll_output)
            {
                next = next.min(deadline);
            }
            self.now = self.now.max(next);
            for endpoint in self.endpoints.iter_mut().flatten() {
                endpoint.handle_timeout(self.now);
            }
            if let Some(registrar) = self.registrar.as_mut().filter(|_| !self.stopped) {
                registrar.handle_timeout(self.now);
            }
            self.run();
            if self.now >= end {
                return;
            }
        }
        panic!("time does not pass");
    }

    fn register(&mut self, n: usize) {
        self.register_as(n, RegistrationId(1), PeId(n as u32));
    }

    fn register_as(&mut self, n: usize, registration: RegistrationId, pe_id: PeId) {
        let transport = Transport {
            protocol: Protocol::Tcp,
            port: 7000,
            transport_use: TransportUse::DATA_PLUS_CONTROL,
            addresses: [address(Some(n)).ip()].into_iter().collect(),
        };
        self.command(
            n,
            Command::Register(Register {
                registration,
                pool: pool(),
                pe_id,
                life: Life::For(Duration::from_secs(30)),
                policy: Policy::LeastUsed { load: n as u32 },
                user_transport: UserTransport::Ip(transport.clone()),
                asap_transport: Some(transport),
            }),
        );
    }

    /// The pool as endpoint `n` was last told it is.
    fn seen_by(&self, n: usize) -> Vec<u32> {
        let last = self.replies.iter().rev().find_map(|(at, reply)| match reply {
            Reply::PoolChanged { pool, .. } if *at == n => Some(pool),
            _ => None,
        });
        let mut seen: Vec<u32> = last.iter().flat_map(|pool| pool.elements.iter().map(|pe| pe.id.0)).collect();
        seen.sort_unstable();
        seen
    }

    fn selected_by(&mut self, n: usize) -> Option<u32> {
        self.command(
            n,
            Command::Select {
                request: RequestId(1),
                pool: pool(),
                avoid: Default::default(),
                offers: Default::default(),
            },
        );
        match self.replies.last() {
            Some((_, Reply::Selected { result: Ok(pe), .. })) => Some(pe.id.0),
            _ => None,
        }
    }
}

#[test]
fn a_pool_user_sees_elements_come_change_and_go() {
    let mut world = World::new(Profile::Standard, 4);
    world.command(0, Command::Watch { pool: pool() });
    assert_eq!(world.seen_by(0), []);
    for n in 1..4 {
        world.register(n);
    }
    world.wait(Duration::from_secs(6));
    assert_eq!(world.seen_by(0), [1, 2, 3]);
    assert_eq!(world.selected_by(0), Some(1));

    let policy = Some(Policy::LeastUsed { load: 90 });
    world.command(1, Command::Update { registration: RegistrationId(1), policy, user_transport: None });
    world.wait(Duration::from_secs(1));
    assert_eq!(world.selected_by(0), Some(2), "the load has changed");

    world.command(2, Command::Deregister { registration: RegistrationId(1) });
    world.kill(Some(3));
    world.wait(Duration::from_secs(5));
    assert_eq!(world.seen_by(0), [1], "one has left, one was killed");

    // Re-registrations and keep-alives keep it there.
    world.wait(Duration::from_secs(600));
    assert_eq!((world.seen_by(0), world.selected_by(0)), (vec![1], Some(1)));
}

#[test]
fn after_a_restart_of_the_registrar_everybody_is_back() {
    let mut world = World::new(Profile::Fast, 3);
    for n in 1..3 {
        world.register(n);
    }
    world.command(0, Command::Watch { pool: pool() });
    assert_eq!(world.seen_by(0), [1, 2]);
    world.kill(None);
    assert!(world.selected_by(0).is_some(), "the cache outlives the registrar");
    world.wait(Duration::from_millis(300));
    world.start_registrar();
    world.wait(Duration::from_secs(2));
    assert_eq!(world.seen_by(0), [1, 2]);
    assert!(world.selected_by(0).is_some());
}

#[test]
fn a_registrar_stopped_for_3_seconds_harms_nobody() {
    for profile in [Profile::Fast, Profile::Standard] {
        let mut world = World::new(profile, 3);
        for n in 1..3 {
            world.register(n);
        }
        world.command(0, Command::Watch { pool: pool() });
        // T4 of a life of 30 s falls into the pause.
        world.wait(Duration::from_secs(13));
        world.stopped = true;
        for _ in 0..3 {
            assert!(world.selected_by(0).is_some());
            world.wait(Duration::from_secs(1));
        }
        world.cont();
        world.wait(Duration::from_secs(10));
        assert_eq!(world.seen_by(0), [1, 2]);
        let harmed = |(_, reply): &(usize, Reply)| {
            matches!(
                reply,
                Reply::Unregistered { .. } | Reply::RegistrationFailed { .. } | Reply::PoolChanged { gone: true, .. }
            )
        };
        assert!(!world.replies.iter().any(harmed), "{profile}: {:?}", world.replies);
    }
}

/// Option 0x803f of draft-dreibholz-rserpool-asap-hropt with a pool that no message holds.
#[test]
fn of_a_pool_larger_than_a_message_as_many_come_as_fit_and_it_says_that_there_are_more() {
    const ELEMENTS: u64 = 3_000;
    let mut world = World::new(Profile::Standard, 2);
    for n in 0..ELEMENTS {
        world.register_as(1, RegistrationId(n), PeId(n as u32));
    }
    let mut came = |items| {
        world.command(0, Command::Resolve { request: RequestId(1), pool: pool(), items, freshness: Freshness::Fresh });
        match world.replies.last() {
            Some((0, Reply::Resolved { result: Ok(resolution), .. })) => {
                let ids: BTreeSet<u32> = resolution.pool.elements.iter().map(|pe| pe.id.0).collect();
                assert_eq!(ids.len(), resolution.pool.elements.len(), "nobody comes twice");
                (ids.len(), resolution.pool.complete)
            }
            other => panic!("{other:?}"),
        }
    };
    // 0: the registrar's default.
    assert_eq!(came(0), (3, false));
    assert_eq!(came(10), (10, false));
    let (all, complete) = came(u32::MAX);
    assert!(!complete);
    // 65,535 bytes of 44 each: Pool Element, User Transport, policy.
    assert!((1_400..1_500).contains(&all), "{all} of {ELEMENTS}");
    // More than a message holds are asked for by their number: the same.
    assert_eq!(came(2_000), (all, false));
}

fn pool() -> PoolHandle {
    PoolHandle::from("echo")
}

fn address(host: Host) -> SocketAddr {
    match host {
        None => SocketAddr::from(([10, 0, 0, 1], 3863)),
        Some(n) => SocketAddr::new(IpAddr::from([10, 1, 0, n as u8]), 7000),
    }
}

/// What `at` knows of an association to `of`.
fn peer(of: Host, at: Host) -> Peer {
    Peer {
        addresses: [address(of)].into_iter().collect(),
        local: address(at),
        mapping: Mapping::Tcp,
        max_message: 65_455,
        identity: PeerIdentity::Anonymous,
        local_addresses: Default::default(),
        own_heartbeat: true,
    }
}
