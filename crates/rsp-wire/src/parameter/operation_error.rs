// SPDX-License-Identifier: MIT OR Apache-2.0
//! Operation Error parameter 0xc with its causes, RFC 5354 §3.12.

use bytes::Bytes;
use smallvec::SmallVec;

use super::{Policy, Transport};

/// One or more causes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationError(pub SmallVec<[ErrorCause; 1]>);

/// An error cause, RFC 5354 §3.12.1 to §3.12.11.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorCause {
    /// 0x0
    Unspecified,
    /// 0x1: the complete parameter, type and length included.
    UnrecognizedParameter(Bytes),
    /// 0x2: the complete message.
    UnrecognizedMessage(Bytes),
    /// 0x3: the offending parameter.
    InvalidValues(Bytes),
    /// 0x4
    NonUniquePeIdentifier,
    /// 0x5: the pool's policy. RSPLIB leaves it out.
    InconsistentPoolPolicy(Option<Policy>),
    /// 0x6
    LackOfResources,
    /// 0x7: the pool's transport.
    InconsistentTransportType(Option<Transport>),
    /// 0x8
    InconsistentDataControlConfiguration,
    /// 0x9
    UnknownPoolHandle,
    /// 0xa
    RejectedDueToSecurityConsiderations,
    /// Any other, RSPLIB's private ones among them.
    Other {
        /// Cause Code.
        code: u16,
        /// Cause-specific Information.
        information: Bytes,
    },
}
