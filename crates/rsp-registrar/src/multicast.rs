// SPDX-License-Identifier: MIT OR Apache-2.0
//! The multicast channels: ASAP_SERVER_ANNOUNCE to PEs and PUs, ENRP_PRESENCE among registrars.

use std::net::SocketAddr;
use std::rc::Rc;

use bytes::Bytes;
use net::{MulticastChannel, MulticastOptions};
use rsp_core::registrar::{Channel, Input};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::config::Config;
use crate::shell::Shell;

/// Where the registrar's announcements go.
#[derive(Debug, Default)]
pub(crate) struct Announcers {
    asap: Option<Sender<Bytes>>,
    enrp: Option<Sender<Bytes>>,
}

/// A channel that is joined and not yet used.
#[derive(Debug)]
pub(crate) struct Joined {
    which: Channel,
    channel: MulticastChannel,
    to_send: Receiver<Bytes>,
}

impl Announcers {
    /// Joins both channels if the configuration says so. What we say comes from the ports we serve on: RSPLIB looks there for us.
    pub(crate) fn join(config: &Config, asap: &[SocketAddr], enrp: &[SocketAddr]) -> (Self, Vec<Joined>) {
        if !config.settings.multicast {
            return (Announcers::default(), Vec::new());
        }
        let join = |which, groups: &[SocketAddr], served: &[SocketAddr]| {
            let (sender, to_send) = channel(MOST_WAITING);
            let options = MulticastOptions {
                interface: config.multicast_interface.clone(),
                hops: config.multicast_hops,
                source_port: served.first().map_or(0, SocketAddr::port),
            };
            (Some(sender), Joined { which, channel: MulticastChannel::open(groups, options), to_send })
        };
        let (asap, on_asap) = join(Channel::Asap, &config.asap_groups, asap);
        let (enrp, on_enrp) = join(Channel::Enrp, &config.enrp_groups, enrp);
        (Announcers { asap, enrp }, vec![on_asap, on_enrp])
    }

    /// Sends to a channel soon. What cannot be sent is repeated anyway.
    pub(crate) fn announce(&self, channel: Channel, data: Bytes) {
        let announcer = match channel {
            Channel::Asap => &self.asap,
            Channel::Enrp => &self.enrp,
        };
        if let Some(announcer) = announcer {
            let _ = announcer.try_send(data);
        }
    }
}

impl Joined {
    /// Hears and speaks for as long as it is awaited.
    pub(crate) async fn run(mut self, shell: Rc<Shell>) {
        loop {
            tokio::select! {
                (from, data) = self.channel.receive() => {
                    shell.input(Input::Announcement { channel: self.which, from, data });
                }
                Some(data) = self.to_send.recv() => self.channel.send(&data),
            }
        }
    }
}

const MOST_WAITING: usize = 16;
