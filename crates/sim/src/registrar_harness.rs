// SPDX-License-Identifier: MIT OR Apache-2.0
//! A registrar in virtual time. Its transports are played by the caller; what must always hold is checked after every step.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use machine::association::{AssociationId, Event, LostReason, Peer, Request, Token};
use machine::{Machine, Output, Time};
use rsp_core::config::RegistrarSettings;
use rsp_core::registrar::{Channel, Effect, Input, Registrar};
use rsp_core::{PPID_ASAP, PPID_ENRP};
use rsp_wire::ServerId;
use rsp_wire::asap::Message;
use rsp_wire::enrp;

/// A registrar, its clock, and the associations as the transports see them.
#[derive(Debug)]
pub struct RegistrarHarness {
    /// The machine.
    pub registrar: Registrar,
    now: Time,
    next: Option<Time>,
    links: BTreeMap<AssociationId, Link>,
    opened: u64,
    /// There have been other registrars: a pool element may be theirs, or ours and not reached yet.
    has_peers: bool,
}

/// The transport's side of an association.
#[derive(Debug, Default)]
struct Link {
    up: bool,
    max_message: usize,
    sequence: u64,
    untaken: BTreeSet<u64>,
    in_flight: VecDeque<Token>,
    /// The peer does not read: nothing is delivered unless asked for.
    held: bool,
    /// Gone, and the registrar is just hearing of it.
    dead: bool,
    /// What the registrar speaks on it: ASAP or ENRP.
    ppid: Option<u32>,
}

/// What the registrar wanted, and when.
pub type Effects = Vec<(Time, Effect)>;

impl RegistrarHarness {
    /// A new registrar at time 0. It does nothing before time is given to it.
    pub fn new(id: ServerId, settings: RegistrarSettings, local_addresses: Vec<IpAddr>, seed: u64) -> Self {
        let registrar = Registrar::new(id, settings, local_addresses, seed);
        let (now, links) = (Time::ZERO, BTreeMap::new());
        RegistrarHarness { registrar, now, next: Some(now), links, opened: 0, has_peers: false }
    }

    /// The time.
    pub fn now(&self) -> Time {
        self.now
    }

    /// Whether the association exists, connecting or up.
    pub fn has(&self, id: AssociationId) -> bool {
        self.links.contains_key(&id)
    }

