// SPDX-License-Identifier: MIT OR Apache-2.0
//! What kernel SCTP puts on the wire, in tshark's judgement.

use std::process::Command;

use machine::association::{Event, Token};
use net::capture::{Limits, LiveCapture, Recorder};

use crate::common::{next, pair, with_kernel_sctp};

/// ASAP_HANDLE_RESOLUTION for "echo", RFC 5354 §2.2.5.
const ASAP: &[u8] = b"\x05\0\0\x0c\0\x09\0\x08echo";
/// ENRP_HANDLE_TABLE_REQUEST from 1 to 2, RFC 5353 §2.2.
const ENRP: &[u8] = b"\x02\0\0\x0c\0\0\0\x01\0\0\0\x02";

#[test]
fn asap_and_enrp_are_known_by_their_ppids_and_every_checksum_is_good() {
    with_kernel_sctp(async |transports| {
        let mut capture = LiveCapture::open("lo").expect("the machine is ours");
        let (mut client, mut server, listener) = pair(&transports, &["127.0.0.1:0"]).await;
        client.send(0, 11, false, Token(1), ASAP.into()).unwrap();
        client.send(2, 12, true, Token(2), ENRP.into()).unwrap();
        client.close();
        let receiving = async { while !matches!(next(&mut server).await, Event::Lost(_)) {} };
        let sending = async { while !matches!(next(&mut client).await, Event::Lost(_)) {} };
        tokio::join!(receiving, sending);
        let mut recorder = Recorder::new(Vec::new(), vec![listener.local_addr().port()], &Limits::default()).unwrap();
        let mut file = std::env::temp_dir();
        file.push("kernel-sctp.pcapng");
        for _ in 0..1_000 {
            let Some(frame) = capture.try_next().unwrap() else { break };
            recorder.record(&frame).unwrap();
        }
        recorder.finish().unwrap();
        std::fs::write(&file, recorder.continue_in(Vec::new()).unwrap()).unwrap();

        let read = |filter: &str, field: &str| {
            let output = Command::new("tshark")
                .args(["-o", "sctp.checksum:crc-32c", "-r"])
                .arg(&file)
                .args(["-Y", filter, "-T", "fields", "-e", field])
                .output()
                .expect("tshark is installed");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap().split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(read("sctp.data_payload_proto_id", "sctp.data_payload_proto_id").join(","), "11,12");
        assert_eq!(read("asap", "asap.message_type"), ["5"]);
        assert_eq!(read("enrp", "enrp.message_type"), ["2"]);
        let packets = read("sctp", "frame.number").len();
        assert!(packets >= 8, "{packets} packets of a whole association");
        assert_eq!(read("sctp.checksum.status == 1", "frame.number").len(), packets);
        assert!(read("_ws.malformed || _ws.expert.severity == error", "frame.number").is_empty());
    });
}
