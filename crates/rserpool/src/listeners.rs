// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where a pool element listens, and what it registers of that: one listener for each transport its mappings need.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use machine::association::Protocol;
use net::{BindError, Listener, Options, SctpBackend, Transports};
use rsp_wire::parameter::{self, Transport, TransportUse, UserTransport};
use smallvec::SmallVec;

use crate::{Error, Mapping, PoolUser, Result};

/// A listener and what it listens for.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) protocol: Protocol,
    pub(crate) listener: Listener,
}

/// Listens for all mappings, on one port if it can be had: without a word any free one of all addresses, [::] before 0.0.0.0. NO_MAPPING needs a
/// listener for registrars, which is that of another mapping or of the transport that is preferred here.
pub(crate) async fn open(
    user: &PoolUser,
    listen: Option<&str>,
    mappings: &[Mapping],
    preferred: Protocol,
    options: Options,
) -> Result<Vec<Door>> {
    let mut protocols: Vec<Protocol> = mappings.iter().filter_map(|mapping| mapping.offer().protocol()).collect();
    if protocols.is_empty() {
        protocols.push(preferred);
    }
    let transports = user.transports();
    if protocols.contains(&Protocol::Sctp) && transports.sctp().is_none() {
        return Err(Error::NotAvailable { feature: "a pool element of this process", mapping: Mapping::Sctp.name() });
    }
    let places = match listen {
        Some(listen) => vec![addresses(listen).await?],
        // The registrar may be reached over either; a host without IPv6 has only the second.
        None => vec![vec![(Ipv6Addr::UNSPECIFIED, 0).into()], vec![(Ipv4Addr::UNSPECIFIED, 0).into()]],
    };
    let several = places.iter().any(|place| place.len() > 1);
    let only_one = match transports.sctp() {
        _ if protocols.contains(&Protocol::Tcp) => Some(Mapping::Tcp.name()),
        Some(SctpBackend::Udp) => Some("SCTP over UDP"),
        _ => None,
    };
    if let (true, Some(mapping)) = (several, only_one) {
        return Err(Error::NotAvailable { feature: "more than one address", mapping });
    }
    let mut last = None;
    for place in &places {
        for _ in 0..ATTEMPTS {
            match together(&transports, place, &protocols, options) {
                Ok(doors) => return Ok(doors),
                Err(error) => last = Some(error),
            }
            // A port that one transport gave us may be in use with the other: there are more of them.
            if place[0].port() != 0 || protocols.len() < 2 {
                break;
            }
        }
    }
    Err(last.map_or_else(|| Error::Config("nowhere to listen".to_owned()), Error::from))
}

/// All of them on the port of the first.
fn together(
    transports: &Transports,
    place: &[SocketAddr],
    protocols: &[Protocol],
    options: Options,
) -> Result<Vec<Door>, BindError> {
    let mut doors: Vec<Door> = Vec::new();
    for protocol in protocols.iter().copied() {
        let port = doors.first().map_or(place[0].port(), |door| door.listener.local_addr().port());
        let at: Vec<SocketAddr> = place.iter().map(|address| SocketAddr::new(address.ip(), port)).collect();
        doors.push(Door { protocol, listener: transports.bind(protocol, &at, options)? });
    }
    Ok(doors)
}

