// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which transports this process uses, and where SCTP comes from.

use std::net::SocketAddr;
use std::sync::Arc;

use machine::association::Protocol;

use crate::sctp::Unavailable;
use crate::sctp::udp::{ENCAPSULATION_PORT, Settings};
use crate::transport::Sctp;
use crate::{Association, BindError, KernelSettings, Listener, Options, ReservedPort, TransportChoice};

/// Where SCTP comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SctpBackend {
    /// The kernel.
    Kernel,
    /// This process, over UDP (RFC 6951).
    Udp,
}

/// Settings of the transports of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransportSettings {
    /// Which are wanted.
    pub choice: TransportChoice,
    /// UDP port of SCTP over UDP, RFC 6951 §6.
    pub encapsulation_port: u16,
    /// The kernel's SCTP.
    pub kernel: KernelSettings,
    /// Those of SCTP over UDP.
    pub udp: Settings,
}

impl Default for TransportSettings {
    fn default() -> Self {
        TransportSettings {
            choice: TransportChoice::Auto,
            encapsulation_port: ENCAPSULATION_PORT,
            kernel: KernelSettings::default(),
            udp: Settings::default(),
        }
    }
}

/// The transports of a process. Cheap to clone: all clones share one SCTP stack.
#[derive(Debug, Clone)]
pub struct Transports {
    sctp: Arc<dyn Sctp>,
    backend: Option<SctpBackend>,
}

impl Transports {
    /// Looks at what this system has and says in the log what is used and what is missing. Must be called inside the runtime.
    pub fn new(settings: TransportSettings) -> Self {
        let (sctp, backend) = crate::sctp::start(settings);
        Transports { sctp, backend }
    }

    /// Only the TCP mapping.
    pub fn tcp() -> Self {
        Transports { sctp: Arc::new(Unavailable), backend: None }
    }

    /// Where SCTP comes from, if there is any.
    pub fn sctp(&self) -> Option<SctpBackend> {
        self.backend
    }

    /// What carries this protocol here, by the name users know it by.
    pub fn carrier(&self, protocol: Protocol) -> TransportChoice {
        match (protocol, self.backend) {
            (Protocol::Tcp, _) => TransportChoice::Tcp,
            (Protocol::Sctp, Some(SctpBackend::Udp)) => TransportChoice::SctpUdp,
            (Protocol::Sctp, _) => TransportChoice::Sctp,
        }
    }

    /// Starts connecting to the first of `addresses` that answers, and returns at once; SCTP takes them as addresses of one
    /// multi-homed peer. Messages may be sent before [`Event::Up`](machine::association::Event::Up).
    pub fn connect(&self, protocol: Protocol, addresses: Vec<SocketAddr>, options: Options) -> Association {
        match protocol {
            Protocol::Tcp => Association::connect(addresses, options),
            Protocol::Sctp => Association::over(self.sctp.connect(addresses, options)),
        }
    }

    /// Takes a port on all `addresses`, and refuses associations until it is listened on. They share one port; 0 means any
    /// free one. TCP takes one address.
    pub fn reserve(
        &self,
        protocol: Protocol,
        addresses: &[SocketAddr],
        options: Options,
    ) -> Result<ReservedPort, BindError> {
        match (protocol, addresses) {
            (Protocol::Tcp, [address]) => ReservedPort::bind(*address, options),
            (Protocol::Tcp, _) => Err(BindError::OneAddress),
            (Protocol::Sctp, _) => Ok(ReservedPort::sctp(self.sctp.reserve(addresses, options)?)),
        }
    }

    /// Listens on all `addresses`.
    pub fn bind(&self, protocol: Protocol, addresses: &[SocketAddr], options: Options) -> Result<Listener, BindError> {
        self.reserve(protocol, addresses, options)?.listen()
    }
}
