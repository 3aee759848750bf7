// SPDX-License-Identifier: MIT OR Apache-2.0
//! The managed list of registrar addresses, RFC 5352 §3.6: configured ones stay, announced ones live as long as they are announced.

use std::net::SocketAddr;

use bytes::Bytes;
use machine::{Rng, Time};
use rsp_wire::ServerId;
use rsp_wire::asap::{Message, ServerAnnounce};
use rsp_wire::parameter::{self, Transport};

use super::timer::Timer;
use super::{Endpoint, Event, RegistrarAddress};
use crate::association::Protocol;

/// Names an entry of the list; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct RegistrarKey(u64);

#[derive(Debug)]
pub(super) struct Registrar {
    pub(super) key: RegistrarKey,
    pub(super) address: RegistrarAddress,
    /// Known from announcements only.
    pub(super) server: ServerId,
    configured: bool,
}

/// The list, and whose turn it is.
#[derive(Debug)]
pub(super) struct Registrars {
    list: Vec<Registrar>,
    next_key: u64,
    next: usize,
}

/// Announced addresses kept at most; announcements are not authenticated.
const MAX_ANNOUNCED: usize = 256;

impl Registrars {
    pub(super) fn new(configured: Vec<RegistrarAddress>, rng: &mut Rng) -> Self {
        let mut registrars = Registrars { list: Vec::new(), next_key: 0, next: 0 };
        for address in configured {
            if !address.addresses.is_empty() && registrars.find(&address).is_none() {
                registrars.insert(address, ServerId::NONE, true);
            }
        }
        // When a registrar dies, all its endpoints hunt at once: they must not all start with the same one.
        registrars.next = rng.below(registrars.list.len() as u64) as usize;
        registrars
    }

    pub(super) fn by_key(&self, key: RegistrarKey) -> Option<&Registrar> {
        self.list.iter().find(|registrar| registrar.key == key)
    }

    /// The next in turn that `wanted` agrees to. Going round, later calls give different ones.
    pub(super) fn next(&mut self, wanted: impl Fn(&Self, &Registrar) -> bool) -> Option<&Registrar> {
        let n = self.list.len();
        let at = (0..n).map(|i| (self.next + i) % n).find(|&i| wanted(self, &self.list[i]))?;
        self.next = at + 1;
        self.list.get(at)
    }

    /// The same registrar over SCTP, if this is its address for TCP.
    pub(super) fn first_choice(&self, registrar: &Registrar) -> Option<&Registrar> {
        let is_tcp = registrar.address.protocol == Protocol::Tcp;
        let is_it = |other: &&Registrar| {
            let RegistrarAddress { protocol, addresses } = &other.address;
            is_tcp && *protocol == Protocol::Sctp && addresses.contains(&registrar.address.first())
        };
        self.list.iter().find(is_it)
    }

    fn find(&mut self, address: &RegistrarAddress) -> Option<&mut Registrar> {
        self.list.iter_mut().find(|registrar| registrar.address == *address)
    }

    fn insert(&mut self, address: RegistrarAddress, server: ServerId, configured: bool) -> RegistrarKey {
        let key = RegistrarKey(self.next_key);
        self.next_key += 1;
        self.list.push(Registrar { key, address, server, configured });
        key
    }

    fn announced(&self) -> usize {
        self.list.iter().filter(|registrar| !registrar.configured).count()
    }

    fn remove(&mut self, key: RegistrarKey) -> Option<Registrar> {
        let at = self.list.iter().position(|registrar| registrar.key == key)?;
        if at < self.next {
            self.next -= 1;
        }
        Some(self.list.remove(at))
    }
}

impl Endpoint {
    /// A datagram on the announcement channel.
    pub(super) fn announcement(&mut self, from: SocketAddr, data: &Bytes, now: Time) {
        match Message::decode(data) {
            Ok(decoded) => match decoded.message {
                Message::ServerAnnounce(announce) => self.announced(from, announce, now),
                _ => self.event(Event::BadMessage { from, reason: "not an announcement".into() }),
            },
            Err(error) => self.event(Event::BadMessage { from, reason: error.to_string() }),
        }
    }

    //= https://www.rfc-editor.org/rfc/rfc5352#section-3.6
    //# If an ASAP_SERVER_ANNOUNCE message is received by a PU or PE, it
    //# SHOULD insert all new included transport addresses into its list of
    //# ENRP server addresses and start a T7-ENRPoutdate timer for each
    //# address.  For all already-known, included transport addresses, the
    //# T7-ENRPoutdate timer MUST be restarted for each address.
    fn announced(&mut self, from: SocketAddr, announce: ServerAnnounce, now: Time) {
        let mut addresses: Vec<RegistrarAddress> = announce.transports.iter().filter_map(address_of).collect();
        if announce.transports.is_empty() {
            let address = SocketAddr::new(from.ip(), ASAP_PORT);
            addresses.push(RegistrarAddress { protocol: Protocol::Sctp, addresses: [address].into_iter().collect() });
        }
        addresses.retain(|address| self.settings.protocols.contains(&address.protocol));
        for address in addresses {
            let first = address.first();
            if let Some(known) = self.registrars.find(&address) {
                known.server = announce.server_id;
                let (key, configured) = (known.key, known.configured);
                if !configured {
                    self.timers.set(Timer::Outdate(key), now + self.settings.t7_outdate);
                }
            } else if self.registrars.announced() < MAX_ANNOUNCED {
                let key = self.registrars.insert(address, announce.server_id, false);
                self.timers.set(Timer::Outdate(key), now + self.settings.t7_outdate);
                self.event(Event::RegistrarAnnounced { address: first });
                self.hunt_more();
            }
        }
    }

    //= https://www.rfc-editor.org/rfc/rfc5352#section-3.6
    //# If a T7-ENRPoutdate timer
    //# for a transport address expires, the corresponding address is deleted
    //# from the managed list of transport addresses of the PU or PE.
    pub(super) fn outdate(&mut self, key: RegistrarKey) {
        if let Some(registrar) = self.registrars.remove(key) {
            self.event(Event::RegistrarOutdated { address: registrar.address.first() });
        }
    }
}

/// Where to connect to for a transport of an announcement, `None` if nobody can be there.
fn address_of(transport: &Transport) -> Option<RegistrarAddress> {
    let protocol = match transport.protocol {
        parameter::Protocol::Sctp => Protocol::Sctp,
        parameter::Protocol::Tcp => Protocol::Tcp,
        _ => return None,
    };
    let usable = |ip: &&std::net::IpAddr| !ip.is_unspecified() && !ip.is_multicast();
    let addresses: smallvec::SmallVec<[SocketAddr; 1]> =
        transport.addresses.iter().filter(usable).map(|ip| SocketAddr::new(*ip, transport.port)).collect();
    (transport.port != 0 && !addresses.is_empty()).then_some(RegistrarAddress { protocol, addresses })
}

/// RFC 5352 §8.2
const ASAP_PORT: u16 = 3863;
