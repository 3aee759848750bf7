// SPDX-License-Identifier: MIT OR Apache-2.0
//! Everything that touches the network: sockets, the clock, the loop that drives the cores, and capture files.
//!
//! An [`Association`] carries messages between two hosts, in the terms of RFC 6458. What it reports are the
//! [events](machine::association::Event) the cores hear. A [`Listener`] accepts them. Which transport carries them is the
//! business of [`Transports`], and each is one implementation of the trait in `transport.rs`.

mod association;
mod associations;
pub mod capture;
mod choice;
mod clock;
mod crc32c;
mod event;
mod interfaces;
mod listener;
mod memory;
mod multicast;
mod options;
pub mod sctp;
pub mod shim;
mod tcp;
mod transport;
mod transports;

pub use association::Association;
pub use associations::Associations;
pub use choice::{NoTransport, TransportChoice};
pub use clock::Clock;
pub use interfaces::{has_interface, host_addresses};
pub use listener::{BindError, Listener, ReservedPort};
pub use multicast::{Multicast, MulticastChannel, MulticastError, MulticastOptions};
pub use options::Options;
pub use sctp::KernelSettings;
pub use tcp_mapping::{MAX_MESSAGE, MAX_PAYLOAD, Responder};
pub use transport::{AddressError, Feature, Message, NotAvailable, Path, SendError};
pub use transports::{SctpBackend, TransportSettings, Transports};
