// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where ASAP and ENRP are served.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use machine::association;
use net::{BindError, Options, ReservedPort, SctpBackend, Transports};
use rsp_core::registrar::Input;
use rsp_wire::parameter::{Protocol, Transport, TransportUse};

use crate::shell::Shell;

/// The port of ASAP, RFC 5352 §8.2.
const ASAP_PORT: u16 = 3863;

/// The port of ENRP, RFC 5353 §6.2.
pub(crate) const ENRP_PORT: u16 = 9901;

/// A port that is ours and not listened on yet.
#[derive(Debug)]
pub(crate) struct Taken {
    protocol: association::Protocol,
    pub(crate) port: ReservedPort,
}

/// Where something is served, and over what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Served {
    pub(crate) protocol: association::Protocol,
    /// SCTP may have several, with one port.
    pub(crate) addresses: Vec<SocketAddr>,
}

/// Takes ports for each of these protocols.
#[derive(Debug)]
pub(crate) struct Taker<'a> {
    pub(crate) transports: &'a Transports,
    pub(crate) protocols: &'a [association::Protocol],
    pub(crate) options: Options,
}

impl Taker<'_> {
    /// Takes all `addresses`; if there are none, port 3863 of all this host has.
    pub(crate) fn asap(&self, addresses: &[SocketAddr]) -> Result<Vec<Taken>, BindError> {
        if addresses.is_empty() {
            return self.everywhere(ASAP_PORT);
        }
        self.take_all(addresses)
    }

    /// Takes all `addresses`; if there are none, port 9901 where ASAP is; where that has taken any free port, any free port.
    pub(crate) fn enrp(&self, addresses: &[SocketAddr], asap: &[SocketAddr]) -> Result<Vec<Taken>, BindError> {
        if !addresses.is_empty() {
            return self.take_all(addresses);
        }
        if asap.is_empty() {
            return self.everywhere(ENRP_PORT);
        }
        let mut beside: Vec<_> = asap.iter().map(|asap| SocketAddr::new(asap.ip(), beside_port(asap.port()))).collect();
        beside.sort_unstable();
        beside.dedup();
        self.take_all(&beside)
    }

    /// `[::]` takes IPv4 too; a host without IPv6 has only 0.0.0.0.
    fn everywhere(&self, port: u16) -> Result<Vec<Taken>, BindError> {
        match self.take(&[(Ipv6Addr::UNSPECIFIED, port).into()]) {
            Err(BindError::Other { .. } | BindError::NotOurs(_)) => self.take(&[(Ipv4Addr::UNSPECIFIED, port).into()]),
            result => result,
        }
    }

    /// The kernel's SCTP makes one multi-homed endpoint of the addresses that have one port.
    fn take_all(&self, addresses: &[SocketAddr]) -> Result<Vec<Taken>, BindError> {
        let is_multi_homed = self.transports.sctp() == Some(SctpBackend::Kernel);
        let mut places: Vec<Vec<SocketAddr>> = Vec::new();
        for address in addresses {
            let beside = |place: &&mut Vec<SocketAddr>| address.port() != 0 && place[0].port() == address.port();
            match places.iter_mut().find(beside).filter(|_| is_multi_homed) {
                Some(place) => place.push(*address),
                None => places.push(vec![*address]),
            }
        }
        let taken: Result<Vec<_>, _> = places.iter().map(|place| self.take(place)).collect();
        Ok(taken?.into_iter().flatten().collect())
    }

    /// One place, over all protocols on the same port. Which port is free nobody knows before it is taken with all of them.
    fn take(&self, place: &[SocketAddr]) -> Result<Vec<Taken>, BindError> {
        let attempts = if place[0].port() == 0 { ATTEMPTS } else { 1 };
        let mut result = self.take_together(place);
        for _ in 1..attempts {
            if result.is_ok() {
                break;
            }
            result = self.take_together(place);
        }
        result
    }

    fn take_together(&self, place: &[SocketAddr]) -> Result<Vec<Taken>, BindError> {
        let mut taken: Vec<Taken> = Vec::new();
        for protocol in self.protocols.iter().copied() {
            let port = taken.first().map_or(place[0].port(), |first| first.port.local_addr().port());
            let place: Vec<SocketAddr> = place.iter().map(|address| SocketAddr::new(address.ip(), port)).collect();
            let several = if protocol == association::Protocol::Tcp { 1 } else { place.len() };
            for addresses in place.chunks(several) {
                taken.push(Taken { protocol, port: self.transports.reserve(protocol, addresses, self.options)? });
            }
        }
        Ok(taken)
    }
}

impl Taken {
    /// Where it will be served.
    pub(crate) fn served(&self) -> Served {
        Served { protocol: self.protocol, addresses: self.port.local_addrs().to_vec() }
    }
}

/// The addresses, each once.
pub(crate) fn addresses(served: &[Served]) -> Vec<SocketAddr> {
    let mut all: Vec<SocketAddr> = Vec::new();
    for address in served.iter().flat_map(|it| &it.addresses) {
        if !all.contains(address) {
            all.push(*address);
        }
    }
    all
}

fn beside_port(asap: u16) -> u16 {
    if asap == 0 { 0 } else { ENRP_PORT }
}

