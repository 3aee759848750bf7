// SPDX-License-Identifier: MIT OR Apache-2.0
//! Kernel SCTP and SCTP over UDP speak with one another (RFC 6951): host `a` has the kernel's, host `b` has ours over UDP.

use machine::association::{Event, LostReason, Protocol, Token};
use net::{Association, KernelSettings, TransportChoice, TransportSettings, Transports};

use crate::common::{accepted, next, options, up, with_settings};
use crate::hosts::Hosts;

/// sctp-tunneling.
const PORT: u16 = 9899;

#[test]
fn a_kernel_reaches_a_peer_over_udp_at_the_port_that_is_set_for_it_alone() {
    let kernel = KernelSettings { encapsulation_port: PORT, ..KernelSettings::default() };
    with_settings(kernel, async |kernel| {
        let mut hosts = Hosts::new();
        hosts.set_on_a("sctp/udp_port", "9899");
        // The kernel's own idea of where everybody is: nowhere over UDP.
        hosts.set_on_a("sctp/encap_port", "0");
        hosts.stay_on_b();
        let over_udp = over_udp();
        let listener = over_udp.bind(Protocol::Sctp, &["10.0.10.2:0".parse().unwrap()], options()).unwrap();
        let to = listener.local_addrs().to_vec();
        let client = hosts.a(|| kernel.connect(Protocol::Sctp, to, options()));
        conversation(client, async || accepted(&listener).await.0).await;
    });
}

#[test]
fn a_peer_over_udp_reaches_a_kernel_which_learns_its_port() {
    with_settings(KernelSettings::default(), async |kernel| {
        let mut hosts = Hosts::new();
        hosts.set_on_a("sctp/udp_port", "9899");
        hosts.set_on_a("sctp/encap_port", "0");
        hosts.stay_on_b();
        let addresses = ["10.0.10.1:0".parse().unwrap(), "10.0.20.1:0".parse().unwrap()];
        let listener = hosts.a(|| kernel.bind(Protocol::Sctp, &addresses, options())).unwrap();
        let client = over_udp().connect(Protocol::Sctp, listener.local_addrs().to_vec(), options());
        conversation(client, async || hosts.accepted_on_a(&listener).await.0).await;
    });
}

fn over_udp() -> Transports {
    Transports::new(TransportSettings { choice: TransportChoice::SctpUdp, ..TransportSettings::default() })
}

/// Messages of all lengths both ways, on a stream, and an orderly end.
async fn conversation(mut client: Association, accept: impl AsyncFnOnce() -> Association) {
    let (_, mut server) = tokio::join!(up(&mut client), accept());
    let lengths = [1, 64, 1_400, 10_000, 65_000];
    let client = async {
        for (token, length) in lengths.into_iter().enumerate() {
            client.send(3, 12, false, Token(token as u64), vec![7; length].into()).unwrap();
            let (mut answered, mut delivered) = (false, false);
            while !(answered && delivered) {
                match next(&mut client).await {
                    Event::Message { sequence, stream: 5, ppid: 11, unordered: true, data } => {
                        client.taken(sequence);
                        assert_eq!(data, vec![8; length]);
                        answered = true;
                    }
                    Event::Delivered(delivered_token) => {
                        assert_eq!(delivered_token, Token(token as u64));
                        delivered = true;
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
        assert_eq!(client.finish().await, LostReason::Closed);
    };
    let server = async {
        loop {
            match next(&mut server).await {
                Event::Message { sequence, stream: 3, ppid: 12, unordered: false, data } => {
                    server.taken(sequence);
                    server.send(5, 11, true, Token(sequence), vec![8; data.len()].into()).unwrap();
                }
                Event::Delivered(_) => {}
                Event::Lost(reason) => break assert_eq!(reason, LostReason::PeerClosed),
                other => panic!("{other:?}"),
            }
        }
    };
    tokio::join!(client, server);
}
