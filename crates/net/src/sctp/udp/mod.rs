// SPDX-License-Identifier: MIT OR Apache-2.0
//! SCTP over UDP (RFC 6951), for hosts whose kernel has no SCTP.
//!
//! Each association's protocol machine is dcSCTP's. Around it stands the [`engine`], which has neither sockets nor a clock: it
//! finds the association a datagram is for, answers INITs without keeping anything (signed cookies), treats
//! what belongs to no association as RFC 9260 §8.4 says, watches that peers are alive, and keeps account of what was delivered.
//! The rest of this folder gives it UDP sockets and time. One address on each side: path failover needs kernel SCTP.

mod association;
mod cookie;
pub mod engine;
mod listener;
mod packet;
mod port;
mod sctp;
mod settings;
mod stack;
mod tokens;

use std::net::SocketAddr;
use std::sync::Arc;

use crate::transport::{Port, Sctp, Transport};
use crate::{BindError, Options, TransportSettings};

pub use settings::{ENCAPSULATION_PORT, Settings, own_udp_port};

/// SCTP over UDP as a back end of [`Transports`](crate::Transports).
#[derive(Debug)]
pub(crate) struct OverUdp(Arc<stack::Stack>);

impl OverUdp {
    pub(crate) fn new(settings: TransportSettings) -> Self {
        OverUdp(stack::Stack::new(settings.udp, settings.encapsulation_port))
    }
}

impl Sctp for OverUdp {
    fn connect(&self, addresses: Vec<SocketAddr>, options: Options) -> Box<dyn Transport> {
        Box::new(association::UdpAssociation::connect(Arc::clone(&self.0), &addresses, options))
    }

    fn reserve(&self, addresses: &[SocketAddr], options: Options) -> Result<Box<dyn Port>, BindError> {
        Ok(Box::new(listener::Reserved::bind(&self.0, addresses, options)?))
    }
}
