// SPDX-License-Identifier: MIT OR Apache-2.0
//! The associations of a registrar: with PEs, with PUs, and those it opened itself to ask for a PE that was cut off.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::net::{IpAddr, SocketAddr};

use machine::Time;
use rsp_wire::ServerId;

use smallvec::SmallVec;

use super::Channel;
use crate::association::{AssociationId, PathState, Peer, Protocol, Token};
use crate::handlespace::Slot;
use crate::rate::Rate;

/// An association, accepted or opened. An idle one has no memory beyond this.
#[derive(Debug)]
pub(super) struct Association {
    pub(super) state: State,
    pub(super) channel: Channel,
    /// The registrar at the other end, once it has said who it is; [`ServerId::NONE`] for a PE or PU.
    pub(super) registrar: ServerId,
    /// Pool elements reached over it.
    pub(super) pool_elements: Vec<Slot>,
    /// Pools subscribed to, by their key.
    pub(super) subscriptions: BTreeSet<u32>,
    /// Registrations that wait for a conflict to be decided.
    pub(super) conflicts: u32,
    /// Bytes sent and not yet delivered.
    pub(super) buffered_bytes: usize,
    pub(super) requests: Rate,
    pub(super) complaints: Rate,
    pub(super) last_heard: Time,
    /// How far its other end is, in milliseconds, as far as anybody wanted to know.
    pub(super) distance: u32,
}

/// How far it has come.
#[derive(Debug)]
pub(super) enum State {
    /// Opened by us, not yet up.
    Connecting,
    /// Messages can be sent.
    Up(Peer),
}

impl Association {
    pub(super) fn new(channel: Channel, state: State, now: Time) -> Self {
        Association {
            state,
            channel,
            registrar: ServerId::NONE,
            pool_elements: Vec::new(),
            subscriptions: BTreeSet::new(),
            conflicts: 0,
            buffered_bytes: 0,
            requests: Rate::default(),
            complaints: Rate::default(),
            last_heard: now,
            distance: 0,
        }
    }

    /// Who is at the other end, if it is up.
    pub(super) fn peer(&self) -> Option<&Peer> {
        match &self.state {
            State::Up(peer) => Some(peer),
            State::Connecting => None,
        }
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Associations {
    by_id: HashMap<AssociationId, Association, SpreadBuilder>,
    /// Those opened by us, by where they lead.
    opened: HashMap<Destination, AssociationId>,
    destinations: HashMap<AssociationId, Destination>,
    /// How many of those that are not up yet lead to one host.
    connecting_to_host: HashMap<IpAddr, usize>,
    last_opened: u64,
}

/// Identifiers are numbers we and our shell count up, so nobody outside can choose them to collide: one multiplication
/// spreads them well enough, and every message needs it.
#[derive(Debug, Default, Clone, Copy)]
struct Spread(u64);

type SpreadBuilder = BuildHasherDefault<Spread>;

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, n: u64) {
        let product = u128::from(self.0 ^ n) * 0x9e37_79b9_7f4a_7c15;
        self.0 = (product >> 64) as u64 ^ product as u64;
    }
}

/// Where an association opened by us leads: protocol and first address.
type Destination = (Protocol, SocketAddr);

impl Associations {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn get(&self, id: AssociationId) -> Option<&Association> {
        self.by_id.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: AssociationId) -> Option<&mut Association> {
        self.by_id.get_mut(&id)
    }

    /// What the peer may register follows where it is (RFC 5061). An address it merely claims to have added counts when it has answered there.
    pub(super) fn path_changed(&mut self, id: AssociationId, address: SocketAddr, state: PathState) {
        let Some(Association { state: State::Up(peer), .. }) = self.by_id.get_mut(&id) else { return };
        match state {
            PathState::Confirmed if !peer.addresses.contains(&address) => peer.addresses.push(address),
            PathState::Removed if peer.addresses.len() > 1 => peer.addresses.retain(|it| *it != address),
            _ => {}
        }
    }

    /// Those the shell accepted.
    pub(super) fn accepted(&self) -> usize {
        self.by_id.len() - self.destinations.len()
    }