    /// Associations that exist.
    pub fn ids(&self) -> impl Iterator<Item = AssociationId> + '_ {
        self.links.keys().copied()
    }

    /// Whether the association is up.
    pub fn is_up(&self, id: AssociationId) -> bool {
        self.links.get(&id).is_some_and(|link| link.up)
    }

    /// Any input.
    pub fn input(&mut self, input: Input) -> Effects {
        self.has_peers |= matches!(input, Input::EnrpTransports(_) | Input::StaticPeers(_));
        self.registrar.handle_input(input, self.now);
        self.settle()
    }

    /// An association comes up: accepted if its identifier is odd, else one the registrar opened.
    pub fn up(&mut self, id: AssociationId, peer: Peer) -> Effects {
        let link = self.links.entry(id).or_default();
        link.up = true;
        link.max_message = peer.max_message;
        self.event(id, Event::Up(peer))
    }

    /// A message arrives.
    pub fn message(&mut self, id: AssociationId, ppid: u32, data: Bytes) -> Effects {
        let Some(link) = self.links.get_mut(&id) else { return Vec::new() };
        link.sequence += 1;
        link.untaken.insert(link.sequence);
        let sequence = link.sequence;
        self.event(id, Event::Message { sequence, stream: 0, ppid, unordered: false, data })
    }

    /// An association ends; what was on its way is undelivered.
    pub fn lost(&mut self, id: AssociationId, reason: LostReason) -> Effects {
        let Some(link) = self.links.get_mut(&id) else { return Vec::new() };
        link.dead = true;
        for token in std::mem::take(&mut link.in_flight) {
            self.registrar.handle_input(Input::Association(id, Event::Undelivered(token)), self.now);
        }
        let effects = self.event(id, Event::Lost(reason));
        self.links.remove(&id);
        effects
    }

    /// The peer stops reading, or reads again.
    pub fn hold(&mut self, id: AssociationId, held: bool) -> Effects {
        if let Some(link) = self.links.get_mut(&id) {
            link.held = held;
        }
        self.settle()
    }

    /// Lets `duration` pass; every deadline is met on time.
    pub fn wait(&mut self, duration: Duration) -> Effects {
        let until = self.now + duration;
        let mut effects = self.settle();
        let mut again = 0;
        for _ in 0..MOST_DEADLINES {
            let Some(due) = self.next.filter(|due| *due <= until) else {
                self.now = until;
                return effects;
            };
            self.now = self.now.max(due);
            self.registrar.handle_timeout(self.now);
            effects.extend(self.settle());
            // What ends with a deadline may make something due at once, once or twice.
            again = if self.next.is_some_and(|next| next <= self.now) { again + 1 } else { 0 };
            assert!(again < MOST_AGAIN, "a deadline that has been met must not come up again and again");
        }
        panic!("{MOST_DEADLINES} deadlines in {duration:?}: the registrar is busy with nothing else");
    }

    /// The process is stopped for `duration`: deadlines pass unnoticed until it goes on.
    pub fn sleep(&mut self, duration: Duration) -> Effects {
        self.now += duration;
        self.registrar.handle_timeout(self.now);
        self.settle()
    }

    fn event(&mut self, id: AssociationId, event: Event) -> Effects {
        self.input(Input::Association(id, event))
    }

    /// Does what the registrar wants until it wants to sleep; everything sent arrives unless it is held.
    fn settle(&mut self) -> Effects {
        let mut effects = Vec::new();
        for _ in 0..MOST_ROUNDS {
            loop {
                match self.registrar.poll_output() {
                    Output::Effect(effect) => {
                        self.observe(&effect);
                        effects.push((self.now, effect));
                    }
                    Output::Wait(next) => break self.next = next,
                }
            }
            let delivered =
                self.links.iter_mut().filter(|(_, link)| !link.held && !link.dead).find_map(|(id, link)| {
                    let token = link.in_flight.pop_front()?;
                    Some((*id, token))
                });
            let Some((id, token)) = delivered else {
                self.check();
                return effects;
            };
            self.registrar.handle_input(Input::Association(id, Event::Delivered(token)), self.now);
        }
        panic!("the registrar does not come to rest");
    }

    fn observe(&mut self, effect: &Effect) {
        let (id, request) = match effect {
            Effect::Association(id, request) => (*id, request),
            Effect::Announce(Channel::Enrp, data) => {
                enrp::Message::decode(data).expect("an announcement can be read");
                return;
            }
            Effect::Announce(Channel::Asap, data) => {
                Message::decode(data).expect("an announcement can be read");
                return;
            }
            Effect::Event(event) => return drop(event.to_string()),
        };
        if let Request::Connect { to, .. } = request {
            assert!(id.0.is_multiple_of(2) && id.0 > self.opened, "identifiers are even and never used again: {id:?}");
            assert!(!to.is_empty());
            self.opened = id.0;
            self.links.insert(id, Link::default());
            return;
        }
        let link = self.links.get_mut(&id).unwrap_or_else(|| panic!("{request:?} for {id:?}, which does not exist"));
        match request {
            Request::Send { token, data, ppid, .. } => {
                assert!(link.up, "a message goes to {id:?}, which is not up");
                assert!(data.len() <= link.max_message, "{} bytes for {id:?}", data.len());
                // Registrars pass on to each other what pool users report.
                let is_report = match *ppid {
                    PPID_ASAP => {
                        let message = Message::decode(data).expect("what is sent can be read").message;
                        matches!(message, Message::EndpointUnreachable(_))
                    }
                    PPID_ENRP => {
                        enrp::Message::decode(data).expect("what is sent can be read");
                        false
                    }
                    other => panic!("payload protocol identifier {other}"),
                };
                if !is_report {
                    assert_eq!(*link.ppid.get_or_insert(*ppid), *ppid, "{id:?} is for one protocol");
                }
                link.in_flight.push_back(*token);
            }
            Request::Taken { sequence } => assert!(link.untaken.remove(sequence), "taken twice, or never received"),
            Request::Heartbeat(_) | Request::Probe | Request::RoundTripTime => assert!(link.up),
            Request::Close | Request::Abort => drop(self.links.remove(&id)),
            Request::Connect { .. } => unreachable!("handled above"),
        }
    }

    /// What holds whenever the registrar is at rest.
    fn check(&self) {
        let limits = &self.registrar.settings().limits;
        for (id, link) in &self.links {
            assert!(link.untaken.is_empty(), "{id:?}: every message is taken at once");
        }
        let alive = self.links.values().filter(|link| !link.dead).count();
        assert_eq!(self.registrar.association_count(), alive, "both sides know the same associations");
        assert!(self.registrar.pool_count() <= limits.pools);
        assert!(self.registrar.pool_element_count() <= limits.pool_elements);
        assert!(self.registrar.subscription_count() <= limits.subscriptions);
        let mut elements = 0;
        for pool in self.registrar.pools() {
            let (status, members) =
                self.registrar.pool(&pool.handle, self.now).expect("a pool that is listed is found");
            assert_eq!(status.pool_elements, members.len());
            assert!(!members.is_empty(), "a pool without elements does not exist");
            elements += members.len();
            for member in members {
                if let Some(reached) = member.reached {
                    assert_eq!(member.element.home, self.registrar.id(), "only its home watches a pool element");
                    let link =
                        self.links.get(&reached.association).expect("it is reached over an association that exists");
                    assert_eq!(link.up, reached.up, "{reached:?} {link:?}");
                } else {
                    assert!(self.has_peers, "its home watches every pool element");
                }
            }
        }
        assert_eq!(elements, self.registrar.pool_element_count());
        self.check_homes(elements);
    }

    /// Every pool element has a home that is known, so that somebody notices if that dies.
    fn check_homes(&self, elements: usize) {
        let status = self.registrar.status();
        let peers: Vec<_> = self.registrar.peers(self.now).collect();
        assert!(peers.len() <= self.registrar.settings().limits.peers);
        assert!(status.claims <= self.registrar.settings().limits.pool_elements);
        if status.started && !status.leaving {
            let owned = status.owned + peers.iter().map(|peer| peer.owned).sum::<usize>();
            assert_eq!(owned, elements, "a pool element has a home that nobody knows: {peers:?}");
        }
    }
}

const MOST_DEADLINES: usize = 1_000_000;
const MOST_AGAIN: usize = 4;
const MOST_ROUNDS: usize = 1_000_000;
