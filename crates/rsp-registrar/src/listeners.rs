// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where ASAP and ENRP are served.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use net::{BindError, Options, ReservedPort};
use rsp_core::registrar::Input;
use rsp_wire::parameter::{Protocol, Transport, TransportUse};

use crate::shell::Shell;

/// The port of ASAP, RFC 5352 §8.2.
const ASAP_PORT: u16 = 3863;

/// The port of ENRP, RFC 5353 §6.2.
pub(crate) const ENRP_PORT: u16 = 9901;

/// Takes all `addresses`; if there are none, port 3863 of all this host has.
pub(crate) fn asap(addresses: &[SocketAddr], options: Options) -> Result<Vec<ReservedPort>, BindError> {
    if addresses.is_empty() {
        return everywhere(ASAP_PORT, options).map(|port| vec![port]);
    }
    addresses.iter().map(|address| ReservedPort::bind(*address, options)).collect()
}

/// Takes all `addresses`; if there are none, port 9901 where ASAP is; where that has taken any free port, any free port.
pub(crate) fn enrp(
    addresses: &[SocketAddr],
    asap: &[SocketAddr],
    options: Options,
) -> Result<Vec<ReservedPort>, BindError> {
    if !addresses.is_empty() {
        return addresses.iter().map(|address| ReservedPort::bind(*address, options)).collect();
    }
    if asap.is_empty() {
        return everywhere(ENRP_PORT, options).map(|port| vec![port]);
    }
    let mut beside: Vec<_> = asap.iter().map(|asap| SocketAddr::new(asap.ip(), beside_port(asap.port()))).collect();
    beside.sort_unstable();
    beside.dedup();
    beside.into_iter().map(|address| ReservedPort::bind(address, options)).collect()
}

fn beside_port(asap: u16) -> u16 {
    if asap == 0 { 0 } else { ENRP_PORT }
}

/// `[::]` takes IPv4 too; a host without IPv6 has only 0.0.0.0.
fn everywhere(port: u16, options: Options) -> Result<ReservedPort, BindError> {
    match ReservedPort::bind((Ipv6Addr::UNSPECIFIED, port).into(), options) {
        Err(BindError::Other { .. } | BindError::NotOurs(_)) => {
            ReservedPort::bind((Ipv4Addr::UNSPECIFIED, port).into(), options)
        }
        result => result,
    }
}

/// What announcements to PEs and PUs say, one transport for each address: whoever looks for a registrar tries several at once.
pub(crate) fn asap_transports(listening: &[SocketAddr], host: &[IpAddr]) -> Vec<Transport> {
    let mut transports = Vec::new();
    for address in listening {
        if address.ip().is_unspecified() {
            let own = reachable(host, address.is_ipv6());
            transports.extend(own.into_iter().map(|ip| transport(SocketAddr::new(ip, address.port()))));
        } else {
            transports.push(transport(*address));
        }
    }
    transports.truncate(MOST_TRANSPORTS);
    transports
}

/// What presences say: of a listener on all addresses, the registrar tells each peer the one it sees.
pub(crate) fn enrp_transports(listening: &[SocketAddr]) -> Vec<Transport> {
    listening.iter().map(|address| transport(*address)).collect()
}

/// Tells the registrar when the host has other addresses, for as long as it is awaited.
pub(crate) async fn follow_host(shell: Rc<Shell>, listening: Vec<SocketAddr>, mut known: Vec<IpAddr>) {
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

fn transport(address: SocketAddr) -> Transport {
    Transport {
        protocol: Protocol::Tcp,
        port: address.port(),
        transport_use: TransportUse::DATA_ONLY,
        addresses: [address.ip()].into_iter().collect(),
    }
}

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
            let listening: Vec<_> = listening.iter().map(|it| it.parse().unwrap()).collect();
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
}
