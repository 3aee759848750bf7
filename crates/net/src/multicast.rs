// SPDX-License-Identifier: MIT OR Apache-2.0
//! A multicast channel: datagrams to and from all who joined a group. ASAP_SERVER_ANNOUNCE (RFC 5352 §3.6) and ENRP_PRESENCE
//! (RFC 5353 §3.1) go over such channels.
//!
//! One socket hears, and one per interface speaks. Processes of one host share the port, and hear each other.

mod channel;
mod interface;
mod pace;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use thiserror::Error;
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;

use crate::tcp::canonical;
pub use channel::MulticastChannel;
use interface::Interface;
use pace::Pace;

/// How a group is joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MulticastOptions {
    /// The name of the only interface to use; without it every one that is up, has the flag MULTICAST and an address others
    /// can connect to.
    pub interface: Option<String>,
    /// How many networks a datagram may cross: TTL, or hop limit.
    pub hops: u8,
    /// The port datagrams come from, 0 = any. RSPLIB takes a registrar's port from here.
    pub source_port: u16,
}

impl Default for MulticastOptions {
    fn default() -> Self {
        MulticastOptions { interface: None, hops: 1, source_port: 0 }
    }
}

/// A group that was joined. Dropped, it is left.
#[derive(Debug)]
pub struct Multicast {
    group: SocketAddr,
    options: MulticastOptions,
    receiver: UdpSocket,
    senders: Vec<(Interface, Socket)>,
    buffer: Box<[u8]>,
    pace: Pace,
}

/// Why a group could not be joined, and what to do.
#[derive(Debug, Error)]
pub enum MulticastError {
    /// Not the address of a group.
    #[error("{0} is not a multicast group with a port: groups are in 224.0.0.0/4 or ff00::/8")]
    NotAGroup(SocketAddr),
    /// No interface has this name.
    #[error("there is no interface \"{0}\": `ip link` lists those there are")]
    NoSuchInterface(String),
    /// None can be used.
    #[error(
        "no interface can join {0}: one is needed that is up, has the flag MULTICAST and an address of that family (`ip address` shows them)"
    )]
    NoInterface(SocketAddr),
    /// The system refuses.
    #[error("cannot join {group}: {error}")]
    Refused {
        /// Which group.
        group: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
}

impl Multicast {
    /// Joins `group`. What this host sends to it is heard on this host too, by the sender as well. Must be called inside the
    /// runtime.
    ///
    /// # Errors
    /// If no interface can multicast: a host may well live without.
    pub fn join(group: SocketAddr, options: MulticastOptions) -> Result<Self, MulticastError> {
        if !group.ip().is_multicast() || group.port() == 0 {
            return Err(MulticastError::NotAGroup(group));
        }
        let refused = |error| MulticastError::Refused { group, error };
        let receiver = receiver(group, options.interface.as_deref()).map_err(refused)?;
        let mut failed = match &options.interface {
            Some(name) if !interface::exists(name) => MulticastError::NoSuchInterface(name.clone()),
            _ => MulticastError::NoInterface(group),
        };
        let mut senders = Vec::new();
        for interface in interface::find(options.interface.as_deref(), group.ip()).map_err(refused)? {
            match join_on(&receiver, group, &interface).and_then(|()| sender(group, &interface, &options)) {
                Ok(sender) => senders.push((interface, sender)),
                Err(error) => {
                    tracing::debug!(%group, interface = interface.name, %error, "cannot join");
                    failed = MulticastError::Refused { group, error };
                }
            }
        }
        if senders.is_empty() {
            return Err(failed);
        }
        let receiver = UdpSocket::from_std(receiver.into()).map_err(refused)?;
        let buffer = vec![0; LARGEST_DATAGRAM].into_boxed_slice();
        Ok(Multicast { group, options, receiver, senders, buffer, pace: Pace::new() })
    }

    /// Joins anew if interfaces have come or gone.
    ///
    /// # Errors
    /// As [`join`](Self::join): there is none left. Join again later.
    pub fn refresh(&mut self) -> Result<(), MulticastError> {
        let found = interface::find(self.options.interface.as_deref(), self.group.ip());
        let found = found.map_err(|error| MulticastError::Refused { group: self.group, error })?;
        if !found.iter().eq(self.senders.iter().map(|(interface, _)| interface)) {
            *self = Multicast::join(self.group, self.options.clone())?;
        }
        Ok(())
    }

    /// The group.
    pub fn group(&self) -> SocketAddr {
        self.group
    }

    /// The names of the interfaces it is joined on.
    pub fn interfaces(&self) -> impl Iterator<Item = &str> {
        self.senders.iter().map(|(interface, _)| interface.name.as_str())
    }

