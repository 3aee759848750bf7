// SPDX-License-Identifier: MIT OR Apache-2.0
//! Associations over real sockets on loopback.

use std::net::SocketAddr;
use std::time::Duration;

use crate::common::{ANY_V4, ANY_V6, mapping, options, pair, up, within};
use bytes::{Bytes, BytesMut};
use machine::association::{Event, Heartbeat, LostReason, Mapping, Protocol, Token};
use net::{
    Association, BindError, Feature, Listener, MAX_PAYLOAD, Message, NotAvailable, Options, SendError, Transports,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[tokio::test]
async fn messages_of_every_size_arrive_in_order_with_stream_and_ppid_over_ipv4_and_ipv6() {
    for address in [ANY_V4, ANY_V6] {
        let (mut client, mut server) = pair(address).await;
        assert_eq!(client.peer_addr(), server.local_addr());
        assert_eq!(client.local_addr(), server.peer_addr());
        let sizes: Vec<usize> = (0..17).map(|n| 1 << n).chain([3, 4095, 4096, 65_000, MAX_PAYLOAD]).collect();
        let sizes: Vec<usize> = sizes.into_iter().filter(|size| *size <= MAX_PAYLOAD).collect();
        for (token, &size) in sizes.iter().enumerate() {
            let stream = token as u16 % 3;
            client.send(stream, token as u32 + 7, token % 2 == 0, Token(token as u64), payload(token, size)).unwrap();
        }
        let receiving = async {
            for (n, &size) in sizes.iter().enumerate() {
                let Event::Message { sequence, stream, ppid, unordered, data } = server.next().await else { panic!() };
                assert_eq!((sequence, stream, ppid), (n as u64, n as u16 % 3, n as u32 + 7));
                assert_eq!((unordered, data), (n % 2 == 0, payload(n, size)));
                server.taken(sequence);
            }
            server.next().await
        };
        let sending = async {
            for token in 0..sizes.len() {
                assert_eq!(client.next().await, Event::Delivered(Token(token as u64)));
            }
            client.finish().await
        };
        let (lost, closed) = within(async { tokio::join!(receiving, sending) }).await;
        assert_eq!((lost, closed), (Event::Lost(LostReason::PeerClosed), LostReason::Closed));
    }
}

#[tokio::test]
async fn what_the_peer_did_not_take_comes_back_when_it_dies() {
    let (mut client, mut server) = pair(ANY_V4).await;
    for token in 0..10 {
        client.send(0, 0, false, Token(token), Bytes::from_static(b"request")).unwrap();
    }
    let events = within(async {
        for sequence in 0..10 {
            let (_, event) = tokio::join!(poll_once(&mut client), server.next());
            assert!(matches!(event, Event::Message { .. }), "{event:?}");
            if sequence < 3 {
                server.taken(sequence);
            }
        }
        server.flush();
        drop(server);
        rest(&mut client).await
    })
    .await;
    let (lost, fates) = events.split_last().unwrap();
    let expected: Vec<_> =
        (0..3).map(|n| Event::Delivered(Token(n))).chain((3..10).map(|n| Event::Undelivered(Token(n)))).collect();
    assert_eq!(fates, expected);
    assert!(matches!(lost, Event::Lost(LostReason::PeerClosed | LostReason::Reset)), "{lost:?}");
}

#[tokio::test]
async fn all_that_was_received_is_handed_up_before_the_loss_even_after_a_reset() {
    for reset in [false, true] {
        let listener = TcpListener::bind(ANY_V4).await.unwrap();
        let mut client = Association::connect(vec![listener.local_addr().unwrap()], options());
        client.send(0, 0, false, Token(7), Bytes::from_static(b"makes the close a reset if it is not read")).unwrap();
        let peer = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut init = [0; 4];
            stream.read_exact(&mut init).await.unwrap();
            if !reset {
                stream.read_exact(&mut [0; 60]).await.unwrap();
            }
            let mut bytes = BytesMut::from(&[1u8, 0, 0, 4][..]);
            // Few enough to be in our kernel's hands before the peer's throws away what it has not sent.
            for n in 0..20u32 {
                bytes.extend_from_slice(&data_chunk(n, 1000));
            }
            stream.write_all(&bytes).await.unwrap();
        };
        let (_, events) = within(async { tokio::join!(peer, rest(&mut client)) }).await;
        let messages = events.iter().filter(|event| matches!(event, Event::Message { .. })).count();
        assert_eq!(messages, 20, "reset {reset}");
        assert_eq!(events[21], Event::Undelivered(Token(7)));
        let reason = if reset { LostReason::Reset } else { LostReason::PeerClosed };
        assert_eq!(events[22..], [Event::Lost(reason)]);
    }
}

