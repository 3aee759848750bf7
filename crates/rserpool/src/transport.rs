// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which transports a process uses, and what follows from that: where registrars are asked, and which mappings sessions can use.

use std::fmt;
use std::str::FromStr;

use machine::association::Protocol;
use net::{SctpChoice, TransportSettings, Transports};
use smallvec::SmallVec;

use crate::{Error, Mapping, Result};

/// The transports of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Transport {
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

impl Transport {
    /// All there are.
    pub const ALL: [Transport; 4] = [Transport::Auto, Transport::Sctp, Transport::SctpUdp, Transport::Tcp];

    /// Its name in configuration and flags.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Auto => "auto",
            Transport::Sctp => "sctp",
            Transport::SctpUdp => "sctp-udp",
            Transport::Tcp => "tcp",
        }
    }

    /// What this system has of it. Must be called inside the runtime.
    ///
    /// # Errors
    /// [`Error::Config`] if it names a back end that is not there.
    pub(crate) fn start(self, encapsulation_port: Option<u16>) -> Result<Transports> {
        let sctp = match self {
            Transport::Auto => SctpChoice::Auto,
            Transport::Sctp => SctpChoice::Kernel,
            Transport::SctpUdp => SctpChoice::Udp,
            Transport::Tcp => return Ok(Transports::tcp()),
        };
        let mut settings = TransportSettings { sctp, ..TransportSettings::default() };
        if let Some(port) = encapsulation_port {
            settings.encapsulation_port = port;
        }
        let transports = Transports::new(settings);
        match (self, transports.sctp()) {
            (Transport::Sctp, None) => Err(Error::Config(
                "transport \"sctp\": this kernel has no SCTP: `modprobe sctp`, or choose sctp-udp or auto".to_owned(),
            )),
            (Transport::SctpUdp, None) => Err(Error::Config(
                "transport \"sctp-udp\": there is no SCTP over UDP here: choose auto or tcp".to_owned(),
            )),
            _ => Ok(transports),
        }
    }

    /// How registrars and pool elements are reached, what is preferred first.
    pub(crate) fn protocols(self, transports: &Transports) -> SmallVec<[Protocol; 2]> {
        let sctp = transports.sctp().map(|_| Protocol::Sctp);
        let tcp = (sctp.is_none() || matches!(self, Transport::Auto | Transport::Tcp)).then_some(Protocol::Tcp);
        sctp.into_iter().chain(tcp).collect()
    }
}

/// The mapping that is carried by a transport.
pub(crate) fn mapping_of(protocol: Protocol) -> Mapping {
    match protocol {
        Protocol::Sctp => Mapping::Sctp,
        Protocol::Tcp => Mapping::Tcp,
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Transport {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let known = Transport::ALL.into_iter().find(|transport| transport.name() == name);
        known.ok_or_else(|| Error::Config(format!("unknown transport \"{name}\": use auto, sctp, sctp-udp or tcp")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transports_are_known_by_name() {
        for transport in Transport::ALL {
            assert_eq!(transport.to_string().parse::<Transport>().expect("its name"), transport);
        }
        assert!("udp".parse::<Transport>().unwrap_err().to_string().contains("sctp-udp"));
    }

    #[tokio::test]
    async fn tcp_asks_for_nothing_else() {
        let transports = Transport::Tcp.start(None).expect("always there");
        assert_eq!(Transport::Tcp.protocols(&transports)[..], [Protocol::Tcp]);
    }
}
