// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which addresses a peer may register: its own. RFC 5352 §2.2.1 wants a subset of those used in the association.
//!
//! Without it a PE could aim pool users, or registrars checking it, at third parties.

use std::net::IpAddr;

use rsp_wire::parameter::Transport;

use crate::association::Peer;

/// The addresses one peer may register.
pub(super) struct AddressFilter<'a> {
    peer: &'a Peer,
    /// Addresses of the registrar's host, which a process on it may all name: they are its own.
    local_addresses: &'a [IpAddr],
    accept_foreign_addresses: bool,
}

impl<'a> AddressFilter<'a> {
    pub(super) fn new(peer: &'a Peer, local_addresses: &'a [IpAddr], accept_foreign_addresses: bool) -> Self {
        AddressFilter { peer, local_addresses, accept_foreign_addresses }
    }

    /// Whether the peer may register `address`.
    pub(super) fn allows(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        if address.is_unspecified() || address.is_multicast() {
            return false;
        }
        self.accept_foreign_addresses || self.owns(address)
    }

    /// Whether the peer sits at `address`, whatever the setting says about foreign ones.
    pub(super) fn owns(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let mut sources = self.peer.addresses.iter().map(|source| source.ip().to_canonical());
        // One address of loopback among others is only what the peer says.
        let is_near = sources.len() > 0 && sources.clone().all(|source| source.is_loopback());
        let mut near = self.local_addresses.iter().map(IpAddr::to_canonical);
        sources.any(|source| source == address)
            || is_near && (address.is_loopback() || near.any(|local| local == address))
    }

    /// Takes the addresses out of `transport` that are not the peer's. Answers what it was if anything was taken out.
    pub(super) fn apply(&self, transport: &mut Transport) -> Option<Transport> {
        if transport.addresses.iter().all(|address| self.allows(*address)) {
            return None;
        }
        let before = transport.clone();
        transport.addresses.retain(|address| self.allows(*address));
        Some(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::association::{Mapping, PeerIdentity};
    use rsp_wire::parameter::{Protocol, TransportUse};
    use smallvec::smallvec;

    fn peer(source: &str) -> Peer {
        Peer {
            addresses: smallvec![source.parse().unwrap()],
            local: "192.0.2.100:3863".parse().unwrap(),
            mapping: Mapping::Tcp,
            max_message: 65_455,
            identity: PeerIdentity::Anonymous,
            local_addresses: Default::default(),
            own_heartbeat: true,
        }
    }

    fn allows(source: &str, address: &str) -> bool {
        let local = ["192.0.2.100".parse().unwrap()];
        AddressFilter::new(&peer(source), &local, false).allows(address.parse().unwrap())
    }

    //= https://www.rfc-editor.org/rfc/rfc5352#section-2.2.1
    //= type=test
    //# Furthermore, the IP
    //# address(es) of the PE that is registered within the Pool Element
    //# parameter MUST be a subset of the IP address(es) used in the SCTP
    //# association, regardless of the registered transport protocol.
    #[test]
    fn a_peer_may_register_its_own_address_and_no_other() {
        assert!(allows("192.0.2.1:5000", "192.0.2.1"));
        assert!(!allows("192.0.2.1:5000", "192.0.2.2"));
        assert!(!allows("192.0.2.1:5000", "192.0.2.100"));
        assert!(allows("[::ffff:192.0.2.1]:5000", "192.0.2.1"));
    }

    #[test]
    fn a_process_on_the_registrars_host_may_register_any_address_of_the_host() {
        assert!(allows("127.0.0.1:5000", "127.0.0.2"));
        assert!(allows("127.0.0.1:5000", "192.0.2.100"));
        assert!(allows("[::1]:5000", "192.0.2.100"));
        assert!(!allows("127.0.0.1:5000", "192.0.2.1"));
    }

    #[test]
    fn a_peer_that_only_says_it_is_on_the_registrars_host_too_is_not_believed() {
        let mut peer = peer("192.0.2.1:5000");
        peer.addresses.push("127.0.0.1:5000".parse().unwrap());
        let local = ["192.0.2.100".parse().unwrap()];
        let filter = AddressFilter::new(&peer, &local, false);
        assert!(!filter.allows("192.0.2.100".parse().unwrap()));
        assert!(!filter.allows("127.0.0.2".parse().unwrap()));
    }

    #[test]
    fn no_setting_lets_a_pe_register_addresses_nobody_can_have() {
        let peer = peer("192.0.2.1:5000");
        let filter = AddressFilter::new(&peer, &[], true);
        assert!(filter.allows("198.51.100.1".parse().unwrap()));
        for address in ["0.0.0.0", "::", "239.0.0.50", "ff02::1"] {
            assert!(!filter.allows(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn a_transport_loses_what_is_foreign_and_the_original_comes_back() {
        let peer = peer("192.0.2.1:5000");
        let filter = AddressFilter::new(&peer, &[], false);
        let addresses: smallvec::SmallVec<[IpAddr; 1]> =
            smallvec!["192.0.2.1".parse().unwrap(), "198.51.100.1".parse().unwrap()];
        let transport_use = TransportUse::DATA_ONLY;
        let before = Transport { protocol: Protocol::Sctp, port: 7000, transport_use, addresses };
        let mut transport = before.clone();
        assert_eq!(filter.apply(&mut transport), Some(before.clone()));
        assert_eq!(transport.addresses[..], before.addresses[..1]);
        assert_eq!(filter.apply(&mut transport), None);
    }
}
