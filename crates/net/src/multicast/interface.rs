// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which interfaces of this host can multicast.

use std::io;
use std::net::IpAddr;

use nix::ifaddrs::getifaddrs;
use nix::net::if_::{InterfaceFlags, if_nametoindex};

/// An interface, and one of its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Interface {
    pub(super) name: String,
    pub(super) index: u32,
    pub(super) address: IpAddr,
}

/// Those on which a group of this family can be joined: the named one, or all that are up and have the flag MULTICAST. Each
/// has an address of the family that others can connect to, or nobody would be found by what is said there.
pub(super) fn find(named: Option<&str>, group: IpAddr) -> io::Result<Vec<Interface>> {
    let mut found: Vec<Interface> = Vec::new();
    for interface in getifaddrs()? {
        let name = interface.interface_name;
        let wanted = match named {
            Some(named) => name == named,
            None => interface.flags.contains(InterfaceFlags::IFF_UP | InterfaceFlags::IFF_MULTICAST),
        };
        if !wanted {
            continue;
        }
        let Some(address) = interface.address else { continue };
        let v4 = address.as_sockaddr_in().map(|address| IpAddr::from(address.ip()));
        let Some(address) = v4.or_else(|| address.as_sockaddr_in6().map(|address| address.ip().into())) else {
            continue;
        };
        if address.is_ipv4() != group.is_ipv4() || is_of_the_link(address) {
            continue;
        }
        if let Some(known) = found.iter_mut().find(|known| known.name == name) {
            // What is sent comes from this address: receivers should be able to connect to it.
            if known.address.is_loopback() {
                known.address = address;
            }
        } else {
            // One that has gone meanwhile has no index.
            if let Ok(index) = if_nametoindex(name.as_str()) {
                found.push(Interface { name, index, address });
            }
        }
    }
    Ok(found)
}

/// Whether there is one of this name.
pub(super) fn exists(name: &str) -> bool {
    if_nametoindex(name).is_ok()
}

fn is_of_the_link(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}
