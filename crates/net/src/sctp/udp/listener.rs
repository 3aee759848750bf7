// SPDX-License-Identifier: MIT OR Apache-2.0
//! SCTP ports that associations come in on, and the UDP ports they come in over.
//!
//! A listener on SCTP port p has UDP port p + 10,000, which nobody else on the host can have then: so an SCTP port belongs
//! to one process, and a connector knows where to find it. It also has UDP port 9899, where kernels and other
//! stacks expect SCTP, if that was free; all listeners of the process at the same address share it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use smallvec::SmallVec;

use super::association::UdpAssociation;
use super::engine::{ListenerId, PortId};
use super::port::UdpPort;
use super::settings::{own_udp_port, sctp_port_of};
use super::stack::{Claim, Stack};
use crate::transport::{Accept, Port, Transport};
use crate::{BindError, Options};

/// An SCTP port that is ours and refuses associations.
#[derive(Debug)]
pub(super) struct Reserved {
    stack: Arc<Stack>,
    ports: SmallVec<[Arc<UdpPort>; 2]>,
    claims: Vec<Claim>,
    addresses: Vec<SocketAddr>,
    options: Options,
}

/// An SCTP port on which associations come in.
#[derive(Debug)]
pub(super) struct Listening {
    stack: Arc<Stack>,
    ports: SmallVec<[Arc<UdpPort>; 2]>,
    _claims: Vec<Claim>,
    id: ListenerId,
}

impl Reserved {
    /// Takes the SCTP port all of `addresses` name; 0 is any.
    pub(super) fn bind(stack: &Arc<Stack>, addresses: &[SocketAddr], options: Options) -> Result<Self, BindError> {
        let Some(first) = addresses.first() else { return Err(BindError::OneAddress) };
        if first.port() != 0 {
            return Self::bind_to(stack, addresses, first.port(), options);
        }
        let mut last = None;
        for _ in 0..TRIES {
            // The system knows which UDP ports are free; the SCTP port follows from it.
            let udp = stack.udp_port(*first).map_err(|error| BindError::of(*first, error))?;
            let Some(port) = sctp_port_of(udp.local.port()) else { continue };
            match Self::bind_to(stack, addresses, port, options) {
                Err(error @ (BindError::InUse(_) | BindError::SctpInUse { .. })) => last = Some(error),
                done => return done,
            }
        }
        Err(last.unwrap_or(BindError::InUse(*first)))
    }

    fn bind_to(stack: &Arc<Stack>, addresses: &[SocketAddr], port: u16, options: Options) -> Result<Self, BindError> {
        let mut ports: SmallVec<[Arc<UdpPort>; 2]> = SmallVec::new();
        let (mut claims, mut own) = (Vec::new(), Vec::new());
        let encapsulation = stack.encapsulation_port;
        for address in addresses {
            let (ip, sctp, udp) = (address.ip(), SocketAddr::new(address.ip(), port), own_udp_port(port));
            let in_use = || BindError::SctpInUse { address: sctp, udp };
            claims.push(stack.claim(ip, port).ok_or_else(in_use)?);
            let open = |udp| stack.udp_port(with_port(address, udp));
            ports.push(open(udp).map_err(|error| match error.kind() {
                io::ErrorKind::AddrInUse => in_use(),
                _ => BindError::of(sctp, error),
            })?);
            own.push(sctp);
            if encapsulation != 0 {
                match open(encapsulation) {
                    Ok(port) => ports.push(port),
                    Err(error) => tracing::debug!(%sctp, encapsulation, %error, "SCTP over UDP by its own port alone"),
                }
            }
        }
        Ok(Reserved { stack: Arc::clone(stack), ports, claims, addresses: own, options })
    }
}

impl Port for Reserved {
    fn local_addrs(&self) -> Vec<SocketAddr> {
        self.addresses.clone()
    }

    fn listen(self: Box<Self>) -> Result<Box<dyn Accept>, BindError> {
        let Reserved { stack, ports, claims, addresses, options } = *self;
        let sctp = addresses[0];
        let ids: SmallVec<[PortId; 4]> = ports.iter().map(|port| port.id).collect();
        let id = stack.lock(None).listen(&ids, sctp.port(), options);
        let in_use = BindError::SctpInUse { address: sctp, udp: own_udp_port(sctp.port()) };
        Ok(Box::new(Listening { id: id.ok_or(in_use)?, stack, ports, _claims: claims }))
    }
}

impl Accept for Listening {
    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<Box<dyn Transport>> {
        let accepted = self.stack.lock(None).accept(self.id, cx.waker());
        let Some(id) = accepted else { return Poll::Pending };
        Poll::Ready(Box::new(UdpAssociation::accepted(Arc::clone(&self.stack), id, self.ports.clone())))
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let now = self.stack.clock.now();
        self.stack.lock(self.ports.first()).unlisten(self.id, now);
    }
}

fn with_port(address: &SocketAddr, port: u16) -> SocketAddr {
    let mut address = *address;
    address.set_port(port);
    address
}

/// Ports that the system offers before it is said that none is free.
const TRIES: usize = 16;
