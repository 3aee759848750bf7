// SPDX-License-Identifier: MIT OR Apache-2.0
//! Accepting associations.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use machine::association::Mapping;
use socket2::{Domain, Protocol, Socket, Type};
use thiserror::Error;
use tokio::net::TcpListener;

use crate::tcp::canonical;
use crate::transport::{Accept, Port};
use crate::{AddressError, Association, Feature, NotAvailable, Options};

/// A port on which peers open associations: over TCP in the TCP mapping or in plain ASAP, or over SCTP.
#[derive(Debug)]
pub struct Listener {
    inner: Inner,
    local: Vec<SocketAddr>,
}

#[derive(Debug)]
enum Inner {
    Tcp(TcpListener, Options),
    Sctp(Box<dyn Accept>),
}

/// A port that is ours and refuses associations, until it is listened on.
#[derive(Debug)]
pub struct ReservedPort {
    socket: Reserved,
    local: Vec<SocketAddr>,
}

#[derive(Debug)]
enum Reserved {
    Tcp(Socket, Options),
    Sctp(Box<dyn Port>),
}

/// Why an address could not be listened on, and what to do.
#[derive(Debug, Error)]
pub enum BindError {
    /// Another program has the port.
    #[error("{0} is in use: stop the program that listens there (`ss -ltnp` shows it), or choose another port")]
    InUse(SocketAddr),
    /// Another program, or this one, has the SCTP port, which over UDP is the UDP port named.
    #[error(
        "{address} is in use for SCTP: stop the program that has UDP port {udp} (`ss -lunp` shows it), or choose another port"
    )]
    SctpInUse {
        /// The address with its SCTP port.
        address: SocketAddr,
        /// The UDP port.
        udp: u16,
    },
    /// No interface has the address.
    #[error("{0} is not an address of this host: `ip address` lists those, 0.0.0.0 and [::] mean all of them")]
    NotOurs(SocketAddr),
    /// The port is privileged.
    #[error("not allowed to listen on {0}: choose a port of 1024 or more, or give the program CAP_NET_BIND_SERVICE")]
    NotAllowed(SocketAddr),
    /// Several addresses, and TCP listens on one.
    #[error("TCP listens on one address (0.0.0.0 and [::] mean all this host has): name one, or use SCTP")]
    OneAddress,
    /// There is no SCTP here.
    #[error("this process has no SCTP: load the kernel's (`modprobe sctp`), or choose SCTP over UDP")]
    NoSctp,
    /// Anything else the system says.
    #[error("cannot listen on {address}: {error}")]
    Other {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
}

impl Listener {
    /// Listens on `address` over TCP; port 0 means any free one. `[::]` takes IPv4 too. `options` are those of the
    /// associations accepted. Must be called inside the runtime. SCTP is for [`Transports`](crate::Transports) to listen on.
    pub fn bind(address: SocketAddr, options: Options) -> Result<Self, BindError> {
        ReservedPort::bind(address, options)?.listen()
    }

