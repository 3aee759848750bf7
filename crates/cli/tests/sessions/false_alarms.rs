// SPDX-License-Identifier: MIT OR Apache-2.0
//! What looks like a failure and is none must not move a session.

use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use rserpool::{Item, Outgoing, Session};
use serde_json::Value;

use crate::patient;
use crate::stage::{Process, Stage};

/// A peer is dead after 2 s of silence: long enough for one that has to wait for a processor.
const HEARTBEAT: [(&str, &str); 2] = [("heartbeat_interval", "500ms"), ("heartbeat_misses", "4")];
/// And this is longer.
const PAUSE: Duration = Duration::from_secs(5);

#[tokio::test]
async fn an_application_that_reads_nothing_for_5_s_is_not_failed_over() {
    let stage = Stage::set_up(2).await;
    let session = watchful_session(&stage).await;
    // More than fits in the windows both ways, so that everything backs up behind the application.
    let sends = async {
        for n in 0..8_000u64 {
            let mut request = n.to_be_bytes().to_vec();
            request.resize(1_000, 0);
            session.send(Outgoing::new(request).ack()).await.expect("the session goes on");
        }
    };
    let reads = async {
        tokio::time::sleep(PAUSE).await;
        for _ in 0..500 {
            session.recv_data().await.expect("the session goes on").expect("nobody says BYE");
        }
    };
    tokio::select! {
        () = sends => panic!("8,000 requests of 1 ms are answered although nobody reads the answers"),
        () = reads => {}
    }
    assert_eq!(session.failovers(), 0);
}

#[tokio::test]
async fn a_pool_user_stopped_for_5_s_finds_its_session_again() {
    let stage = Stage::set_up(2).await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_rsp"));
    command.args(["demo-pu", "--registrar", &stage.address.to_string(), "--outstanding", "64"]);
    command.args(["--set", "hello_wait=20s", "--set", "connect_timeout=20s"]);
    command.args(HEARTBEAT.iter().flat_map(|(name, value)| ["--set".to_owned(), format!("{name}={value}")]));
    let (mut pu, news) = Talker::start(&mut command);
    let mut seen = Vec::new();
    let mut wait_for = |what: &dyn Fn(&Value) -> bool| loop {
        let line = news.recv_timeout(Duration::from_secs(120)).expect("it says something all the time");
        let event: Value = serde_json::from_str(&line).expect("JSON");
        if event["event"] != "progress" {
            seen.push(line);
        }
        if what(&event) {
            return event;
        }
    };
    let answered = |event: &Value| event["counts"]["answered"].as_u64().unwrap_or(0);
    pu.say(r#"{"say":"begin"}"#);
    wait_for(&|event| answered(event) > 0);
    pu.process.signal(Signal::SIGSTOP);
    tokio::time::sleep(PAUSE).await;
    pu.process.signal(Signal::SIGCONT);
    // What came before the pause may still be in the pipe.
    let long_gap = |event: &Value| event["counts"]["gap"].as_u64().is_some_and(|gap| gap > 4_500_000);
    let found = answered(&wait_for(&long_gap));
    wait_for(&|event| answered(event) > found + 1_000);
    pu.say(r#"{"say":"finish"}"#);
    let finished = wait_for(&|event| event["event"] == "finished");
    assert_eq!(finished["counts"]["sent"], finished["counts"]["answered"], "{seen:?}");
    assert!(!seen.iter().any(|line| line.contains("leaving") || line.contains("failover")), "{seen:?}");
}

#[tokio::test]
async fn a_registrar_stopped_for_5_s_moves_no_session() {
    let stage = Stage::set_up(3).await;
    let session = watchful_session(&stage).await;
    stage.registrar().signal(Signal::SIGSTOP);
    stream_for(&session, PAUSE).await;
    stage.registrar().signal(Signal::SIGCONT);
    stream_for(&session, Duration::from_secs(2)).await;
    assert_eq!(session.failovers(), 0);
    stage.in_pool(3).await;
}

#[tokio::test]
async fn a_registrar_restarted_empty_moves_no_session_and_every_server_comes_back() {
    let mut stage = Stage::set_up(4).await;
    let session = watchful_session(&stage).await;
    stream_for(&session, Duration::from_millis(300)).await;
    stage.restart_registrar();
    stream_for(&session, Duration::from_secs(2)).await;
    stage.in_pool(4).await;
    assert_eq!(session.failovers(), 0);
}

async fn watchful_session(stage: &Stage) -> Session {
    let mut config = patient::config();
    for (name, value) in HEARTBEAT {
        config.session.set(name, value).expect("a setting");
    }
    stage.user_with(config).await.session("demo").connect().await.expect("the pool has servers")
}

/// Requests one after the other for so long, each answered.
async fn stream_for(session: &Session, time: Duration) {
    let until = tokio::time::Instant::now() + time;
    let mut n = 0u64;
    while tokio::time::Instant::now() < until {
        n += 1;
        drop(session.send(Outgoing::new(vec![n as u8; 64]).ack()).await.expect("the session goes on"));
        let answer = tokio::time::timeout(Duration::from_secs(120), async {
            loop {
                match session.recv().await.expect("the session goes on").expect("nobody says BYE") {
                    Item::Data(answer) => return answer,
                    Item::Failover(failover) => panic!("failed over: {failover:?}"),
                    _ => {}
                }
            }
        });
        answer.await.expect("an answer within 2 minutes");
    }
}

/// A process that is spoken with in lines.
struct Talker {
    process: Process,
    stdin: std::process::ChildStdin,
}

impl Talker {
    fn start(command: &mut Command) -> (Talker, std::sync::mpsc::Receiver<String>) {
        use std::io::BufRead;
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the program was built");
        let stdin = child.stdin.take().expect("it is piped");
        let stdout = child.stdout.take().expect("it is piped");
        let (lines, news) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in std::io::BufReader::new(stdout).lines().map_while(Result::ok) {
                if lines.send(line).is_err() {
                    return;
                }
            }
        });
        (Talker { process: Process::of(child), stdin }, news)
    }

    fn say(&mut self, line: &str) {
        use std::io::Write;
        writeln!(self.stdin, "{line}").expect("it listens");
    }
}
