// SPDX-License-Identifier: MIT OR Apache-2.0
//! The back ends, and all in which they may differ. What is not said here is the same on each.

use machine::association::{LostReason, Mapping, Protocol};
use net::{SctpBackend, TransportChoice, TransportSettings, Transports};

/// What carries an association.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BackEnd {
    Tcp,
    SctpOverUdp,
    KernelSctp,
}

/// Who knows that a message has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// The peer's application has taken it.
    Taken,
    /// The peer's SCTP has acknowledged it; the session layer asks the application (0xbf07).
    Acknowledged,
}

impl BackEnd {
    const ALL: [BackEnd; 3] = [BackEnd::Tcp, BackEnd::SctpOverUdp, BackEnd::KernelSctp];

    /// Those this system has, or those that are asked for.
    pub(crate) fn here() -> Vec<BackEnd> {
        match std::env::var(VARIABLE) {
            Ok(names) => names.split(',').map(BackEnd::named).collect(),
            Err(_) if kernel_has_sctp() => BackEnd::ALL.to_vec(),
            Err(_) => vec![BackEnd::Tcp, BackEnd::SctpOverUdp],
        }
    }

    /// Whether the one that is missing here is to be tested elsewhere.
    pub(crate) fn wants_virtual_machine() -> bool {
        std::env::var_os(VARIABLE).is_none() && !kernel_has_sctp()
    }

    pub(crate) fn named(name: &str) -> BackEnd {
        let found = BackEnd::ALL.into_iter().find(|back_end| back_end.name() == name);
        found.unwrap_or_else(|| panic!("{name} is none of tcp, sctp-udp and sctp-kernel"))
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            BackEnd::Tcp => "tcp",
            BackEnd::SctpOverUdp => "sctp-udp",
            BackEnd::KernelSctp => "sctp-kernel",
        }
    }

    pub(crate) fn protocol(self) -> Protocol {
        match self {
            BackEnd::Tcp => Protocol::Tcp,
            BackEnd::SctpOverUdp | BackEnd::KernelSctp => Protocol::Sctp,
        }
    }

    pub(crate) fn mapping(self) -> Mapping {
        match self {
            BackEnd::Tcp => Mapping::Tcp,
            BackEnd::SctpOverUdp | BackEnd::KernelSctp => Mapping::Sctp,
        }
    }

    /// A stack of its own, as a process has one. Must be called inside the runtime.
    pub(crate) fn transports(self) -> Transports {
        let (choice, backend) = match self {
            BackEnd::Tcp => (TransportChoice::Tcp, None),
            BackEnd::SctpOverUdp => (TransportChoice::SctpUdp, Some(SctpBackend::Udp)),
            BackEnd::KernelSctp => (TransportChoice::Sctp, Some(SctpBackend::Kernel)),
        };
        let transports = Transports::new(TransportSettings { choice, ..TransportSettings::default() });
        assert_eq!(transports.sctp(), backend, "{} is not here", self.name());
        transports
    }

    /// What `Event::Delivered` means. TCP's mapping has an acknowledgement for it; SCTP's own comes from the stack.
    pub(crate) fn delivered(self) -> Delivered {
        match self {
            BackEnd::Tcp => Delivered::Taken,
            BackEnd::SctpOverUdp | BackEnd::KernelSctp => Delivered::Acknowledged,
        }
    }

    /// How an association ends whose peer is killed. A kernel speaks for a dead process: FIN or RST, or ABORT. Over UDP nobody does, and the
    /// silence is noticed.
    pub(crate) fn is_the_end_of_a_killed_peer(self, reason: &LostReason) -> bool {
        match self {
            BackEnd::Tcp => matches!(reason, LostReason::PeerClosed | LostReason::Reset),
            BackEnd::SctpOverUdp => matches!(reason, LostReason::HeartbeatMissed | LostReason::Reset),
            BackEnd::KernelSctp => matches!(reason, LostReason::PeerClosed | LostReason::Reset),
        }
    }

    /// How an association ends whose peer was killed and started again on the same port.
    pub(crate) fn is_the_end_of_a_restarted_peer(self, reason: &LostReason) -> bool {
        *reason == LostReason::Restarted || self.is_the_end_of_a_killed_peer(reason)
    }

    /// Whether the heartbeat notices a process that hangs. A kernel goes on answering for it: there the session's heartbeat (0xbf03) notices.
    pub(crate) fn notices_a_frozen_peer(self) -> bool {
        self != BackEnd::KernelSctp
    }

    /// What connecting to a port where nobody listens comes to. UDP has nobody there who could refuse.
    pub(crate) fn is_nobody_there(self, reason: &LostReason) -> bool {
        match self {
            BackEnd::Tcp | BackEnd::KernelSctp => *reason == LostReason::Refused,
            BackEnd::SctpOverUdp => matches!(reason, LostReason::Refused | LostReason::ConnectTimeout),
        }
    }

    /// Whether a message may have a lifetime (RFC 3758), and paths are known.
    pub(crate) fn has_what_tcp_lacks(self) -> bool {
        self != BackEnd::Tcp
    }

    /// Bytes of memory of this process an idle association may take, of 10,000. The kernel's memory is not counted.
    pub(crate) fn bytes_per_association(self) -> usize {
        10 * 1024
    }
}

fn kernel_has_sctp() -> bool {
    use socket2::{Domain, Protocol, Socket, Type};
    Socket::new(Domain::IPV4, Type::SEQPACKET, Some(Protocol::SCTP)).is_ok()
}

const VARIABLE: &str = "RSERPOOL_BACK_END";