    /// Whether one more may be opened to this host. One peer can register elements at many ports and then hang up: without a
    /// limit we would knock at all of them at once.
    pub(super) fn may_open(&self, host: IpAddr, most: usize) -> bool {
        let to_host = self.connecting_to_host.get(&host.to_canonical()).copied().unwrap_or(0);
        self.destinations.len() < most && to_host < MOST_CONNECTING_TO_HOST
    }

    /// The association is there and up.
    pub(super) fn is_up(&self, id: AssociationId) -> bool {
        self.get(id).is_some_and(|association| association.peer().is_some())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (AssociationId, &Association)> {
        self.by_id.iter().map(|(id, association)| (*id, association))
    }

    /// One the shell accepted, or one of ours that came up.
    pub(super) fn up(&mut self, id: AssociationId, channel: Channel, peer: Peer, now: Time) {
        if let Some(destination) = self.destinations.get(&id) {
            self.came_up(destination.1.ip());
        }
        let association = self.by_id.entry(id).or_insert_with(|| Association::new(channel, State::Connecting, now));
        association.state = State::Up(peer);
        association.last_heard = now;
    }

    /// The one opened to this destination before.
    pub(super) fn opened_to(&self, protocol: Protocol, to: SocketAddr) -> Option<AssociationId> {
        self.opened.get(&(protocol, to)).copied()
    }

    /// A new one to this destination. The core's identifiers are even, the shell's odd.
    pub(super) fn open(&mut self, channel: Channel, protocol: Protocol, to: SocketAddr, now: Time) -> AssociationId {
        self.last_opened += 2;
        let id = AssociationId(self.last_opened);
        self.by_id.insert(id, Association::new(channel, State::Connecting, now));
        self.opened.insert((protocol, to), id);
        self.destinations.insert(id, (protocol, to));
        *self.connecting_to_host.entry(to.ip().to_canonical()).or_default() += 1;
        id
    }

    /// One that was being opened to this host is no longer.
    fn came_up(&mut self, host: IpAddr) {
        let host = host.to_canonical();
        if let Some(count) = self.connecting_to_host.get_mut(&host) {
            *count -= 1;
            if *count == 0 {
                self.connecting_to_host.remove(&host);
            }
        }
    }

    /// Where one opened by us leads.
    pub(super) fn destination(&self, id: AssociationId) -> Option<(Protocol, SocketAddr)> {
        self.destinations.get(&id).copied()
    }

    /// Whether it was opened by us.
    pub(super) fn is_ours(&self, id: AssociationId) -> bool {
        self.destinations.contains_key(&id)
    }

    pub(super) fn remove(&mut self, id: AssociationId) -> Option<Association> {
        if let Some(destination) = self.destinations.remove(&id) {
            if !self.is_up(id) {
                self.came_up(destination.1.ip());
            }
            // A newer one may lead there by now.
            if self.opened.get(&destination) == Some(&id) {
                self.opened.remove(&destination);
            }
        }
        let association = self.by_id.remove(&id);
        // A peak of associations must not be paid for ever.
        if self.by_id.capacity() > 64 && self.by_id.len() * 4 < self.by_id.capacity() {
            self.by_id.shrink_to(self.by_id.len() * 2);
        }
        association
    }
}

/// Associations being opened to one host at a time: whoever hangs up with more elements than that at as many ports has died, and they with it.
const MOST_CONNECTING_TO_HOST: usize = 64;

/// What a [`Token`] carries, so that nothing need be kept per message on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sent {
    /// Length of the message.
    pub(super) length: usize,
    /// What it was.
    pub(super) what: What,
}

/// What a message on its way was, as far as its fate matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// An answer; the peer asks again if it is lost.
    Answer,
    /// A keep-alive to this pool element.
    KeepAlive(Slot),
    /// An update of this subscribed pool.
    Update(u32),
}

impl Sent {
    pub(super) fn token(self) -> Token {
        let (kind, key) = match self.what {
            What::Answer => (0, 0),
            What::KeepAlive(Slot(slot)) => (1, slot),
            What::Update(key) => (2, key),
        };
        Token(u64::from(key) << 32 | kind << LENGTH_BITS | self.length as u64 & LENGTH_MASK)
    }

