// SPDX-License-Identifier: MIT OR Apache-2.0
//! Start and stop.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::process::Registrar;

#[test]
fn it_answers_plain_asap_and_stops_on_sigterm() {
    let registrar = Registrar::start(&[]);
    let mut peer = TcpStream::connect(registrar.asap()).expect("it listens");
    // ASAP_HANDLE_RESOLUTION of pool "none".
    peer.write_all(&[5, 0, 0, 12, 0, 9, 0, 8, b'n', b'o', b'n', b'e']).expect("it reads");
    let mut header = [0; 4];
    peer.read_exact(&mut header).expect("it answers");
    assert_eq!(header[0], 6, "ASAP_HANDLE_RESOLUTION_RESPONSE");
    let (status, log) = registrar.stop();
    assert!(status.success(), "{status}\n{log}");
}