/// What announcements to PEs and PUs say: over TCP a transport for each address, as whoever looks for a registrar tries several at once; over SCTP
/// one with all addresses.
pub(crate) fn asap_transports(served: &[Served], host: &[IpAddr]) -> Vec<Transport> {
    let mut transports = Vec::new();
    for Served { protocol, addresses } in served {
        let own = addresses.iter().flat_map(|address| {
            let everywhere = address.ip().is_unspecified().then(|| reachable(host, address.is_ipv6()));
            everywhere.unwrap_or_else(|| vec![address.ip()])
        });
        let own: Vec<IpAddr> = own.collect();
        let port = addresses.first().map_or(0, SocketAddr::port);
        let several = if *protocol == association::Protocol::Tcp { 1 } else { MOST_ADDRESSES };
        transports.extend(own.chunks(several).map(|ips| transport(*protocol, port, ips)));
    }
    transports.truncate(MOST_TRANSPORTS);
    transports
}

/// What presences say: of a listener on all addresses, the registrar tells each peer those it sees.
pub(crate) fn enrp_transports(served: &[Served]) -> Vec<Transport> {
    let ips = |it: &Served| it.addresses.iter().map(SocketAddr::ip).collect::<Vec<_>>();
    let port = |it: &Served| it.addresses.first().map_or(0, SocketAddr::port);
    served.iter().map(|it| transport(it.protocol, port(it), &ips(it))).collect()
}

/// Tells the registrar when the host has other addresses, for as long as it is awaited.
pub(crate) async fn follow_host(shell: Rc<Shell>, listening: Vec<Served>, mut known: Vec<IpAddr>) {
    loop {
        tokio::time::sleep(LOOK_AGAIN).await;
        match net::host_addresses() {
            Ok(host) if host != known => {
                tracing::info!(addresses = ?host, "this host has other addresses");
                shell.input(Input::LocalAddresses(host.clone()));
                shell.input(Input::AsapTransports(asap_transports(&listening, &host)));
                known = host;
            }
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "cannot list this host's addresses"),
        }
    }
}

/// The host's addresses others can connect to, or loopback if it has no other.
fn reachable(host: &[IpAddr], ipv6_too: bool) -> Vec<IpAddr> {
    let of_the_link = |ip: &IpAddr| matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
    let usable = |ip: &&IpAddr| (ip.is_ipv4() || ipv6_too) && !of_the_link(ip);
    let (near, far): (Vec<IpAddr>, Vec<IpAddr>) = host.iter().filter(usable).partition(|ip| ip.is_loopback());
    if far.is_empty() { near } else { far }
}

fn transport(protocol: association::Protocol, port: u16, addresses: &[IpAddr]) -> Transport {
    Transport {
        protocol: match protocol {
            association::Protocol::Sctp => Protocol::Sctp,
            association::Protocol::Tcp => Protocol::Tcp,
        },
        port,
        transport_use: TransportUse::DATA_ONLY,
        addresses: addresses.iter().copied().collect(),
    }
}

/// Of one SCTP transport.
const MOST_ADDRESSES: usize = 16;

/// Free ports that are tried until one is free over all protocols.
const ATTEMPTS: usize = 16;

/// An announcement is one datagram.
const MOST_TRANSPORTS: usize = 16;

/// How often the host's addresses are looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements_name_the_addresses_others_can_connect_to() {
        let announced = |listening: &[&str], host: &[&str]| -> Vec<SocketAddr> {
            let tcp = |it: &&str| Served { protocol: association::Protocol::Tcp, addresses: vec![it.parse().unwrap()] };
            let listening: Vec<_> = listening.iter().map(tcp).collect();
            let host: Vec<_> = host.iter().map(|it| it.parse().unwrap()).collect();
            let transports = asap_transports(&listening, &host);
            transports.iter().map(|it| SocketAddr::new(it.addresses[0], it.port)).collect()
        };
        let host = ["127.0.0.1", "192.0.2.1", "::1", "2001:db8::1", "fe80::1"];
        let named = |all: &[&str]| all.iter().map(|it| it.parse().unwrap()).collect::<Vec<SocketAddr>>();
        assert_eq!(announced(&["[::]:3863"], &host), named(&["192.0.2.1:3863", "[2001:db8::1]:3863"]));
        assert_eq!(announced(&["0.0.0.0:1"], &host), named(&["192.0.2.1:1"]));
        assert_eq!(announced(&["[::]:1"], &["127.0.0.1", "::1"]), named(&["127.0.0.1:1", "[::1]:1"]));
        assert_eq!(announced(&["127.0.0.1:1", "[2001:db8::1]:2"], &host), named(&["127.0.0.1:1", "[2001:db8::1]:2"]));
    }

    #[test]
    fn sctp_is_announced_with_all_its_addresses_in_one_transport() {
        let sctp = Served { protocol: association::Protocol::Sctp, addresses: vec!["[::]:3863".parse().unwrap()] };
        let host: Vec<IpAddr> = ["127.0.0.1", "192.0.2.1", "2001:db8::1"].map(|it| it.parse().unwrap()).to_vec();
        let transports = asap_transports(&[sctp], &host);
        assert_eq!(transports.len(), 1);
        assert_eq!((transports[0].protocol, transports[0].port), (Protocol::Sctp, 3863));
        assert_eq!(transports[0].addresses[..], host[1..]);
    }

    #[test]
    fn one_port_is_taken_over_all_protocols() {
        let transports = Transports::tcp();
        let protocols = [association::Protocol::Tcp];
        let taker = Taker { transports: &transports, protocols: &protocols, options: Options::default() };
        let taken = taker.asap(&["127.0.0.1:0".parse().unwrap(), "127.0.0.1:0".parse().unwrap()]).unwrap();
        let served: Vec<_> = taken.iter().map(Taken::served).collect();
        assert_eq!((served.len(), addresses(&served).len()), (2, 2));
    }
}
