// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp capture`, live and from a file, judged by tshark and by `rsp decode`.

use std::path::Path;

use sim::namespace::in_namespace;
use sim::process::{PATIENT_FILE, Process, Registrar, Signal, program};

use crate::decode::{decode, decoded_frames, golden_captures, rsp};
use crate::tshark::{self, Frame};

#[test]
fn the_golden_captures_keep_every_message() {
    let folder = tempfile::tempdir().unwrap();
    for capture in golden_captures() {
        let written = folder.path().join("written.pcapng");
        let output = rsp(&["capture", "-r", text(&capture), "-w", text(&written)]);
        assert!(output.status.success(), "{output:?}");
        let types = |frames: Vec<Frame>| frames.into_iter().map(|frame| (frame.asap, frame.enrp)).collect::<Vec<_>>();
        assert_eq!(types(tshark::messages(&written)), types(tshark::messages(&capture)), "{}", capture.display());
        assert_eq!(decoded_frames(&written), tshark::messages(&written), "{}", capture.display());
    }
}

#[test]
fn a_capture_is_not_written_over_itself() {
    let folder = tempfile::tempdir().unwrap();
    let (file, link) = (folder.path().join("a.pcap"), folder.path().join("b.pcap"));
    std::fs::copy(&golden_captures()[0], &file).unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let before = std::fs::read(&file).unwrap();
    let output = rsp(&["capture", "-r", text(&file), "-w", text(&link)]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(std::fs::read(&file).unwrap() == before, "it is as it was");
}

#[test]
fn a_session_over_the_tcp_mapping_captured_live_is_read_by_tshark_without_a_complaint() {
    capture_a_session("tcp");
}

#[test]
fn a_session_over_sctp_over_udp_captured_live_is_read_by_tshark_without_a_complaint() {
    capture_a_session("sctp-udp");
}

fn capture_a_session(transport: &'static str) {
    in_namespace(|| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("live.pcapng");
        let capture = start(&["-i", "lo"], &file);
        let registrar = Registrar::start("fast", &[]);
        let at = |args: &[&str]| {
            let mut command = program("cli", "rsp");
            command.args(args).env("RSERPOOL_PROFILE", "fast").env("RSERPOOL_CONFIG", PATIENT_FILE);
            command.env("RSERPOOL_REGISTRARS", registrar.asap.to_string()).env("RSERPOOL_TRANSPORT", transport);
            command
        };
        let pe =
            Process::spawn(at(&["pe", "run", "--pool", "echo", "--listen", "127.0.0.1:0", "-o", "json", "--", "echo"]));
        pe.line_where(|line| line.contains("registered"));
        let mut session = Process::spawn(at(&["connect", "echo"]));
        let long = "x".repeat(10_000);
        session.write(&format!("hello\n{long}\n"));
        assert_eq!((session.line(), session.line()), ("hello".to_owned(), long));
        drop(session);
        stop(capture);

        let frames = tshark::messages(&file);
        assert_eq!(decoded_frames(&file), frames);
        assert_eq!(tshark::complaints(&file), "");
        let asap: Vec<u8> = frames.iter().flat_map(|frame| &frame.asap).copied().collect();
        // Registration and its response, resolution and its response, the session's own messages.
        for wanted in [1, 3, 5, 6, 0x3f] {
            assert!(asap.contains(&wanted), "{wanted} is not among {asap:?}");
        }
        assert_eq!(interfaces(&file), "lo");
        let over_udp = decode(&file).iter().any(|message| message["transport"] == "sctp/udp");
        let carried = tshark::fields(&file, "frame.comment").join("\n");
        match transport {
            "tcp" => assert!(!over_udp && carried.contains("carried by TCP"), "{carried}"),
            _ => assert!(over_udp || carried.contains("carried by UDP"), "{carried}"),
        }
        // With the whole traffic of loopback in it, the capture is the same when it is captured again.
        let again = folder.path().join("again.pcapng");
        assert!(rsp(&["capture", "-r", text(&file), "-w", text(&again)]).status.success());
        assert_eq!(tshark::messages(&again), frames);
        assert_eq!(interfaces(&again), "lo");
    });
}