#[tokio::test]
async fn a_listener_that_never_accepts_is_a_connect_timeout() {
    // The kernel accepts for it, as it does for a stopped process.
    let listener = std::net::TcpListener::bind(ANY_V4).unwrap();
    let options = Options { connect_timeout: Duration::from_millis(100), ..options() };
    let mut client = Association::connect(vec![listener.local_addr().unwrap()], options);
    client.send(0, 0, false, Token(1), Bytes::from_static(b"cookie")).unwrap();
    let events = without_pauses(within(rest(&mut client)).await);
    assert_eq!(events, [Event::Undelivered(Token(1)), Event::Lost(LostReason::ConnectTimeout)]);
}

#[tokio::test]
async fn a_peer_that_accepts_and_says_nothing_is_a_connect_timeout() {
    let options = Options { connect_timeout: Duration::from_millis(100), ..options() };
    let listener = Listener::bind(ANY_V4, options).unwrap();
    let _silent = TcpStream::connect(listener.local_addr()).await.unwrap();
    let mut server = within(listener.accept()).await;
    assert_eq!(without_pauses(within(rest(&mut server)).await), [Event::Lost(LostReason::ConnectTimeout)]);
}

#[tokio::test]
async fn nobody_there_is_refused_and_another_address_is_tried() {
    let dead = dead_address().await;
    let mut client = Association::connect(vec![dead], options());
    assert_eq!(within(rest(&mut client)).await, [Event::Lost(LostReason::Refused)]);

    let listener = Listener::bind(ANY_V4, options()).unwrap();
    let mut client = Association::connect(vec![dead, listener.local_addr()], options());
    let (first, _server) = within(async { tokio::join!(client.next(), up(&listener)) }).await;
    assert_eq!(mapping(first), Mapping::Tcp);
    assert_eq!(client.peer_addr(), listener.local_addr());
}

#[tokio::test]
async fn plain_asap_is_served_on_the_same_port() {
    let listener = Listener::bind(ANY_V4, options()).unwrap();
    let mut plain = TcpStream::connect(listener.local_addr()).await.unwrap();
    let request = [5u8, 0, 0, 12, 0, 9, 0, 8, b'p', b'o', b'o', b'l'];
    plain.write_all(&[request, request].concat()).await.unwrap();
    let mut server = within(listener.accept()).await;
    assert_eq!(mapping(within(server.next()).await), Mapping::PlainAsap);
    for n in 0..2 {
        let Event::Message { sequence, ppid, data, .. } = within(server.next()).await else { panic!() };
        assert_eq!((sequence, ppid, &data[..]), (n, 11, &request[..]));
        server.taken(sequence);
    }
    server.send(0, 11, false, Token(9), Bytes::from_static(b"answer!!")).unwrap();
    let mut answer = [0; 8];
    let (event, _) = within(async { tokio::join!(server.next(), plain.read_exact(&mut answer)) }).await;
    assert_eq!((event, &answer), (Event::Delivered(Token(9)), b"answer!!"));
    drop(plain);
    assert_eq!(within(server.next()).await, Event::Lost(LostReason::PeerClosed));
}

#[tokio::test]
async fn answers_and_acknowledgements_to_several_messages_leave_in_one_write() {
    let listener = Listener::bind(ANY_V4, options()).unwrap();
    let mut raw = TcpStream::connect(listener.local_addr()).await.unwrap();
    let requests = [&[1, 0, 0, 4], &data_chunk(0, 10)[..], &data_chunk(1, 10), &data_chunk(2, 10)].concat();
    raw.write_all(&requests).await.unwrap();
    let mut server = within(listener.accept()).await;
    assert_eq!(mapping(within(server.next()).await), Mapping::Tcp);
    for n in 0..3 {
        let Event::Message { sequence, data, .. } = within(server.next()).await else { panic!() };
        server.taken(sequence);
        server.send(0, 0, false, Token(n), data).unwrap();
    }
    raw.read_exact(&mut [0; 4]).await.unwrap();
    poll_once(&mut server).await;
    let mut answer = vec![0; 1000];
    let count = within(raw.read(&mut answer)).await.unwrap();
    assert_eq!(count, 3 * (8 + 28), "three ACKs and three answers");
}