/// What is registered for a mapping: where pool users reach it, and where registrars do.
pub(crate) fn transports(
    mapping: Mapping,
    doors: &[Door],
    advertise: &[SocketAddr],
    own_protocol: parameter::Protocol,
) -> Result<(UserTransport, Option<Transport>)> {
    let at = |protocol: Protocol| {
        let door = doors.iter().find(|door| door.protocol == protocol).or(doors.first());
        door.map_or(&[][..], |door| door.listener.local_addrs())
    };
    let own = |protocol| transport(protocol, at(protocol), TransportUse::DATA_PLUS_CONTROL);
    match (mapping, advertise) {
        (Mapping::Tcp, []) => Ok((UserTransport::Ip(own(Protocol::Tcp)), None)),
        (Mapping::Tcp, [one]) => {
            Ok((UserTransport::Ip(transport(Protocol::Tcp, &[*one], TransportUse::DATA_PLUS_CONTROL)), None))
        }
        (Mapping::Tcp, _) => Err(Error::NotAvailable { feature: "more than one address", mapping: "TCP" }),
        (Mapping::Sctp, addresses) => {
            if addresses.windows(2).any(|pair| pair[0].port() != pair[1].port()) {
                return Err(Error::Config("the addresses of an SCTP endpoint have one port".to_owned()));
            }
            let it = match addresses {
                [] => own(Protocol::Sctp),
                some => transport(Protocol::Sctp, some, TransportUse::DATA_PLUS_CONTROL),
            };
            // The association it registers over has a port of its own: registrars are told where somebody listens.
            Ok((UserTransport::Ip(it.clone()), Some(it)))
        }
        (Mapping::None, [_, more @ ..]) if more.is_empty() || own_protocol == parameter::Protocol::Sctp => {
            if advertise.windows(2).any(|pair| pair[0].port() != pair[1].port()) {
                return Err(Error::Config("the addresses of an SCTP endpoint have one port".to_owned()));
            }
            let asap = doors.first().map_or(Protocol::Tcp, |door| door.protocol);
            let user = transport(Protocol::Tcp, advertise, TransportUse::DATA_ONLY);
            Ok((UserTransport::Ip(Transport { protocol: own_protocol, ..user }), Some(own(asap))))
        }
        (Mapping::None, _) => Err(Error::Config(
            "NO_MAPPING registers the application's own address: give exactly one to advertise, or several of SCTP"
                .to_owned(),
        )),
    }
}

/// What is registered where control has a listener of its own: the user transport is for data only, and registrars and sessions come to the other.
pub(crate) fn apart(user: UserTransport, control: &[Door]) -> (UserTransport, Option<Transport>) {
    let asap =
        control.first().map(|door| transport(door.protocol, door.listener.local_addrs(), TransportUse::CONTROL_ONLY));
    let user = match user {
        UserTransport::Ip(it) => UserTransport::Ip(Transport { transport_use: TransportUse::DATA_ONLY, ..it }),
        other => other,
    };
    (user, asap)
}

/// The same addresses with any free port.
pub(crate) fn beside(listen: &str) -> String {
    let any = |one: &str| one.rsplit_once(':').map_or_else(|| one.to_owned(), |(host, _)| format!("{host}:0"));
    listen.split(',').map(any).collect::<Vec<_>>().join(",")
}

fn transport(protocol: Protocol, addresses: &[SocketAddr], transport_use: TransportUse) -> Transport {
    let mut ips: SmallVec<[IpAddr; 1]> = SmallVec::new();
    for address in addresses {
        if !ips.contains(&address.ip()) {
            ips.push(address.ip());
        }
    }
    Transport {
        protocol: match protocol {
            Protocol::Sctp => parameter::Protocol::Sctp,
            Protocol::Tcp => parameter::Protocol::Tcp,
        },
        port: addresses.first().map_or(0, SocketAddr::port),
        transport_use,
        addresses: ips,
    }
}

/// `ADDRESS:PORT[,ADDRESS:PORT..]`, or names.
async fn addresses(listen: &str) -> Result<Vec<SocketAddr>> {
    let wrong =
        |e: String| Error::Config(format!("listen address \"{listen}\": {e}: give ADDRESS:PORT, e.g. 0.0.0.0:7000"));
    let mut all: Vec<SocketAddr> = Vec::new();
    for one in listen.split(',') {
        let mut found = tokio::net::lookup_host(one.trim()).await.map_err(|e| wrong(e.to_string()))?;
        all.push(found.next().ok_or_else(|| wrong("no address".to_owned()))?);
    }
    if all.windows(2).any(|pair| pair[0].port() != pair[1].port()) {
        return Err(wrong("all addresses of one endpoint have the same port".to_owned()));
    }
    Ok(all)
}

/// Ports tried until all transports can have the same.
const ATTEMPTS: usize = 16;