#[test]
fn the_demo_over_the_tcp_mapping_with_a_server_killed_is_read_by_tshark_without_a_complaint() {
    in_namespace(|| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("demo.pcapng");
        // The demo starts the registrar next to itself: it has to be built.
        drop(program("rsp-registrar", "rsp-registrar"));
        let capture = start(&["-i", "lo"], &file);
        let demo = rsp(&[
            "demo",
            "--script",
            "-o",
            "json",
            "--transport",
            "tcp",
            "--acts",
            "kill,registrar-kill",
            "--requests",
            "1000",
        ]);
        assert!(demo.status.success(), "{demo:?}");
        stop(capture);
        assert_eq!(tshark::complaints(&file), "");
        let frames = tshark::messages(&file);
        assert_eq!(decoded_frames(&file), frames);
        let asap: Vec<u8> = frames.iter().flat_map(|frame| &frame.asap).copied().collect();
        let enrp: Vec<u8> = frames.iter().flat_map(|frame| &frame.enrp).copied().collect();
        // Registrations, resolutions, keep-alives and the report of the PE that died; presence and updates between registrars.
        for wanted in [1, 3, 5, 6, 7, 8, 9, 0x3f] {
            assert!(asap.contains(&wanted), "ASAP {wanted} is not there");
        }
        for wanted in [1, 4] {
            assert!(enrp.contains(&wanted), "ENRP {wanted} is not there");
        }
    });
}

#[test]
fn a_capture_that_begins_late_sees_the_connections_that_were_there() {
    in_namespace(|| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("late.pcapng");
        let registrar = Registrar::start("fast", &[]);
        let mut command = program("cli", "rsp");
        command.args(["pe", "run", "--pool", "echo", "--listen", "127.0.0.1:0", "-o", "json", "--", "echo"]);
        command.env("RSERPOOL_PROFILE", "fast").env("RSERPOOL_CONFIG", "/dev/null");
        command.env("RSERPOOL_REGISTRARS", registrar.asap.to_string());
        let pe = Process::spawn(command);
        pe.line_where(|line| line.contains("registered"));
        // From here on there are only keep-alives, over the connection the PE registered on.
        let capture = start(&["-i", "any", "--seconds", "3"], &file);
        assert_eq!(capture.finish().code, Some(0));
        let asap: Vec<u8> = tshark::messages(&file).iter().flat_map(|frame| frame.asap.clone()).collect();
        assert!(asap.contains(&7) && asap.contains(&8), "{asap:?}");
    });
}

#[test]
fn full_files_are_kept_as_many_as_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("small.pcapng");
    let source = folder.path().join("large.pcap");
    large_capture(&source);
    let kept = |count: &str| {
        let output = rsp(&["capture", "-r", text(&source), "-w", text(&file), "--max-size", "1", "--keep", count]);
        assert!(output.status.success(), "{output:?}");
        let mut names: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with("small"))
            .collect();
        names.sort();
        names
    };
    assert_eq!(kept("0"), ["small.pcapng"]);
    let size = std::fs::metadata(&file).unwrap().len();
    assert!((1 << 20..(1 << 20) + 2048).contains(&size), "{size}");
    assert_eq!(kept("2"), ["small.pcapng", "small.pcapng.1", "small.pcapng.2"]);
    for name in ["small.pcapng", "small.pcapng.1", "small.pcapng.2"] {
        assert!(!decode(&folder.path().join(name)).is_empty(), "{name}");
    }
}

#[test]
fn an_interface_that_is_not_there_is_named_with_those_that_are() {
    let output = rsp(&["capture", "-i", "nowhere0", "-w", "/dev/null"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(errors.contains("nowhere0") && errors.contains("lo"), "{errors}");
}

fn start(args: &[&str], file: &Path) -> Process {
    let mut command = program("cli", "rsp");
    command.arg("capture").args(args).arg("-w").arg(file);
    let capture = Process::spawn(command);
    capture.wait_for_error("capturing on");
    capture
}

/// Ends a capture as a user does.
fn stop(capture: Process) {
    capture.signal(Signal::SIGINT);
    let end = capture.finish();
    assert_eq!(end.code, Some(0), "{}", end.errors);
    assert!(end.errors.contains("packets of ours"), "{}", end.errors);
    assert!(!end.errors.contains("passed over") && !end.errors.contains("not captured"), "{}", end.errors);
}

/// The names of the interfaces of a file.
fn interfaces(file: &Path) -> String {
    let mut names: Vec<String> = tshark::fields(file, "frame.interface_name");
    names.sort();
    names.dedup();
    names.join(",")
}

/// 3.5 MiB of messages.
fn large_capture(path: &Path) {
    let mut writer = net::capture::reframe::CaptureWriter::new(std::fs::File::create(path).unwrap()).unwrap();
    let (source, destination) = ("192.0.2.1:3863".parse().unwrap(), "192.0.2.2:40000".parse().unwrap());
    let mut cookie = vec![11, 0, 5, 0, 0, 13, 4, 252];
    cookie.resize(1280, 7);
    for _ in 0..2700 {
        let time = std::time::Duration::from_secs(1);
        writer.write(time, net::capture::Protocol::Asap, source, destination, &cookie).unwrap();
    }
    writer.finish().unwrap();
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
