// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp decode`: the ASAP and ENRP messages of a capture file.

mod json;
mod table;

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use net::capture::{CaptureReader, CapturedMessage, Protocol};
use rsp_wire::describe::{self, Described};

use crate::output::Output;

/// Show the ASAP and ENRP messages of a capture file
///
/// Reads pcap and pcapng with Ethernet, Linux cooked, null/loopback or raw IP frames, and finds messages in SCTP, SCTP over
/// UDP, the TCP mapping (on any port), plain TCP on port 3863, and UDP on ports 3863 and 9901.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How to print: a line for each message in every form
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
    /// The capture file, - for standard input
    file: PathBuf,
}

/// Prints message by message, so that a capture may be larger than memory.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let file = args.file.display();
    let path = if args.file.as_os_str() == "-" { Path::new("/dev/stdin") } else { &args.file };
    let mut reader = CaptureReader::open(path).with_context(|| format!("cannot decode {file}"))?;
    let mut out = BufWriter::new(io::stdout().lock());
    match print(&mut reader, args.output, &mut out) {
        // Whoever reads our output has seen enough.
        Err(Stopped::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
        Err(Stopped::Output(error)) => return Err(error).context("cannot print"),
        result => {
            for note in reader.skipped().notes() {
                eprintln!("rsp: {file}: passed over {note}");
            }
            result.with_context(|| format!("cannot decode all of {file}"))?;
        }
    }
    Ok(())
}

fn print(reader: &mut CaptureReader<std::fs::File>, output: Output, out: &mut impl Write) -> Result<(), Stopped> {
    let mut first = None;
    let result = reader.try_for_each(|message| {
        let message = message?;
        let described = describe(&message);
        match output {
            Output::Table => {
                let first = *first.get_or_insert(message.time);
                table::print(out, &message, &described, first)?;
            }
            Output::Json | Output::Jsonl => json::print(out, &message, &described)?,
        }
        Ok(())
    });
    out.flush()?;
    result
}

fn describe(message: &CapturedMessage) -> Described {
    let protocol = match message.protocol {
        Protocol::Asap => describe::Protocol::Asap,
        Protocol::Enrp => describe::Protocol::Enrp,
    };
    rsp_wire::describe(&message.bytes, protocol)
}

/// Why not all messages were printed.
#[derive(Debug, thiserror::Error)]
enum Stopped {
    #[error(transparent)]
    Capture(#[from] net::capture::CaptureError),
    #[error(transparent)]
    Output(#[from] io::Error),
}
