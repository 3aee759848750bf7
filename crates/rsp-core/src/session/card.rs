// SPDX-License-Identifier: MIT OR Apache-2.0
//! Business cards, RFC 5352 §3.9: which pool a peer belongs to, and who should go on if it fails.

use rsp_wire::asap::BusinessCard;
use rsp_wire::parameter::{Policy, UserTransport};

/// What is kept of a peer's card: so many elements, and nothing that holds the whole message in memory.
pub(super) fn kept(card: BusinessCard, most: usize) -> BusinessCard {
    let pool_elements = card
        .pool_elements
        .into_iter()
        .filter(|pe| matches!(pe.user_transport, UserTransport::Ip(_)))
        .take(most)
        .map(|mut pe| {
            pe.unknown = Vec::new();
            pe.policy = Policy::RoundRobin;
            pe.asap_transport = None;
            pe
        })
        .collect();
    BusinessCard { pool_handle: card.pool_handle.detach(), pool_elements, unknown: Vec::new() }
}

#[cfg(test)]
mod tests {
    use rsp_wire::parameter::{PoolElement, Protocol, RegistrationLife, Transport, TransportUse};
    use rsp_wire::{PeId, PoolHandle, ServerId};

    use super::*;

    fn element(id: u32) -> PoolElement {
        PoolElement {
            id: PeId(id),
            home: ServerId::NONE,
            life: RegistrationLife(0),
            user_transport: UserTransport::Ip(Transport {
                protocol: Protocol::Tcp,
                port: 7000,
                transport_use: TransportUse::DATA_PLUS_CONTROL,
                addresses: [std::net::IpAddr::from([192, 0, 2, 1])].into_iter().collect(),
            }),
            policy: Policy::Other { policy_type: 0x77, data: bytes::Bytes::from_static(&[1; 512]) },
            asap_transport: None,
            unknown: Vec::new(),
        }
    }

    #[test]
    fn of_ten_thousand_entries_the_first_are_kept_and_nothing_of_their_message() {
        let pool_elements: Vec<_> = (0..10_000).map(element).collect();
        let card = BusinessCard { pool_handle: PoolHandle::from("x"), pool_elements, unknown: Vec::new() };
        let card = kept(card, 128);
        assert_eq!(card.pool_elements.len(), 128);
        assert_eq!(card.pool_elements[127].id, PeId(127));
        assert!(card.pool_elements.iter().all(|pe| pe.policy == Policy::RoundRobin));
    }
}
