// SPDX-License-Identifier: MIT OR Apache-2.0
//! Common parameters of ASAP and ENRP, RFC 5354 §3.

mod operation_error;
mod policy;
mod pool_element;
mod server_information;
mod transport;

pub use operation_error::{ErrorCause, OperationError};
pub use policy::Policy;
pub use pool_element::{PoolElement, RegistrationLife};
pub use server_information::ServerInformation;
pub use transport::{Protocol, Transport, TransportUse, UserTransport};

use bytes::Bytes;

/// A parameter this version does not know. It survives decoding and is encoded again after the known ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownParameter {
    /// Parameter Type; its two highest bits say what a receiver does that does not know it.
    pub parameter_type: u16,
    /// Parameter Value without padding.
    pub value: Bytes,
}
