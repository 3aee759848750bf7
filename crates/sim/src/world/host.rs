// SPDX-License-Identifier: MIT OR Apache-2.0
//! Hosts: their names, their clocks, and what runs on them.

use std::fmt;
use std::net::IpAddr;

use machine::Time;

use super::{ElementProcess, RegistrarProcess, UserProcess};
use crate::network::Kernel;

/// Names a host; counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// Runs a registrar.
    Registrar(u16),
    /// Runs a pool element.
    Element(u16),
    /// Runs a pool user.
    User(u16),
}

impl Host {
    /// Its address.
    pub fn address(self) -> IpAddr {
        let (net, host) = match self {
            Host::Registrar(n) => (0, n),
            Host::Element(n) => (1, n),
            Host::User(n) => (2, n),
        };
        let [high, low] = (host + 1).to_be_bytes();
        IpAddr::from([10, net, high, low])
    }

    /// The host that has this address.
    pub fn at(address: IpAddr) -> Option<Host> {
        let IpAddr::V4(address) = address else { return None };
        let [10, net, high, low] = address.octets() else { return None };
        let n = u16::from_be_bytes([high, low]).checked_sub(1)?;
        match net {
            0 => Some(Host::Registrar(n)),
            1 => Some(Host::Element(n)),
            2 => Some(Host::User(n)),
            _ => None,
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Registrar(n) => write!(f, "r{n}"),
            Host::Element(n) => write!(f, "pe{n}"),
            Host::User(n) => write!(f, "pu{n}"),
        }
    }
}

/// A host's clock: it starts anywhere and runs too fast or too slow.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Clock {
    ahead: u64,
    /// Parts per million it runs too fast; negative = too slow.
    drift: i64,
}

impl Clock {
    pub(super) fn new(ahead: u64, drift: i64) -> Self {
        Clock { ahead, drift: drift.clamp(-900_000, 900_000) }
    }

    fn rate(&self) -> u128 {
        u128::from(MILLION.saturating_add_signed(self.drift))
    }

    /// What it shows.
    pub(super) fn read(&self, at: Time) -> Time {
        let passed = u128::from(at.as_micros()) * self.rate() / u128::from(MILLION);
        Time::from_micros(self.ahead + passed as u64)
    }

    /// When it shows that.
    pub(super) fn when(&self, shows: Time) -> Time {
        let passed = u128::from(shows.as_micros().saturating_sub(self.ahead));
        Time::from_micros(u64::try_from((passed * u128::from(MILLION)).div_ceil(self.rate())).unwrap_or(u64::MAX))
    }
}

const MILLION: u64 = 1_000_000;

/// A host.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) kernel: Kernel,
    pub(super) clock: Clock,
    pub(super) process: Option<Process>,
    /// Processes it has had.
    pub(super) life: u32,
    /// SIGSTOP
    pub(super) stopped: bool,
    /// Its process wants to run then, by the network's time.
    pub(super) next: Option<Time>,
}

impl Machine {
    pub(super) fn is_awake(&self) -> bool {
        self.process.is_some() && !self.stopped
    }
}

#[derive(Debug)]
pub(super) enum Process {
    Registrar(Box<RegistrarProcess>),
    Element(Box<ElementProcess>),
    User(Box<UserProcess>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_found_by_its_address() {
        for host in [Host::Registrar(0), Host::Element(254), Host::Element(255), Host::User(65_534)] {
            assert_eq!(Host::at(host.address()), Some(host));
        }
    }

    #[test]
    fn a_clock_that_drifts_has_reached_a_deadline_when_it_is_said_to() {
        for drift in [-50_000, -317, 0, 41, 50_000] {
            let clock = Clock::new(12_345, drift);
            for micros in (0..10_000_000).step_by(77_777) {
                let deadline = Time::from_micros(micros);
                let at = clock.when(deadline);
                assert!(clock.read(at) >= deadline, "{drift} {micros}");
                assert!(at == Time::ZERO || clock.read(Time::from_micros(at.as_micros() - 1)) < deadline);
            }
        }
    }
}