#[tokio::test]
async fn a_peer_that_does_not_read_shows_in_what_is_buffered_and_nothing_is_lost() {
    let (mut client, mut server) = pair(ANY_V4).await;
    let mut sent = 0;
    while client.buffered() < 1 << 20 {
        client.send(0, 0, false, Token(sent), payload(sent as usize, 60_000)).unwrap();
        sent += 1;
        poll_once(&mut client).await;
        assert!(sent < 10_000, "the kernel cannot take this much");
    }
    let receiving = async {
        for n in 0..sent {
            let Event::Message { sequence, data, .. } = server.next().await else { panic!() };
            assert_eq!((sequence, data), (n, payload(n as usize, 60_000)));
            server.taken(sequence);
        }
        server.next().await
    };
    let sending = async {
        for n in 0..sent {
            assert_eq!(client.next().await, Event::Delivered(Token(n)));
        }
        assert_eq!(client.buffered(), 0);
        client.finish().await
    };
    within(async { tokio::join!(receiving, sending) }).await;
}

#[tokio::test]
async fn a_peer_over_the_cap_is_closed_and_the_others_go_on() {
    let listener = Listener::bind(ANY_V4, Options { max_untaken_bytes: 100_000, ..options() }).unwrap();
    let mut greedy = Association::connect(vec![listener.local_addr()], options());
    let (_, mut hurt) = within(async { tokio::join!(greedy.next(), up(&listener)) }).await;
    let mut modest = Association::connect(vec![listener.local_addr()], options());
    let (_, mut well) = within(async { tokio::join!(modest.next(), up(&listener)) }).await;
    for token in 0..20 {
        greedy.send(0, 0, false, Token(token), payload(1, 10_000)).unwrap();
    }
    let (_, events) = within(async { tokio::join!(poll_once(&mut greedy), rest(&mut hurt)) }).await;
    assert!(matches!(events.last(), Some(Event::Lost(LostReason::Overrun(_)))), "{:?}", events.last());
    assert_eq!(events.len(), 10, "nine fit, then the end");
    modest.send(0, 0, false, Token(0), Bytes::from_static(b"fine")).unwrap();
    let (_, event) = within(async { tokio::join!(poll_once(&mut modest), well.next()) }).await;
    assert!(matches!(event, Event::Message { .. }));
}

#[tokio::test]
async fn two_seconds_of_our_own_absence_kill_no_association() {
    let interval = Duration::from_millis(300);
    let (mut client, mut server) = pair(ANY_V4).await;
    for end in [&mut client, &mut server] {
        end.set_heartbeat(Heartbeat { interval, dead_after: interval * 3 });
    }
    // Both ends live on this one thread: this is a SIGSTOP to them.
    std::thread::sleep(interval * 7);
    let alive = |event: &Event| matches!(event, Event::Paused);
    let watching = async {
        loop {
            let event = tokio::select! { event = client.next() => event, event = server.next() => event };
            assert!(alive(&event), "{event:?}");
        }
    };
    let _ = tokio::time::timeout(interval * 5, watching).await;
    client.send(0, 0, false, Token(1), Bytes::from_static(b"still here")).unwrap();
    let event = within(async {
        loop {
            let event = tokio::select! { event = client.next() => event, event = server.next() => event };
            if !alive(&event) {
                return event;
            }
        }
    })
    .await;
    assert!(matches!(event, Event::Message { .. }), "{event:?}");
}

#[tokio::test]
async fn what_tcp_lacks_is_a_typed_error_and_what_it_knows_is_told() {
    let (mut client, _server) = pair(ANY_V4).await;
    let data = Bytes::from_static(b"x");
    let message =
        |lifetime| Message { stream: 0, ppid: 0, unordered: false, lifetime, token: Token(1), data: data.clone() };
    let lacks = |feature| NotAvailable { feature, mapping: Mapping::Tcp };
    let refused = client.send_message(message(Some(Duration::from_secs(1)))).unwrap_err();
    assert_eq!(refused, SendError::NotAvailable(lacks(Feature::Lifetime)));
    assert_eq!(refused.to_string(), "a lifetime of messages is not available on the TCP mapping");
    assert_eq!((client.paths(), client.outstanding()), (Err(lacks(Feature::Paths)), 0));
    client.send_message(message(None)).unwrap();
    assert!(client.round_trip_time().is_some());
}