    /// The same as text.
    fn joined_on(&self) -> String {
        self.interfaces().collect::<Vec<_>>().join(", ")
    }

    /// Sends to the group on all interfaces, without waiting: like any datagram it may be lost.
    ///
    /// # Errors
    /// If no interface takes it.
    pub fn send(&self, data: &[u8]) -> io::Result<()> {
        let mut result = Err(io::ErrorKind::NetworkUnreachable.into());
        for (_, sender) in &self.senders {
            match sender.send_to(data, &self.group.into()) {
                Ok(_) => result = Ok(()),
                // An interface that is down now may be up next time.
                Err(error) => result = result.or(Err(error)),
            }
        }
        result
    }

    /// The next datagram and where it comes from. Dropping the future loses none. Whoever floods the group does not hold up
    /// this process: beyond some thousands a second the system drops them.
    pub async fn receive(&mut self) -> (SocketAddr, Bytes) {
        std::future::poll_fn(|cx| self.poll_receive(cx)).await
    }

    /// [`receive`](Self::receive) in poll form.
    pub fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<(SocketAddr, Bytes)> {
        loop {
            ready!(self.pace.poll_next(cx));
            let mut datagram = ReadBuf::new(&mut self.buffer);
            match ready!(self.receiver.poll_recv_from(cx, &mut datagram)) {
                Ok(from) => return Poll::Ready((canonical(from), Bytes::copy_from_slice(datagram.filled()))),
                Err(error) => tracing::debug!(group = %self.group, %error, "cannot receive"),
            }
        }
    }
}

/// Bound to the group, so that the system hands up nothing else that comes to this port.
fn receiver(group: SocketAddr, interface: Option<&str>) -> io::Result<Socket> {
    let socket = shared_socket(group)?;
    if let Some(name) = interface
        && let Err(error) = socket.bind_device(Some(name.as_bytes()))
    {
        // Linux before 5.7 lets only root do this. What comes on other interfaces is heard too, if another program joined there.
        tracing::debug!(interface = name, %error, "not bound to the interface");
    }
    match group.ip() {
        IpAddr::V4(_) => socket.bind(&group.into())?,
        // Groups of the link exist once per interface: bound to one of them we would not hear the others.
        IpAddr::V6(ip) if is_of_the_link(ip) => {
            socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, group.port())).into())?;
        }
        IpAddr::V6(_) => socket.bind(&group.into())?,
    }
    Ok(socket)
}

fn join_on(receiver: &Socket, group: SocketAddr, interface: &Interface) -> io::Result<()> {
    match group.ip() {
        IpAddr::V4(group) => receiver.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(interface.index)),
        IpAddr::V6(group) => receiver.join_multicast_v6(&group, interface.index),
    }
}

fn sender(group: SocketAddr, interface: &Interface, options: &MulticastOptions) -> io::Result<Socket> {
    let socket = shared_socket(group)?;
    match interface.address {
        IpAddr::V4(address) => {
            socket.set_multicast_if_v4(&address)?;
            socket.set_multicast_ttl_v4(options.hops.into())?;
            socket.set_multicast_loop_v4(true)?;
        }
        IpAddr::V6(_) => {
            socket.set_multicast_if_v6(interface.index)?;
            socket.set_multicast_hops_v6(options.hops.into())?;
            socket.set_multicast_loop_v6(true)?;
        }
    }
    // Nobody reads here: what is sent to this port must not fill the memory.
    socket.set_recv_buffer_size(0)?;
    let any: IpAddr = if group.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let bind = |port| socket.bind(&SocketAddr::new(any, port).into());
    bind(options.source_port).or_else(|error| {
        // The port may be another program's. Our messages say where we are; only RSPLIB would look at it.
        tracing::debug!(port = options.source_port, %error, "multicast comes from another port");
        bind(0)
    })?;
    Ok(socket)
}

/// A socket that shares its port with the other processes of this host that joined the group.
fn shared_socket(group: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(group), Type::DGRAM, Some(Protocol::UDP))?;
    // What is heard is what this socket joined, not what other sockets of the host did.
    if group.is_ipv6() {
        socket.set_only_v6(true)?;
        socket.set_multicast_all_v6(false)?;
    } else {
        socket.set_multicast_all_v4(false)?;
    }
    socket.set_reuse_address(true)?;
    // A program that sets only this one, as RSPLIB may, shares only with those that set it too.
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// FFx1 and FFx2, RFC 4291 §2.7: the interface and the link.
fn is_of_the_link(group: Ipv6Addr) -> bool {
    matches!(group.segments()[0] & 0xf, 1 | 2)
}

/// Of UDP.
const LARGEST_DATAGRAM: usize = 65_535;
