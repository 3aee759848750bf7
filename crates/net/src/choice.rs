// SPDX-License-Identifier: MIT OR Apache-2.0
//! The transports of a process as users name them, in configuration, flags and URLs.

use std::fmt;
use std::str::FromStr;

use machine::association::Protocol;
use smallvec::SmallVec;
use thiserror::Error;

use crate::{KernelSettings, TransportSettings, Transports};

/// Which transports a process uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TransportChoice {
    /// SCTP, the kernel's if it is there, else over UDP; and the TCP mapping for whom speaks nothing else.
    #[default]
    Auto,
    /// The kernel's SCTP, and nothing else.
    Sctp,
    /// SCTP over UDP (RFC 6951), and nothing else.
    SctpUdp,
    /// The TCP mapping, and nothing else.
    Tcp,
}

/// What was chosen is not there, and what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NoTransport {
    /// The kernel has no SCTP.
    #[error("transport \"sctp\": this kernel has no SCTP: `modprobe sctp`, or choose sctp-udp or auto")]
    Kernel,
    /// There is no SCTP over UDP.
    #[error("transport \"sctp-udp\": there is no SCTP over UDP here: choose auto or tcp")]
    Udp,
}

impl TransportChoice {
    /// All there are.
    pub const ALL: [TransportChoice; 4] =
        [TransportChoice::Auto, TransportChoice::Sctp, TransportChoice::SctpUdp, TransportChoice::Tcp];

    /// Its name in configuration and flags.
    pub fn name(self) -> &'static str {
        match self {
            TransportChoice::Auto => "auto",
            TransportChoice::Sctp => "sctp",
            TransportChoice::SctpUdp => "sctp-udp",
            TransportChoice::Tcp => "tcp",
        }
    }

    /// What this system has of it; `encapsulation_port` where SCTP over UDP is not to use 9899. Must be called inside the runtime.
    ///
    /// # Errors
    /// If it names a back end that is not there.
    pub fn start(self, encapsulation_port: Option<u16>) -> Result<Transports, NoTransport> {
        self.start_with(encapsulation_port, KernelSettings::default())
    }

    /// As [`start`](Self::start), with the profile's timers for the kernel's SCTP.
    ///
    /// # Errors
    /// If it names a back end that is not there.
    pub fn start_with(
        self,
        encapsulation_port: Option<u16>,
        kernel: KernelSettings,
    ) -> Result<Transports, NoTransport> {
        let mut settings = TransportSettings { choice: self, kernel, ..TransportSettings::default() };
        if let Some(port) = encapsulation_port {
            settings.encapsulation_port = port;
        }
        let transports = Transports::new(settings);
        match (self, transports.sctp()) {
            (TransportChoice::Sctp, None) => Err(NoTransport::Kernel),
            (TransportChoice::SctpUdp, None) => Err(NoTransport::Udp),
            _ => Ok(transports),
        }
    }

    /// What can be spoken with these transports, what is preferred first.
    pub fn protocols(self, transports: &Transports) -> SmallVec<[Protocol; 2]> {
        let sctp = transports.sctp().map(|_| Protocol::Sctp);
        let tcp =
            (sctp.is_none() || matches!(self, TransportChoice::Auto | TransportChoice::Tcp)).then_some(Protocol::Tcp);
        sctp.into_iter().chain(tcp).collect()
    }
}

impl fmt::Display for TransportChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for TransportChoice {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = TransportChoice::ALL.into_iter().find(|choice| choice.name() == name);
        known.ok_or_else(|| format!("unknown transport \"{name}\": use auto, sctp, sctp-udp or tcp"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transports_are_known_by_name() {
        for choice in TransportChoice::ALL {
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
        assert!("udp".parse::<TransportChoice>().unwrap_err().contains("sctp-udp"));
    }

    #[tokio::test]
    async fn tcp_asks_for_nothing_else() {
        let transports = TransportChoice::Tcp.start(None).unwrap();
        assert_eq!(TransportChoice::Tcp.protocols(&transports)[..], [Protocol::Tcp]);
    }
}
