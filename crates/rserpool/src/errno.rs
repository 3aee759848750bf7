// SPDX-License-Identifier: MIT OR Apache-2.0
//! Errors as a C program knows them: the numbers of Linux (`errno.h`), which are the same on all its architectures but MIPS, SPARC, Alpha and PA-RISC.

use rsp_wire::parameter::ErrorCause;

use crate::Error;

impl Error {
    /// The errno that says the same: `docs/services.md` has the table.
    pub fn errno(&self) -> i32 {
        match self {
            Error::UnknownPool { .. } => ENOENT,
            Error::NoRegistrar(_) => ENETUNREACH,
            Error::NoServer { .. } => EHOSTUNREACH,
            Error::Rejected(causes) => causes.0.first().map_or(ECONNREFUSED, cause),
            Error::NotAvailable { .. } => EOPNOTSUPP,
            Error::NoMapping(_) => EPROTONOSUPPORT,
            Error::TooLong { .. } => EMSGSIZE,
            Error::BadMessage | Error::Config(_) => EINVAL,
            Error::Timeout { .. } => ETIMEDOUT,
            Error::Closed => ENOTCONN,
            Error::Lost(_) => ECONNRESET,
            Error::Io { os, .. } => os.unwrap_or(EIO),
        }
    }
}

/// Why a registrar rejected it.
fn cause(cause: &ErrorCause) -> i32 {
    match cause {
        ErrorCause::NonUniquePeIdentifier => EEXIST,
        ErrorCause::InconsistentPoolPolicy(_) => EDOM,
        ErrorCause::LackOfResources => ENOSPC,
        ErrorCause::InconsistentTransportType(_) | ErrorCause::InconsistentDataControlConfiguration => EPROTOTYPE,
        ErrorCause::UnknownPoolHandle => ENOENT,
        ErrorCause::RejectedDueToSecurityConsiderations => EACCES,
        ErrorCause::InvalidValues(_) => EINVAL,
        _ => ECONNREFUSED,
    }
}

const ENOENT: i32 = 2;
const EIO: i32 = 5;
pub(crate) const EACCES: i32 = 13;
const EEXIST: i32 = 17;
pub(crate) const EINVAL: i32 = 22;
const ENOSPC: i32 = 28;
const EDOM: i32 = 33;
const EMSGSIZE: i32 = 90;
const EPROTOTYPE: i32 = 91;
pub(crate) const EPROTONOSUPPORT: i32 = 93;
const EOPNOTSUPP: i32 = 95;
pub(crate) const EADDRINUSE: i32 = 98;
pub(crate) const EADDRNOTAVAIL: i32 = 99;
const ENETUNREACH: i32 = 101;
const ECONNRESET: i32 = 104;
const ENOTCONN: i32 = 107;
const ETIMEDOUT: i32 = 110;
const ECONNREFUSED: i32 = 111;
const EHOSTUNREACH: i32 = 113;

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn the_numbers_are_those_of_this_system() {
        let means = |error: Error| io::Error::from_raw_os_error(error.errno()).kind();
        assert_eq!(means(Error::UnknownPool { pool: "p".into(), detail: String::new() }), io::ErrorKind::NotFound);
        assert_eq!(means(Error::NoRegistrar(String::new())), io::ErrorKind::NetworkUnreachable);
        assert_eq!(means(Error::NoServer { pool: "p".into(), tried: 1 }), io::ErrorKind::HostUnreachable);
        assert_eq!(means(Error::Timeout { what: "it" }), io::ErrorKind::TimedOut);
        assert_eq!(means(Error::Closed), io::ErrorKind::NotConnected);
        let here = std::net::SocketAddr::from(([127, 0, 0, 1], 7));
        assert_eq!(means(net::BindError::SctpInUse { address: here, udp: 9 }.into()), io::ErrorKind::AddrInUse);
        assert_eq!(means(net::BindError::NotOurs(here).into()), io::ErrorKind::AddrNotAvailable);
        assert_eq!(means(net::BindError::NotAllowed(here).into()), io::ErrorKind::PermissionDenied);
        assert_eq!(means(io::Error::from_raw_os_error(EADDRINUSE).into()), io::ErrorKind::AddrInUse);
        assert_eq!(means(Error::Lost(String::new())), io::ErrorKind::ConnectionReset);
        assert_eq!(means(Error::NotAvailable { feature: "", mapping: "" }), io::ErrorKind::Unsupported);
        assert_eq!(means(Error::BadMessage), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn a_rejection_says_why() {
        let of = |cause: ErrorCause| {
            let causes = [cause].into_iter().collect();
            Error::Rejected(rsp_wire::parameter::OperationError(causes)).errno()
        };
        assert_eq!(of(ErrorCause::NonUniquePeIdentifier), EEXIST);
        assert_eq!(of(ErrorCause::LackOfResources), ENOSPC);
        assert_eq!(of(ErrorCause::RejectedDueToSecurityConsiderations), EACCES);
    }
}