    pub(super) fn from_token(Token(token): Token) -> Self {
        let key = (token >> 32) as u32;
        let what = match token >> LENGTH_BITS & 0xff {
            1 => What::KeepAlive(Slot(key)),
            2 => What::Update(key),
            _ => What::Answer,
        };
        Sent { length: (token & LENGTH_MASK) as usize, what }
    }
}

/// A message has at most 65,535 bytes and its padding.
const LENGTH_BITS: u32 = 24;
const LENGTH_MASK: u64 = (1 << LENGTH_BITS) - 1;

/// The destination of a connection: all addresses, and the first one as its name.
pub(super) type Addresses = SmallVec<[SocketAddr; 1]>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_tells_what_was_sent() {
        for what in [What::Answer, What::KeepAlive(Slot(7)), What::KeepAlive(Slot(u32::MAX)), What::Update(0)] {
            for length in [0, 4, 65_536] {
                let sent = Sent { length, what };
                assert_eq!(Sent::from_token(sent.token()), sent);
            }
        }
    }

    #[test]
    fn a_peer_has_the_addresses_where_it_answers_and_always_one() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        let (first, second) = (address("192.0.2.1:7000"), address("192.0.2.2:7000"));
        let peer = Peer {
            addresses: SmallVec::from_buf([first]),
            local: address("192.0.2.9:3863"),
            local_addresses: SmallVec::new(),
            mapping: crate::association::Mapping::Sctp,
            own_heartbeat: false,
            max_message: 65_535,
            identity: crate::association::PeerIdentity::Anonymous,
        };
        let (mut associations, id) = (Associations::default(), AssociationId(1));
        associations.up(id, Channel::Asap, peer, Time::ZERO);
        for (changed, state, count) in [
            (second, PathState::Added, 1),
            (second, PathState::Confirmed, 2),
            (second, PathState::Confirmed, 2),
            (first, PathState::Unreachable, 2),
            (first, PathState::Removed, 1),
            (second, PathState::Removed, 1),
        ] {
            associations.path_changed(id, changed, state);
            let peer = associations.get(id).unwrap().peer().unwrap();
            assert_eq!(peer.addresses.len(), count, "{changed} {state:?}");
        }
        assert_eq!(associations.get(id).unwrap().peer().unwrap().addresses[..], [second]);
    }

    #[test]
    fn opened_associations_have_even_identifiers_and_are_found_by_destination() {
        let to = "192.0.2.1:7000".parse().unwrap();
        let mut associations = Associations::default();
        let id = associations.open(Channel::Asap, Protocol::Tcp, to, Time::ZERO);
        assert_eq!(id, AssociationId(2));
        assert_eq!(associations.opened_to(Protocol::Tcp, to), Some(id));
        assert_eq!(associations.opened_to(Protocol::Sctp, to), None);
        associations.remove(id);
        assert_eq!((associations.opened_to(Protocol::Tcp, to), associations.connecting_to_host.len()), (None, 0));
        assert_eq!(
            associations.open(Channel::Asap, Protocol::Tcp, to, Time::ZERO),
            AssociationId(4),
            "never used again"
        );
    }

    #[test]
    fn opened_associations_are_limited_in_all_and_to_one_host() {
        let host: IpAddr = "192.0.2.1".parse().unwrap();
        let mut associations = Associations::default();
        let ids: Vec<_> = (0..64)
            .map(|port| associations.open(Channel::Asap, Protocol::Tcp, (host, port).into(), Time::ZERO))
            .collect();
        assert!(!associations.may_open(host, 1000));
        assert!(!associations.may_open("::ffff:192.0.2.1".parse().unwrap(), 1000), "the same host");
        assert!(associations.may_open("192.0.2.2".parse().unwrap(), 65));
        assert!(!associations.may_open("192.0.2.2".parse().unwrap(), 64));
        associations.remove(ids[7]);
        assert!(associations.may_open(host, 1000));
    }

    #[test]
    fn an_idle_association_is_small() {
        assert!(size_of::<Association>() <= 256, "{}", size_of::<Association>());
    }
}