    /// The next association. Dropping the future loses none.
    pub async fn accept(&self) -> Association {
        let (listener, options) = match &self.inner {
            Inner::Sctp(sctp) => return Association::over(std::future::poll_fn(|cx| sctp.poll_accept(cx)).await),
            Inner::Tcp(listener, options) => (listener, *options),
        };
        loop {
            match listener.accept().await {
                Ok((stream, _)) => return Association::accept(stream, options),
                Err(error) => {
                    // That one is gone (ECONNABORTED), or there are no descriptors left and it keeps its place in the
                    // queue: neither is a reason to stop.
                    tracing::warn!(address = %self.local_addr(), %error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Listens on this address of the host too, with the same port. Associations that are up do not change.
    pub fn add_local_address(&self, address: IpAddr) -> Result<(), AddressError> {
        match &self.inner {
            Inner::Sctp(sctp) => sctp.add_local_address(address),
            Inner::Tcp(..) => Err(NotAvailable { feature: Feature::AddIp, mapping: Mapping::Tcp }.into()),
        }
    }

    /// Listens on this address no more.
    pub fn remove_local_address(&self, address: IpAddr) -> Result<(), AddressError> {
        match &self.inner {
            Inner::Sctp(sctp) => sctp.remove_local_address(address),
            Inner::Tcp(..) => Err(NotAvailable { feature: Feature::AddIp, mapping: Mapping::Tcp }.into()),
        }
    }

    /// The (first) address it listens on, with its port.
    pub fn local_addr(&self) -> SocketAddr {
        self.local[0]
    }

    /// All addresses it listens on, with their port.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.local
    }

    /// An address under which this host reaches it: loopback if it listens on all addresses.
    pub fn loopback_addr(&self) -> SocketAddr {
        let ip = match self.local_addr().ip() {
            ip if !ip.is_unspecified() => ip,
            ip if ip.is_ipv4() => Ipv4Addr::LOCALHOST.into(),
            _ => Ipv6Addr::LOCALHOST.into(),
        };
        SocketAddr::new(ip, self.local_addr().port())
    }
}

impl ReservedPort {
    /// Takes the address over TCP; port 0 means any free one. `[::]` takes IPv4 too.
    pub fn bind(address: SocketAddr, options: Options) -> Result<Self, BindError> {
        let reserve = || {
            let socket = reserve(address)?;
            let local = socket.local_addr()?.as_socket().map_or(address, canonical);
            Ok(ReservedPort { socket: Reserved::Tcp(socket, options), local: vec![local] })
        };
        reserve().map_err(|error| BindError::of(address, error))
    }

    pub(crate) fn sctp(port: Box<dyn Port>) -> Self {
        ReservedPort { local: port.local_addrs(), socket: Reserved::Sctp(port) }
    }

    /// The (first) address, with its port.
    pub fn local_addr(&self) -> SocketAddr {
        self.local[0]
    }

    /// All addresses, with their port.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.local
    }

    /// From here on associations are accepted. Must be called inside the runtime.
    pub fn listen(self) -> Result<Listener, BindError> {
        let ReservedPort { socket, local } = self;
        let inner = match socket {
            Reserved::Sctp(port) => Inner::Sctp(port.listen()?),
            Reserved::Tcp(socket, options) => {
                let listen = || {
                    socket.listen(BACKLOG)?;
                    TcpListener::from_std(socket.into())
                };
                Inner::Tcp(listen().map_err(|error| BindError::of(local[0], error))?, options)
            }
        };
        Ok(Listener { inner, local })
    }
}

impl BindError {
    pub(crate) fn of(address: SocketAddr, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse(address),
            io::ErrorKind::AddrNotAvailable => BindError::NotOurs(address),
            io::ErrorKind::PermissionDenied => BindError::NotAllowed(address),
            _ => BindError::Other { address, error },
        }
    }
}

fn reserve(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // A registrar that is restarted must not wait for the old connections to be forgotten.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// After a restart all PEs and PUs come at once; the kernel lowers it to its own limit.
const BACKLOG: i32 = 4096;

/// Between two tries while the system refuses to accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_in_use_is_named_with_what_to_do() {
        let first = Listener::bind("127.0.0.1:0".parse().unwrap(), Options::default()).unwrap();
        let error = Listener::bind(first.local_addr(), Options::default()).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(&first.local_addr().to_string()) && text.contains("choose another port"), "{text}");
    }

    #[tokio::test]
    async fn a_reserved_port_refuses_connections_until_it_is_listened_on() {
        let reserved = ReservedPort::bind("127.0.0.1:0".parse().unwrap(), Options::default()).unwrap();
        let address = reserved.local_addr();
        let error = tokio::net::TcpStream::connect(address).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let listener = reserved.listen().unwrap();
        assert_eq!(listener.local_addr(), address);
        assert!(tokio::net::TcpStream::connect(address).await.is_ok());
    }

    #[tokio::test]
    async fn an_address_of_another_host_is_refused_by_name() {
        let error = Listener::bind("192.0.2.1:0".parse().unwrap(), Options::default()).unwrap_err();
        assert!(matches!(error, BindError::NotOurs(_)), "{error}");
    }

    #[tokio::test]
    async fn listening_everywhere_is_reached_over_loopback() {
        for address in ["0.0.0.0:0", "[::]:0"] {
            let listener = Listener::bind(address.parse().unwrap(), Options::default()).unwrap();
            let near = listener.loopback_addr();
            assert!(near.ip().is_loopback() && near.port() != 0 && near.is_ipv4() == address.starts_with('0'));
        }
    }
}
