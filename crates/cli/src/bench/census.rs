// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whose pool elements a registrar knows, as its answers tell.

use std::collections::BTreeMap;

use anyhow::Result;
use rserpool::Profile;
use rsp_wire::asap::HandleResolution;

use super::client::{Client, Pace, Plan, Workload};
use super::connection::Framing;
use super::resolve::Resolutions;
use super::server::Server;

/// How many pool elements a registrar knows in these pools, by their home.
pub(super) fn census(client: &mut Client, server: &Server, pools: u32, profile: Profile) -> Result<BTreeMap<u32, u64>> {
    let active = client.open(1, server.address(), Framing::Mapping)?;
    client.may_end(active.clone());
    let resolutions = Resolutions::new(pools, Some(HandleResolution::ALL_ITEMS), profile, active.start, 1)?;
    let mut census = Census { resolutions, left: pools, homes: BTreeMap::new() };
    client.run(&Plan::new(active, Pace::Closed { outstanding: 32 }), &mut census, || {})?;
    Ok(census.homes)
}

struct Census {
    resolutions: Resolutions,
    left: u32,
    homes: BTreeMap<u32, u64>,
}

impl Workload for Census {
    fn request(&mut self, connection: usize, due: u64) -> Option<&[u8]> {
        self.left = self.left.checked_sub(1)?;
        self.resolutions.request(connection, due)
    }

    fn answer(&mut self, connection: usize, message: &[u8]) -> Result<(), &'static str> {
        self.resolutions.answer(connection, message)?;
        for home in homes(message) {
            *self.homes.entry(home).or_default() += 1;
        }
        Ok(())
    }
}

/// The home registrar of each pool element in an ASAP_HANDLE_RESOLUTION_RESPONSE.
pub(super) fn homes(message: &[u8]) -> impl Iterator<Item = u32> {
    let mut rest = message.get(4..).unwrap_or_default();
    std::iter::from_fn(move || {
        loop {
            let [t0, t1, l0, l1] = *rest.first_chunk::<4>()?;
            let length = usize::from(u16::from_be_bytes([l0, l1])).max(4);
            let parameter = rest.get(..length)?;
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
            if [t0, t1] == POOL_ELEMENT {
                return parameter.get(8..12).map(|home| u32::from_be_bytes([home[0], home[1], home[2], home[3]]));
            }
        }
    })
}

/// Parameter type of a Pool Element.
const POOL_ELEMENT: [u8; 2] = [0, 0xa];

#[cfg(test)]
mod tests {
    use rsp_wire::asap::{HandleResolutionResponse, Message};
    use rsp_wire::parameter::{Policy, PoolElement, RegistrationLife, UserTransport};
    use rsp_wire::{Dialect, PeId, PoolHandle, ServerId};

    use super::*;

    #[test]
    fn the_homes_of_all_elements_of_a_response_are_found() {
        let element = |home| PoolElement {
            id: PeId(1),
            home: ServerId(home),
            life: RegistrationLife::INFINITE,
            user_transport: UserTransport::Opaque(vec![1, 2, 3].into()),
            policy: Policy::RoundRobin,
            asap_transport: None,
            unknown: Vec::new(),
        };
        let response = Message::from(HandleResolutionResponse {
            accept_updates: false,
            pool_handle: PoolHandle::from("odd"),
            policy: Some(Policy::RoundRobin),
            pool_elements: vec![element(7), element(0xffff_fff0)],
            error: None,
            unknown: Vec::new(),
        });
        let bytes = response.to_bytes(Dialect::STANDARD).unwrap();
        assert_eq!(homes(&bytes).collect::<Vec<_>>(), [7, 0xffff_fff0]);
        for end in 0..bytes.len() {
            assert!(homes(&bytes[..end]).count() <= 2);
        }
    }
}
