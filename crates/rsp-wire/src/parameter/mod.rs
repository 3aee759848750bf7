// SPDX-License-Identifier: MIT OR Apache-2.0
//! Common parameters of ASAP and ENRP, RFC 5354 §3, and the Handle Resolution option 0x803f.

pub(crate) mod cookie;
pub(crate) mod handle_resolution;
pub(crate) mod ip_address;
mod operation_error;
pub mod parameter_type;
pub(crate) mod pe_checksum;
pub(crate) mod pe_identifier;
mod policy;
mod pool_element;
mod pool_handle;
mod server_information;
mod transport;
mod unknown;
mod user_transport;

pub use operation_error::{ErrorCause, OperationError};
pub use policy::Policy;
pub use pool_element::{PoolElement, RegistrationLife};
pub use server_information::ServerInformation;
pub use transport::{Protocol, Transport, TransportUse};
pub use unknown::UnknownParameter;
pub use user_transport::UserTransport;
