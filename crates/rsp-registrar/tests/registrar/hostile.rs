// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bytes nobody should send, over real sockets. Whatever comes, the registrar lives and serves the others.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use bytes::{Bytes, BytesMut};
use machine::Rng;
use rsp_core::{PPID_ASAP, PPID_ENRP};
use rsp_wire::asap::Message;
use rsp_wire::parameter::{ErrorCause, Policy};

use crate::peer::{DIALECT, Peer, pool_element, registration, resolution};
use crate::process::Registrar;

/// notes/rsplib-inventory.md §8: each of these makes RSPLIB abort (the seventh strikes its pool users).
#[test]
fn the_inputs_that_abort_rsplib_do_no_harm() {
    let here: SocketAddr = "127.0.0.1:7000".parse().unwrap();
    let (v4, policy) = (tlv(1, &[127, 0, 0, 1]), tlv(8, &[0, 0, 0, 1]));
    let tcp = |inside: &[&[u8]]| tlv(5, &[&[0x1b, 0x58, 0, 1], &inside.concat()[..]].concat());
    let v6: Vec<u8> = (0..33u8).flat_map(|last| tlv(2, &[[0xfd; 15].as_slice(), &[last]].concat())).collect();
    let sctp_of_33 = tlv(4, &[&[0x1b, 0x58, 0, 1], &v6[..]].concat());
    let mut presence = vec![0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    presence.extend(tlv(0xb, &[&[0, 0, 0, 0], &tcp(&[&v4])[..]].concat()));
    let length = presence.len() as u8;
    presence[3] = length;

    let inputs: Vec<(&str, Vec<u8>)> = vec![
        ("1 a pool handle of 33 bytes", resolution(&"h".repeat(33), false).to_bytes(DIALECT).unwrap().to_vec()),
        ("1 a pool handle of 60,000 bytes", resolution(&"h".repeat(60_000), true).to_bytes(DIALECT).unwrap().to_vec()),
        ("2 an unknown parameter instead of an address", registration_of(&[&tcp(&[&tlv(0x80aa, b"what")]), &policy])),
        ("3 a TCP transport with two addresses", registration_of(&[&tcp(&[&v4, &v4]), &policy])),
        ("4 a parameter shorter than its header", registration_of(&[&tcp(&[&[0x80, 0xaa, 0, 1], &v4]), &policy])),
        ("4 a parameter of no length", registration_of(&[&tcp(&[&v4]), &policy, &[0x80, 0xaa, 0, 0]])),
        ("5 a PE of 66 addresses", registration_of(&[&sctp_of_33, &policy, &sctp_of_33])),
        ("6 an ENRP_PRESENCE of server 0", presence),
    ];
    let registrar = Registrar::start(&[]);
    let mut witness = Witness::start(&registrar);
    for (name, input) in &inputs {
        let mut peer = Peer::connect(registrar.asap());
        let ppid = if name.contains("ENRP") { PPID_ENRP } else { PPID_ASAP };
        peer.send_bytes(ppid, Bytes::copy_from_slice(input));
        goes_on(&mut peer);
        assert!(witness.is_served(), "{name} by the TCP mapping");
        plain(registrar.asap(), input);
        assert!(witness.is_served(), "{name} by plain ASAP");
    }

    // 5b: a pool whose PEs all have weight 0.
    let mut pe = Peer::connect(registrar.asap());
    let element = |id, policy| rsp_wire::parameter::PoolElement { policy, ..pool_element(id, here) };
    pe.register("weightless", element(1, Policy::WeightedRandom { weight: 0 }));
    pe.register("weightless", element(2, Policy::WeightedRandom { weight: 0 }));
    assert_eq!(pe.resolve("weightless").pool_elements.len(), 2);
    // 7: a PE that would change its pool's policy.
    pe.send(&registration("weightless", element(3, Policy::RoundRobin)));
    let Message::RegistrationResponse(refused) = pe.receive() else { panic!("not a registration response") };
    assert!(matches!(refused.error.expect("a cause").0[0], ErrorCause::InconsistentPoolPolicy(_)));
    assert!(witness.is_served());
}

#[test]
fn garbage_and_half_messages_do_no_harm() {
    let registrar = Registrar::start(&[]);
    let mut witness = Witness::start(&registrar);
    let mut rng = Rng::new(2026);
    let mut halves = Vec::new();
    for round in 0..200 {
        let mut bytes: Vec<u8> = (0..rng.below(2_000)).map(|_| rng.next_u32() as u8).collect();
        match round % 4 {
            // The TCP mapping, then garbage for chunks.
            0 => drop(bytes.splice(0..0, [1, 0, 0, 4])),
            // Something that says it is an ASAP message.
            1 => drop(bytes.splice(0..0, [1 + (rng.below(14) as u8), 0, 0xff, 0xff])),
            _ => {}
        }
        plain(registrar.asap(), &bytes);
        let mut half = TcpStream::connect(registrar.asap()).expect("it listens");
        let whole = resolution("witness", false).to_bytes(DIALECT).unwrap();
        half.write_all(&whole[..1 + rng.below(whole.len() as u64 - 1) as usize]).expect("it reads");
        halves.push(half);
    }
    assert!(witness.is_served());
    drop(halves);
    assert!(witness.is_served());
}

#[test]
fn messages_with_a_byte_changed_or_cut_off_do_no_harm() {
    let registrar = Registrar::start(&[]);
    let mut witness = Witness::start(&registrar);
    let mut rng = Rng::new(5354);
    let mut peer = Peer::connect(registrar.asap());
    let at = "127.0.0.1:7000".parse().unwrap();
    for round in 0..500 {
        let message = if round % 2 == 0 { registration("p", pool_element(1, at)) } else { resolution("p", true) };
        let mut bytes = BytesMut::from(&message.to_bytes(DIALECT).unwrap()[..]);
        let place = 1 + rng.below(bytes.len() as u64 - 1) as usize;
        match rng.below(3) {
            0 => bytes.truncate(place),
            _ => bytes[place] = rng.next_u32() as u8,
        }
        peer.send_bytes(PPID_ASAP, bytes.freeze());
    }
    goes_on(&mut peer);
    assert!(witness.is_served());
}

/// The next message on a plain ASAP connection.
pub(crate) fn answer(from: &mut TcpStream) -> Message {
    let mut bytes = vec![0; 4];
    from.read_exact(&mut bytes).expect("it answers");
    let length = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
    bytes.resize(length.next_multiple_of(4), 0);
    from.read_exact(&mut bytes[4..]).expect("all of it");
    Message::decode(&bytes.into()).expect("a registrar sends no nonsense").message
}

/// A pool element and a pool user that behave.
struct Witness {
    _pe: Peer,
    pu: Peer,
}

impl Witness {
    fn start(registrar: &Registrar) -> Self {
        let mut pe = Peer::connect(registrar.asap());
        let element = pe.element(1);
        pe.register("witness", element);
        Witness { _pe: pe, pu: Peer::connect(registrar.asap()) }
    }

    fn is_served(&mut self) -> bool {
        self.pu.resolve("witness").pool_elements.len() == 1
    }
}

/// Whatever was sent before, the association lives on: the registrar answers on it.
fn goes_on(peer: &mut Peer) {
    peer.send(&resolution("the last one", false));
    loop {
        match peer.receive() {
            Message::HandleResolutionResponse(response) if response.pool_handle == "the last one".into() => return,
            _ => {}
        }
    }
}

/// Sends bytes over a bare connection and waits until the registrar has closed it or is done with them.
fn plain(to: SocketAddr, bytes: &[u8]) {
    let mut peer = TcpStream::connect(to).expect("it listens");
    // It may close before it has read all.
    let _ = peer.write_all(bytes);
    let _ = peer.shutdown(Shutdown::Write);
    let _ = peer.read_to_end(&mut Vec::new());
}

/// An ASAP_REGISTRATION in pool `p` with these parameters in its Pool Element.
fn registration_of(parameters: &[&[u8]]) -> Vec<u8> {
    let fixed = [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 120];
    let element = tlv(0xa, &[&fixed[..], &parameters.concat()].concat());
    let body = [tlv(9, b"p"), element].concat();
    let length = (body.len() + 4) as u16;
    [&[1, 0][..], &length.to_be_bytes(), &body].concat()
}

/// A parameter with its padding.
fn tlv(parameter_type: u16, value: &[u8]) -> Vec<u8> {
    let length = (value.len() + 4) as u16;
    let mut bytes = [&parameter_type.to_be_bytes()[..], &length.to_be_bytes(), value].concat();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}
