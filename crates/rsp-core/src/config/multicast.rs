// SPDX-License-Identifier: MIT OR Apache-2.0
//! The multicast groups of a scope by profile: IPv4 and IPv6.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::Profile;

impl Profile {
    /// Where registrars announce themselves to PEs and PUs.
    //= https://www.rfc-editor.org/rfc/rfc5352#section-8.4
    //# IANA has assigned an IPv4 multicast address (224.0.1.185) and an IPv6
    //# multicast address (FF0X:0:0:0:0:0:0:133).
    pub const fn asap_groups(self) -> [SocketAddr; 2] {
        let v4 = self.pick(ADMIN_ASAP, IANA_ASAP, ADMIN_ASAP, ADMIN_ASAP);
        groups(v4, ASAP_PORT)
    }

    /// Where registrars tell each other of their presence. No RFC names a group for it.
    pub const fn enrp_groups(self) -> [SocketAddr; 2] {
        groups(ADMIN_ENRP, ENRP_PORT)
    }
}

const fn groups(v4: Ipv4Addr, port: u16) -> [SocketAddr; 2] {
    [SocketAddr::new(IpAddr::V4(v4), port), SocketAddr::new(IpAddr::V6(SITE), port)]
}

/// Administratively scoped (RFC 2365), and RSPLIB's.
const ADMIN_ASAP: Ipv4Addr = Ipv4Addr::new(239, 0, 0, 50);
const ADMIN_ENRP: Ipv4Addr = Ipv4Addr::new(239, 0, 0, 51);
const IANA_ASAP: Ipv4Addr = Ipv4Addr::new(224, 0, 1, 185);
/// X = 5, the site.
const SITE: Ipv6Addr = Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 0, 0x133);

/// RFC 5352 §8.2.
const ASAP_PORT: u16 = 3863;
/// RFC 5353 §6.2.
const ENRP_PORT: u16 = 9901;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_groups_are_those_of_iana_and_of_rsplib() {
        let text = |groups: [SocketAddr; 2]| groups.map(|group| group.to_string());
        assert_eq!(text(Profile::Rfc.asap_groups()), ["224.0.1.185:3863", "[ff05::133]:3863"]);
        for profile in [Profile::Standard, Profile::Rsplib, Profile::Fast] {
            assert_eq!(text(profile.asap_groups()), ["239.0.0.50:3863", "[ff05::133]:3863"]);
            assert_eq!(text(profile.enrp_groups()), ["239.0.0.51:9901", "[ff05::133]:9901"]);
        }
    }
}
