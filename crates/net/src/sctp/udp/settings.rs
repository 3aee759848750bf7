// SPDX-License-Identifier: MIT OR Apache-2.0
//! Settings and limits of SCTP over UDP.

use std::time::Duration;

/// Settings of one SCTP over UDP stack. The default suits a local network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Associations at the same time. What comes above is not accepted.
    pub max_associations: usize,
    /// Of these, with one host. So one host cannot keep all others out.
    pub max_associations_per_host: usize,
    /// Associations that a listener has not accepted yet. What comes above is not accepted.
    pub max_backlog: usize,
    /// Bytes sent and not yet acknowledged by a peer, above which sending fails.
    pub max_send_bytes: usize,
    /// Bytes received of a peer whose messages are not asked for. It is told this window and gets no more.
    pub receive_window: u32,
    /// Streams in each direction.
    pub max_streams: u16,
    /// The largest packet sent, without the headers of UDP and IP.
    pub mtu: usize,
    /// Valid.Cookie.Life (RFC 9260 §16): how long a peer may take to answer INIT ACK.
    pub cookie_life: Duration,
    /// When INIT and COOKIE ECHO are first repeated.
    pub init_timeout: Duration,
    /// RTO.Initial (RFC 9260 §16).
    pub rto_initial: Duration,
    /// RTO.Min. Must exceed `delayed_ack`.
    pub rto_min: Duration,
    /// RTO.Max, and the longest pause between two retransmissions: a network that was away for a while is soon used again.
    pub rto_max: Duration,
    /// How long the acknowledgement of a packet may wait for something to share a packet with.
    pub delayed_ack: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            max_associations: 65_536,
            max_associations_per_host: 32_768,
            max_backlog: 16_384,
            max_send_bytes: 4 << 20,
            receive_window: 512 << 10,
            max_streams: 4_096,
            mtu: 1_400,
            cookie_life: Duration::from_secs(60),
            init_timeout: Duration::from_millis(250),
            rto_initial: Duration::from_millis(200),
            rto_min: Duration::from_millis(60),
            rto_max: Duration::from_secs(1),
            delayed_ack: Duration::from_millis(20),
        }
    }
}

/// sctp-tunneling (RFC 6951 §7).
pub const ENCAPSULATION_PORT: u16 = 9899;

/// The UDP port on which an SCTP port is listened on, whoever else listens on this host: it can be known from the SCTP port,
/// and two programs cannot both have it. 10,000 above, or where that is no port, 45,000 below; so never one of RSerPool's own.
pub fn own_udp_port(sctp_port: u16) -> u16 {
    sctp_port.checked_add(ABOVE).unwrap_or_else(|| sctp_port - BELOW)
}

/// The SCTP port whose [`own_udp_port`] this is.
pub(super) fn sctp_port_of(udp_port: u16) -> Option<u16> {
    udp_port.checked_sub(ABOVE).filter(|port| *port > 0)
}

const ABOVE: u16 = 10_000;
const BELOW: u16 = 45_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sctp_port_has_a_udp_port_that_is_not_one_of_rserpools() {
        for port in 1..=u16::MAX {
            let udp = own_udp_port(port);
            assert!(![0, 3863, 3864, 9899, 9901, 9902].contains(&udp), "{port} -> {udp}");
        }
        assert_eq!(own_udp_port(9901), 19_901);
        assert_eq!(own_udp_port(u16::MAX), 20_535);
        assert_eq!(sctp_port_of(own_udp_port(3863)), Some(3863));
        assert_eq!(sctp_port_of(10_000), None);
    }
}
