// SPDX-License-Identifier: MIT OR Apache-2.0
//! How registrars are found: by name, and by what they announce (RFC 5352 §3.6).

use std::net::SocketAddr;

use bytes::Bytes;
use machine::association::Protocol;
use net::{MulticastChannel, MulticastOptions};
use rsp_core::endpoint::RegistrarAddress;

use crate::pool_user::lookup;
use crate::{Config, Result};

/// The registrars known from the start, and the channel on which others announce themselves.
#[derive(Debug)]
pub(crate) struct Discovery {
    pub(crate) registrars: Vec<RegistrarAddress>,
    pub(crate) channel: AnnouncementChannel,
}

impl Discovery {
    /// Looks up the names and joins the channel. With nothing configured, a registrar on this host and any that announces
    /// itself will do.
    //= https://www.rfc-editor.org/rfc/rfc5352#section-3.6
    //# If multicast capabilities are not used within the operational scope,
    //# each PU and PE MUST have a configured list of transport addresses of
    //# ENRP servers.
    pub(crate) async fn of(config: &Config, over: &[Protocol]) -> Result<Self> {
        let nothing_configured = config.registrars.is_empty();
        let on_this_host = [DEFAULT_REGISTRAR.to_owned()];
        let named = if nothing_configured { &on_this_host } else { config.registrars.as_slice() };
        let mut registrars = Vec::new();
        for registrar in named {
            // Over which of them it is reached nobody has told: the endpoint tries what is preferred first.
            for address in lookup(registrar).await? {
                registrars.extend(over.iter().map(|protocol| RegistrarAddress::over(*protocol, address)));
            }
        }
        let channel = config.multicast.unwrap_or(nothing_configured).then(|| {
            let of_the_profile = config.profile.asap_groups();
            let groups =
                if config.multicast_groups.is_empty() { &of_the_profile } else { config.multicast_groups.as_slice() };
            MulticastChannel::open(
                groups,
                MulticastOptions { interface: config.multicast_interface.clone(), ..MulticastOptions::default() },
            )
        });
        Ok(Discovery { registrars, channel: AnnouncementChannel(channel) })
    }
}

/// Where registrars announce themselves, if anybody wants to know.
#[derive(Debug)]
pub(crate) struct AnnouncementChannel(Option<MulticastChannel>);

impl AnnouncementChannel {
    /// The next announcement and its sender. Dropping the future loses none.
    pub(crate) async fn next(&mut self) -> (SocketAddr, Bytes) {
        match &mut self.0 {
            Some(channel) => channel.receive().await,
            None => std::future::pending().await,
        }
    }
}

const DEFAULT_REGISTRAR: &str = "127.0.0.1:3863";
