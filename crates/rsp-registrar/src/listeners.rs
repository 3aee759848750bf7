// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where ASAP is served.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use net::{BindError, Listener, Options};

/// The port of ASAP, RFC 5352 §8.2.
pub(crate) const ASAP_PORT: u16 = 3863;

/// Listens on all `addresses`; if there are none, on port 3863 of all this host has.
pub(crate) fn open(addresses: &[SocketAddr], options: Options) -> Result<Vec<Listener>, BindError> {
    if addresses.is_empty() {
        return everywhere(options).map(|listener| vec![listener]);
    }
    addresses.iter().map(|address| Listener::bind(*address, options)).collect()
}

/// `[::]` takes IPv4 too; a host without IPv6 has only 0.0.0.0.
fn everywhere(options: Options) -> Result<Listener, BindError> {
    match Listener::bind((Ipv6Addr::UNSPECIFIED, ASAP_PORT).into(), options) {
        Err(BindError::Other { .. } | BindError::NotOurs(_)) => {
            Listener::bind((Ipv4Addr::UNSPECIFIED, ASAP_PORT).into(), options)
        }
        result => result,
    }
}
