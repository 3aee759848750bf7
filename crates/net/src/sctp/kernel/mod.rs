// SPDX-License-Identifier: MIT OR Apache-2.0
//! SCTP by the kernel (RFC 9260), through the sockets API of RFC 6458 and nothing else: raw socket options of Linux, no libsctp.
//!
//! Every association has a one-to-many socket of its own: a connector's with one association in it, an acceptor's peeled off the listener's. On the
//! wire nobody can tell the styles apart; of the two, one-to-many tells why an association ended as a notification in the queue, behind what
//! was received, and takes SCTP_EOF and SCTP_ABORT.

mod association;
mod incoming;
mod layout;
mod listener;
mod notification;
mod outgoing;
mod silence;
mod socket;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use association::KernelAssociation;
use listener::KernelPort;
use socket::Socket;

use crate::transport::{Port, Sctp, Transport};
use crate::{BindError, KernelSettings, Options};

/// The kernel's SCTP.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kernel {
    settings: KernelSettings,
}

impl Kernel {
    /// Whether this kernel has SCTP. What it lacks, in words.
    pub(crate) fn probe(settings: KernelSettings) -> io::Result<(Self, String)> {
        let socket = open(&[SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0)], settings)?;
        // Without HMAC in the kernel a socket can be had, and listening fails.
        socket.bind(&[SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0)], false)?;
        socket.listen(1)?;
        let lacks = [
            (socket::ASCONF_SUPPORTED, "addresses cannot change while associations live (net.sctp.addip_enable)"),
            (socket::AUTH_SUPPORTED, "chunks are not authenticated (net.sctp.auth_enable)"),
            (socket::PR_SUPPORTED, "messages have no lifetime (net.sctp.prsctp_enable)"),
        ];
        let missing: Vec<_> =
            lacks.iter().filter(|(option, _)| !socket.supports(0, *option)).map(|(_, what)| *what).collect();
        Ok((Kernel { settings }, missing.join("; ")))
    }
}

impl Sctp for Kernel {
    fn connect(&self, addresses: Vec<SocketAddr>, options: Options) -> Box<dyn Transport> {
        Box::new(KernelAssociation::connect(addresses, options, self.settings))
    }

    fn reserve(&self, addresses: &[SocketAddr], options: Options) -> Result<Box<dyn Port>, BindError> {
        Ok(Box::new(KernelPort::bind(addresses, options, self.settings)?))
    }
}

/// A socket for these addresses, set as the process wants it.
fn open(addresses: &[SocketAddr], settings: KernelSettings) -> io::Result<Socket> {
    let socket = Socket::new(addresses)?;
    socket.set_rto(settings.rto_initial, settings.rto_min, settings.rto_max)?;
    socket.set_association_max_retrans(settings.association_max_retrans)?;
    socket.set_init(settings.streams, u16::MAX, settings.rto_max)?;
    socket.set_path_heartbeat(0, settings.path_heartbeat_interval, settings.path_max_retrans)?;
    socket.set_delayed_sack(settings.sack_delay)?;
    Ok(socket)
}
