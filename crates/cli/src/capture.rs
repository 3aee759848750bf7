// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp capture`: our own traffic as a file that Wireshark reads.

mod file;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use net::capture::{FrameReader, Limits, LiveCapture, LiveError, Recorder};
use tokio::time::Instant;

use crate::exit::Exit;
use crate::stop::Stop;
use file::{Sink, Target};

/// Write our own traffic to a pcapng file that Wireshark and tshark read
///
/// What is SCTP is written as it is, also over UDP 9899; on other UDP ports the UDP header is left out, and its ports are in the comments
/// of the packets. What the TCP mapping carries is written as SCTP, with its payload protocol identifiers, and says so there too. Wireshark shows ASAP and ENRP then without being told anything. Other
/// traffic is left out.
///
/// A connection in the TCP mapping is recognised by its beginning, or, if that is not in the capture, by the next segment that begins
/// with a chunk.
#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("from").required(true))]
pub(crate) struct Args {
    /// Capture on this interface, e.g. lo or eth0, or on any; takes CAP_NET_RAW
    #[arg(short, long, group = "from")]
    interface: Option<String>,
    /// Read this capture file instead, pcap or pcapng
    #[arg(short, long, group = "from", value_name = "FILE")]
    read: Option<PathBuf>,
    /// The file to write; - is standard output
    #[arg(short, long, value_name = "FILE")]
    write: PathBuf,
    /// Only what has this port on one side, be it of TCP, UDP or SCTP; may be given several times
    #[arg(long)]
    port: Vec<u16>,
    /// End after so many seconds
    #[arg(long, value_name = "N", conflicts_with = "read")]
    seconds: Option<u64>,
    /// End when the file has this size in MiB, or begin the next one
    #[arg(long, value_name = "MIB", default_value_t = 1024, value_parser = clap::value_parser!(u64).range(1..))]
    max_size: u64,
    /// Keep so many full files besides the one being written, as FILE.1 (the newest), FILE.2 and so on
    #[arg(long, value_name = "N", default_value_t = 0)]
    keep: u32,
}

pub(crate) async fn run(args: &Args) -> Result<()> {
    let target = Target::new(&args.write, args.max_size << 20, args.keep);
    match (&args.interface, &args.read) {
        (Some(interface), _) => live(args, target, interface).await,
        (None, Some(file)) if target.is(file) => {
            let why = anyhow!("-w names the file that is read, which would be lost: name another one");
            Err(why.context(Exit::Usage))
        }
        (None, Some(file)) => {
            let frames = FrameReader::open(file).with_context(|| format!("cannot read {}", file.display()))?;
            from_file(args, target, frames).with_context(|| format!("cannot capture from {}", file.display()))
        }
        (None, None) => unreachable!("clap asks for one of them"),
    }
}

async fn live(args: &Args, mut target: Target, interface: &str) -> Result<()> {
    let mut stop = Stop::catch()?;
    let mut capture = LiveCapture::open(interface).map_err(|error| match error {
        LiveError::NotAllowed => anyhow::Error::new(error).context(Exit::Denied),
        LiveError::NoInterface { .. } => anyhow::Error::new(error).context(Exit::Usage),
        error => anyhow::Error::new(error).context(format!("cannot capture on {interface}")),
    })?;
    let mut recorder = Recorder::new(target.create()?, args.port.clone(), &LIMITS)?;
    let end = args.seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let until = if end.is_some() { "until its time is up" } else { "until interrupted" };
    eprintln!("rsp: capturing on {interface} into {}, {until}", target.name());
    loop {
        // Signals and the end have their turn even if packets never end.
        let mut more = true;
        for _ in 0..PACKETS_AT_ONCE {
            let Some(frame) = capture.try_next().with_context(|| format!("cannot capture on {interface}"))? else {
                more = false;
                break;
            };
            recorder.record(&frame).with_context(|| target.cannot_write())?;
            if !target.make_room(&mut recorder)? {
                return end_of(&mut recorder, &target, capture.dropped());
            }
        }
        recorder.flush().with_context(|| target.cannot_write())?;
        tokio::select! {
            biased;
            _ = stop.asked() => break,
            () = wait_until(end) => break,
            () = std::future::ready(()), if more => {}
            readable = capture.readable() => readable?,
        }
    }
    end_of(&mut recorder, &target, capture.dropped())
}

fn from_file<R: std::io::Read>(args: &Args, mut target: Target, mut frames: FrameReader<R>) -> Result<()> {
    let mut recorder = Recorder::new(target.create()?, args.port.clone(), &LIMITS)?;
    let result = loop {
        match frames.next_frame() {
            Ok(Some(frame)) => recorder.record(&frame).with_context(|| target.cannot_write())?,
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
        if !target.make_room(&mut recorder)? {
            break Ok(());
        }
    };
    // What could be read is sound, whatever follows.
    end_of(&mut recorder, &target, 0)?;
    Ok(result?)
}

/// Tells what was written and what was not.
fn end_of(recorder: &mut Recorder<Sink>, target: &Target, dropped: u64) -> Result<()> {
    if dropped > 0 {
        eprintln!("rsp: {dropped} packets were not captured: the system had no room for them");
    }
    recorder.finish().with_context(|| target.cannot_write())?;
    for note in recorder.skipped().notes() {
        eprintln!("rsp: passed over {note}");
    }
    eprintln!(
        "rsp: {} packets of ours in {} frames, written to {}",
        recorder.packets(),
        recorder.frames(),
        target.name()
    );
    Ok(())
}

async fn wait_until(end: Option<Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end).await,
        None => std::future::pending().await,
    }
}

/// A host may have very many connections.
const LIMITS: Limits = Limits { frame: 262_144, flows: 65_536, bytes_per_flow: 256 * 1024 };

const PACKETS_AT_ONCE: usize = 1024;
