// SPDX-License-Identifier: MIT OR Apache-2.0
//! SCTP (RFC 9260), from whichever back end there is.

// The layout of its structures is that of 64 bits.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod kernel;
mod settings;
pub mod udp;
mod unavailable;

use std::sync::Arc;

use crate::transport::Sctp;
use crate::{SctpBackend, TransportChoice, TransportSettings};

pub use settings::KernelSettings;
pub(crate) use unavailable::Unavailable;

/// The back end this system allows, and which it is.
pub(crate) fn start(settings: TransportSettings) -> (Arc<dyn Sctp>, Option<SctpBackend>) {
    let wants_kernel = matches!(settings.choice, TransportChoice::Auto | TransportChoice::Sctp);
    if wants_kernel && let Some(kernel) = kernel(settings) {
        return (kernel, Some(SctpBackend::Kernel));
    }
    if matches!(settings.choice, TransportChoice::Auto | TransportChoice::SctpUdp) {
        tracing::info!(
            "SCTP over UDP (RFC 6951): one address on each side, no failover between paths; the kernel's has that (`modprobe sctp`)"
        );
        return (Arc::new(udp::OverUdp::new(settings)), Some(SctpBackend::Udp));
    }
    (Arc::new(Unavailable), None)
}

/// The kernel's SCTP, if it has any.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
fn kernel(settings: TransportSettings) -> Option<Arc<dyn Sctp>> {
    match kernel::Kernel::probe(settings.kernel) {
        Ok((kernel, missing)) if missing.is_empty() => {
            tracing::info!("SCTP: the kernel's");
            Some(Arc::new(kernel))
        }
        Ok((kernel, missing)) => {
            tracing::info!(%missing, "SCTP: the kernel's");
            Some(Arc::new(kernel))
        }
        Err(error) => {
            // One line says what is used: the next one, or the error.
            tracing::debug!(%error, "the kernel has no SCTP");
            None
        }
    }
}

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
fn kernel(_settings: TransportSettings) -> Option<Arc<dyn Sctp>> {
    None
}
