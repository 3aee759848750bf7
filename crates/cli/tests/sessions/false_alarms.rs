// SPDX-License-Identifier: MIT OR Apache-2.0
//! What looks like a failure and is none must not move a session.

use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use rserpool::{Item, Outgoing, Session};

use crate::stage::{Process, Stage};

const PAUSE: Duration = Duration::from_secs(3);

#[tokio::test]
async fn an_application_that_reads_nothing_for_3_s_is_not_failed_over() {
    let stage = Stage::set_up(2).await;
    let session = stage.session().await;
    // More than fits in the windows both ways, so that everything backs up behind the application.
    let sends = async {
        for n in 0..6_000u64 {
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
        () = sends => panic!("6,000 requests of 1 ms are not answered in that time"),
        () = reads => {}
    }
    assert_eq!(session.failovers(), 0);
}

#[tokio::test]
async fn a_pool_user_stopped_for_3_s_finds_its_session_again() {
    let stage = Stage::set_up(2).await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_rsp"));
    command.args(["demo-pu", "--registrar", &stage.address.to_string(), "--outstanding", "64"]);
    let (mut pu, news) = Talker::start(&mut command);
    pu.say(r#"{"say":"begin"}"#);
    tokio::time::sleep(Duration::from_millis(500)).await;
    pu.process.signal(Signal::SIGSTOP);
    tokio::time::sleep(PAUSE).await;
    pu.process.signal(Signal::SIGCONT);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    pu.say(r#"{"say":"finish"}"#);
    let mut seen = Vec::new();
    while let Ok(line) = news.recv_timeout(Duration::from_secs(20)) {
        let finished = line.contains(r#""event":"finished""#);
        if !line.contains(r#""event":"progress""#) {
            seen.push(line);
        }
        if finished {
            break;
        }
    }
    let finished: serde_json::Value = serde_json::from_str(seen.last().expect("it says something")).expect("JSON");
    let counts = &finished["counts"];
    assert_eq!(counts["sent"], counts["answered"], "{seen:?}");
    assert!(counts["gap"].as_u64().expect("a number") > 2_500_000, "it was not stopped: {seen:?}");
    assert!(!seen.iter().any(|line| line.contains("leaving") || line.contains("failover")), "{seen:?}");
}

#[tokio::test]
async fn a_registrar_stopped_for_3_s_moves_no_session() {
    let stage = Stage::set_up(3).await;
    let session = stage.session().await;
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
    let session = stage.session().await;
    stream_for(&session, Duration::from_millis(300)).await;
    stage.restart_registrar();
    stream_for(&session, Duration::from_secs(2)).await;
    stage.in_pool(4).await;
    assert_eq!(session.failovers(), 0);
}

/// Requests one after the other for so long, each answered.
async fn stream_for(session: &Session, time: Duration) {
    let until = tokio::time::Instant::now() + time;
    let mut n = 0u64;
    while tokio::time::Instant::now() < until {
        n += 1;
        drop(session.send(Outgoing::new(vec![n as u8; 64]).ack()).await.expect("the session goes on"));
        let answer = tokio::time::timeout(Duration::from_secs(10), async {
            loop {
                match session.recv().await.expect("the session goes on").expect("nobody says BYE") {
                    Item::Data(answer) => return answer,
                    Item::Failover(failover) => panic!("failed over: {failover:?}"),
                    _ => {}
                }
            }
        });
        answer.await.expect("an answer within 10 s");
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
