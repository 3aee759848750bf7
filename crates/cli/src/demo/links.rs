// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where everything is, and the links between that can be cut, for each transport.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use net::shim::{Shim, UdpShim};
use rserpool::Transport;

use crate::cluster::Places;

/// A link to one place that can be cut.
pub(crate) enum Link {
    /// A forwarder of connections.
    Tcp(Shim),
    /// A forwarder of datagrams.
    Udp(UdpShim),
    /// An address on the loopback interface, taken away and given back: with the kernel's SCTP there is no process between the two ends.
    Address(IpAddr),
    /// None that could be cut.
    Straight,
}

impl Link {
    pub(crate) fn cut(&self) {
        match self {
            Link::Tcp(shim) => shim.block(),
            Link::Udp(shim) => shim.block(),
            Link::Address(ip) => drop(change_address("del", *ip)),
            Link::Straight => {}
        }
    }

    pub(crate) fn mend(&self) {
        match self {
            Link::Tcp(shim) => shim.unblock(),
            Link::Udp(shim) => shim.unblock(),
            Link::Address(ip) => drop(change_address("add", *ip)),
            Link::Straight => {}
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Link::Address(ip) = self {
            // It may be cut.
            let _ = change_address("del", *ip);
        }
    }
}

/// Where registrar `number` is to serve.
pub(super) fn registrar(transport: Transport, number: usize) -> Places {
    match transport {
        // Each an address of its own, and with it the UDP port of RFC 6951.
        Transport::SctpUdp => Places {
            asap: SocketAddr::new(own_address(number as u8), 3863),
            enrp: SocketAddr::new(own_address(number as u8), 9901),
            ..Places::free()
        },
        _ => Places::free(),
    }
}

/// Where pool element `id` is, and how it is reached.
pub(crate) struct Front {
    pub(crate) listen: SocketAddr,
    pub(crate) advertise: SocketAddr,
    pub(crate) link: Link,
}

/// Between everybody and pool element `id`.
pub(crate) async fn front(transport: Transport, id: u32) -> Result<Front> {
    let n = u8::try_from(id % SERVERS).unwrap_or(0);
    match transport {
        Transport::SctpUdp => {
            let (own, seen) = (own_address(10 + n), own_address(10 + SERVERS as u8 + n));
            let link = Link::Udp(UdpShim::start(seen, own, &encapsulation_ports(PE_PORT)).await?);
            Ok(Front { listen: SocketAddr::new(own, PE_PORT), advertise: SocketAddr::new(seen, PE_PORT), link })
        }
        Transport::Sctp => {
            let ip = IpAddr::V4(Ipv4Addr::new(10, 231, 0, n));
            change_address("add", ip).context("the black hole of the kernel's SCTP needs root")?;
            let at = SocketAddr::new(ip, PE_PORT);
            Ok(Front { listen: at, advertise: at, link: Link::Address(ip) })
        }
        _ => {
            let listen = TcpListener::bind(LOOPBACK)?.local_addr()?;
            let shim = Shim::start(LOOPBACK.parse()?, listen).await?;
            Ok(Front { listen, advertise: shim.local_addr(), link: Link::Tcp(shim) })
        }
    }
}

/// Between pool element `id` and a registrar; where it finds that.
pub(super) async fn back(
    transport: Transport,
    id: u32,
    number: usize,
    registrar: SocketAddr,
) -> Result<(SocketAddr, Link)> {
    match transport {
        Transport::SctpUdp => {
            let n = u8::try_from(id % SERVERS).unwrap_or(0);
            let seen = own_address(10 + 2 * SERVERS as u8 + n * REGISTRARS + number as u8);
            let shim = UdpShim::start(seen, registrar.ip(), &encapsulation_ports(registrar.port())).await?;
            Ok((SocketAddr::new(seen, registrar.port()), Link::Udp(shim)))
        }
        Transport::Sctp => Ok((registrar, Link::Straight)),
        _ => {
            let shim = Shim::start(LOOPBACK.parse()?, registrar).await?;
            Ok((shim.local_addr(), Link::Tcp(shim)))
        }
    }
}

/// An address of 127.0.0.0/8 that no other demo uses.
fn own_address(last: u8) -> IpAddr {
    let pid = std::process::id();
    Ipv4Addr::new(127, 16 + (pid >> 8 & 0x7f) as u8, pid as u8, last).into()
}

/// Where SCTP over UDP may listen for this SCTP port.
fn encapsulation_ports(port: u16) -> [u16; 2] {
    [9899, port + 10_000]
}

fn change_address(how: &str, ip: IpAddr) -> Result<()> {
    let status = Command::new("ip").args(["address", how, &format!("{ip}/32"), "dev", "lo"]).status();
    ensure!(status.context("running `ip`")?.success(), "`ip address {how} {ip}/32 dev lo` failed");
    Ok(())
}

const LOOPBACK: &str = "127.0.0.1:0";
const PE_PORT: u16 = 7000;
/// Pool elements that run at a time, far fewer.
const SERVERS: u32 = 32;
const REGISTRARS: u8 = 4;