#[tokio::test]
async fn without_sctp_an_association_is_lost_and_a_port_refused_with_what_to_do() {
    let transports = Transports::tcp();
    let mut client = transports.connect(Protocol::Sctp, vec![ANY_V4], options());
    let Event::Lost(LostReason::Io(reason)) = within(client.next()).await else { panic!("it came up") };
    assert!(reason.contains("modprobe sctp"), "{reason}");
    let refused = transports.bind(Protocol::Sctp, &[ANY_V4], options()).unwrap_err();
    assert!(refused.to_string().contains("modprobe sctp"), "{refused}");
    assert!(matches!(transports.bind(Protocol::Tcp, &[ANY_V4, ANY_V4], options()), Err(BindError::OneAddress)));
}

#[tokio::test]
async fn after_the_end_nothing_can_be_sent_and_nothing_more_happens() {
    let (mut client, server) = pair(ANY_V4).await;
    drop(server);
    let events = within(rest(&mut client)).await;
    assert_eq!(events, [Event::Lost(LostReason::PeerClosed)]);
    assert_eq!(
        client.send(0, 0, false, Token(1), Bytes::from_static(b"x")),
        Err(SendError::Refused(tcp_mapping::SendError::NotUp))
    );
    let silence = tokio::time::timeout(Duration::from_millis(50), client.next()).await;
    assert!(silence.is_err(), "{silence:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_associations_live_side_by_side() {
    const COUNT: usize = 1000;
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, 4096, 4096)
        .expect("2,000 sockets need more than the 1,024 descriptors of a default shell");
    let options = Options { connect_timeout: Duration::from_secs(30), ..options() };
    let listener = Listener::bind(ANY_V4, options).unwrap();
    let address = listener.local_addr();
    let server = tokio::spawn(async move {
        for _ in 0..COUNT {
            let mut association = listener.accept().await;
            tokio::spawn(async move {
                loop {
                    match association.next().await {
                        Event::Message { sequence, stream, ppid, data, .. } => {
                            association.taken(sequence);
                            association.send(stream, ppid, false, Token(sequence), data).unwrap();
                        }
                        Event::Lost(_) => return,
                        _ => {}
                    }
                }
            });
        }
    });
    let mut clients: Vec<_> = (0..COUNT).map(|_| Association::connect(vec![address], options)).collect();
    let echoes = clients.iter_mut().enumerate().map(|(n, client)| {
        let request = payload(n, n + 1);
        client.send(1, 2, false, Token(n as u64), request.clone()).unwrap();
        async move {
            loop {
                match client.next().await {
                    Event::Message { data, .. } => return assert_eq!(data, request),
                    Event::Up(_) | Event::Delivered(_) | Event::Paused => {}
                    other => panic!("association {n}: {other:?}"),
                }
            }
        }
    });
    within(join_all(echoes)).await;
    server.await.unwrap();
}

async fn dead_address() -> SocketAddr {
    TcpListener::bind(ANY_V4).await.unwrap().local_addr().unwrap()
}

/// Every event up to the loss.
async fn rest(association: &mut Association) -> Vec<Event> {
    let mut events = Vec::new();
    while !matches!(events.last(), Some(Event::Lost(_))) {
        events.push(association.next().await);
    }
    events
}

/// On a loaded machine this process may not run for longer than a short timeout, and says so.
fn without_pauses(events: Vec<Event>) -> Vec<Event> {
    events.into_iter().filter(|event| !matches!(event, Event::Paused)).collect()
}

/// Lets an association do what it can do now; it must have nothing to hand up.
async fn poll_once(association: &mut Association) {
    std::future::poll_fn(|cx| {
        assert!(association.poll_next(cx).is_pending());
        std::task::Poll::Ready(())
    })
    .await;
}

async fn join_all(futures: impl Iterator<Item = impl Future<Output = ()>>) {
    let mut futures: Vec<_> = futures.map(Box::pin).collect();
    std::future::poll_fn(|cx| {
        futures.retain_mut(|future| future.as_mut().poll(cx).is_pending());
        if futures.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

fn payload(seed: usize, len: usize) -> Bytes {
    (0..len).map(|n| (n.wrapping_mul(31) + seed) as u8).collect()
}

fn data_chunk(tsn: u32, len: u16) -> Vec<u8> {
    let mut chunk = [&[0, 0][..], &(16 + len).to_be_bytes(), &tsn.to_be_bytes()].concat();
    chunk.extend([&[0, 0][..], &(tsn as u16).to_be_bytes(), &[0; 4]].concat());
    chunk.extend(vec![7; usize::from(len).next_multiple_of(4)]);
    chunk
}
