// SPDX-License-Identifier: MIT OR Apache-2.0
//! The built-in services as programs of others see them, through the API.

use bytes::{Buf, Bytes};
use rserpool::{Item, Outgoing, PoolUser, Session};
use sim::process::{Process, Registrar};

use crate::patient;
use crate::support::{Pe, event, registrar, rsp_at, take};

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        tokio::time::timeout(std::time::Duration::from_secs(120), work).await.expect("it ends in time")
    })
}

async fn user(registrar: &Registrar) -> PoolUser {
    PoolUser::builder().config(patient::config()).registrar(registrar.asap.to_string()).build().await.unwrap()
}

/// Message number, reply number and data.
fn pong(message: &[u8]) -> (u64, u64, Bytes) {
    let mut rest = Bytes::copy_from_slice(message);
    assert_eq!((rest.get_u8(), rest.get_u8(), usize::from(rest.get_u16())), (2, 0, message.len()));
    (rest.get_u64(), rest.get_u64(), rest)
}

async fn ping(session: &Session, number: u64) -> (u64, u64, Bytes) {
    let mut ping = vec![1, 0, 0, 14];
    ping.extend(number.to_be_bytes());
    ping.extend(b"hi");
    session.send(Outgoing::new(ping).ppid(33).ack()).await.unwrap();
    let answer = session.recv_data().await.unwrap().expect("the session goes on");
    assert_eq!(answer.ppid(), 33);
    pong(&answer)
}

#[test]
fn ping_pong_goes_on_numbering_its_replies_at_the_next_server() {
    let registrar = registrar();
    let mut pes: Vec<Pe> = (0..3).map(|_| Pe::start(&registrar, "ping", &["--", "pingpong"])).collect();
    block_on(async {
        let session = user(&registrar).await.session("ping").connect().await.unwrap();
        for number in 1..=30 {
            assert_eq!(ping(&session, number).await, (number, number, Bytes::from_static(b"hi")));
            if number % 10 == 0 && number < 30 {
                let serving = session.pe().expect("it is served").id.to_string();
                take(&mut pes, &serving).process.kill();
            }
        }
        assert_eq!(session.failovers(), 2);
        session.close().await.unwrap();
    });
}

#[test]
fn a_stream_of_pings_loses_nothing_when_its_server_is_killed() {
    let registrar = registrar();
    let args = ["--service-time", "1ms", "--", "pingpong"];
    let mut pes: Vec<Pe> = (0..2).map(|_| Pe::start(&registrar, "ping", &args)).collect();
    block_on(async {
        let session = user(&registrar).await.session("ping").connect().await.unwrap();
        for number in 0..200_u64 {
            let mut ping = vec![1, 0, 0, 12];
            ping.extend(number.to_be_bytes());
            session.send(Outgoing::new(ping).ppid(33).ack()).await.unwrap();
        }
        let (mut next, mut last_reply) = (0, 0);
        while next < 200 {
            match session.recv().await.unwrap().expect("the session goes on") {
                Item::Data(answer) => {
                    let (number, reply, _) = pong(&answer);
                    assert_eq!(number, next, "each ping is answered once, in order");
                    assert!(reply > last_reply, "reply {reply} after {last_reply}");
                    (next, last_reply) = (next + 1, reply);
                    if next == 50 {
                        take(&mut pes, &session.pe().expect("it is served").id.to_string()).process.kill();
                    }
                }
                Item::Failover(failover) => assert!(failover.cookie_sent),
                _ => {}
            }
        }
        assert_eq!(session.failovers(), 1);
    });
}

#[test]
fn what_is_no_ping_ends_the_session() {
    let registrar = registrar();
    let _pe = Pe::start(&registrar, "ping", &["--", "pingpong"]);
    block_on(async {
        let session = user(&registrar).await.session("ping").connect().await.unwrap();
        session.send("hello").await.unwrap();
        assert!(session.recv_data().await.unwrap().is_none());
    });
}

#[test]
fn in_basic_mode_the_application_asks_for_the_next_server() {
    let registrar = registrar();
    let mut pes: Vec<Pe> = (0..2).map(|_| Pe::start(&registrar, "echo", &["--mapping", "tcp", "--", "echo"])).collect();
    block_on(async {
        let user = user(&registrar).await;
        let first = user.get_primary_server("echo").await.unwrap();
        assert!(tokio::net::TcpStream::connect(first.addrs[0]).await.is_ok());
        take(&mut pes, &first.id.to_string()).process.kill();
        assert!(tokio::net::TcpStream::connect(first.addrs[0]).await.is_err());
        let next = user.get_next_server(&first).await.unwrap();
        assert_eq!((next.id.to_string(), next.addrs[0].to_string()), (pes[0].id.clone(), pes[0].listen.clone()));
        assert!(tokio::net::TcpStream::connect(next.addrs[0]).await.is_ok());
    });
}

#[test]
fn an_element_that_listens_everywhere_is_found_over_ipv4_and_ipv6() {
    for asap in ["127.0.0.1:0", "[::1]:0"] {
        let registrar = Registrar::start_at(asap, "fast", &[]);
        let pe = Process::spawn(rsp_at(&registrar, &["pe", "run", "--pool", "echo", "--", "echo"]));
        pe.line();
        let mut terminal = Process::spawn(rsp_at(&registrar, &["connect", "echo"]));
        terminal.write("hello\n");
        let end = terminal.finish();
        assert_eq!((end.code, end.lines), (Some(0), vec!["hello".to_owned()]), "{asap}: {}", end.errors);
    }
}

#[test]
fn rsp_ping_is_answered_by_one_server_after_the_other_with_numbers_that_go_on() {
    let registrar = registrar();
    let mut pes: Vec<Pe> = (0..2).map(|_| Pe::start(&registrar, "ping", &["--", "pingpong"])).collect();
    let args = ["ping", "ping", "--count", "20", "--interval", "10ms", "-o", "json"];
    let ping = Process::spawn(rsp_at(&registrar, &args));
    let serving = event(&ping, "connected")["pe"].as_str().expect("it is served").to_owned();
    let first = event(&ping, "pong");
    assert_eq!((&first["ping"], &first["reply"], &first["pe"]), (&1.into(), &1.into(), &serving.as_str().into()));
    take(&mut pes, &serving).process.kill();
    let failover = event(&ping, "failover");
    assert_eq!((&failover["to"], &failover["cookie"]), (&pes[0].id.as_str().into(), &true.into()));
    let pongs: Vec<u64> = (0..3).map(|_| event(&ping, "pong")["reply"].as_u64().expect("a number")).collect();
    assert!(pongs[0] > 1 && pongs.is_sorted(), "{pongs:?}");
    let end = ping.finish();
    let last: serde_json::Value = serde_json::from_str(end.lines.last().expect("it says how it ended")).unwrap();
    assert_eq!((&last["answered"], &last["lost"], end.code), (&20.into(), &0.into(), Some(0)), "{}", end.errors);
}
