// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp bench echo`: the loopback's own limit. A server that only counts bytes and writes as many answers, under the same client.

use std::io::{self, Read, Write};

use anyhow::Result;
use bytes::Bytes;
use machine::association::{Event, Protocol, Token};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll};
use net::TransportChoice;

use super::associations::{Associations, options};
use super::client::{Client, Workload};
use super::connection::Framing;
use super::options::{Load, Pin};
use super::report::{self, Report};
use super::server::Server;
use crate::block_on;

/// Measure a server that does nothing, as the limit of this machine
///
/// Requests and answers have the lengths of ASAP_HANDLE_RESOLUTION and a response with three pool elements.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) load: Load,
    #[command(flatten)]
    pub(super) pin: Pin,
    /// What carries the load: tcp, sctp-udp or sctp
    #[arg(long, default_value_t = TransportChoice::Tcp, conflicts_with = "rate")]
    pub(super) transport: TransportChoice,
}

/// The server's process.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ServerArgs {
    #[arg(long, default_value_t = TransportChoice::Tcp)]
    transport: TransportChoice,
}

pub(super) fn run(args: &Args) -> Result<()> {
    report::print(&measure(args)?, args.load.output)
}

pub(super) fn measure(args: &Args) -> Result<Report> {
    let server = Server::echo(args.pin.cpus, args.transport)?;
    if args.transport != TransportChoice::Tcp {
        let before = server.usage();
        let mut associations = Associations::open(args.transport, args.load.connections, server.address())?;
        let mut report = report::measure_over_sctp("echo", &server, &mut associations, &args.load, Echo)?;
        report.since(before);
        return Ok(report);
    }
    let mut client = Client::new()?;
    let active = client.open(args.load.connections, server.address(), Framing::Fixed(ANSWER))?;
    report::measure("echo", &server, &mut client, &args.load, active, &mut Echo)
}

#[derive(Debug)]
struct Echo;

impl Workload for Echo {
    fn request(&mut self, _connection: usize, _due: u64) -> Option<&[u8]> {
        Some(&[b'q'; REQUEST])
    }

    fn answer(&mut self, _connection: usize, message: &[u8]) -> Result<(), &'static str> {
        if message[0] == b'a' { Ok(()) } else { Err("no answer of the echo server") }
    }
}

/// The server's process: prints its address, and serves for as long as whoever started it lives.
pub(super) fn serve(args: &ServerArgs) -> Result<()> {
    std::thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    match args.transport {
        TransportChoice::Tcp => serve_tcp(),
        transport => block_on(serve_sctp(transport)),
    }
}

async fn serve_sctp(transport: TransportChoice) -> Result<()> {
    let transports = transport.start(None)?;
    let listener = transports.bind(Protocol::Sctp, &["127.0.0.1:0".parse()?], options())?;
    crate::output::print(&listener.local_addr().to_string())?;
    loop {
        let mut association = listener.accept().await;
        tokio::spawn(async move {
            loop {
                match association.next().await {
                    Event::Message { sequence, stream, ppid, .. } => {
                        association.taken(sequence);
                        // A client that is gone has no use for it.
                        let _ = association.send(stream, ppid, false, Token(0), Bytes::from_static(&[b'a'; ANSWER]));
                    }
                    Event::Lost(_) => return,
                    _ => {}
                }
            }
        });
    }
}

fn serve_tcp() -> Result<()> {
    let mut listener = TcpListener::bind("127.0.0.1:0".parse()?)?;
    crate::output::print(&listener.local_addr()?.to_string())?;
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut clients: Vec<Option<Served>> = Vec::new();
    let mut buffer = vec![0; 1 << 20];
    let answers = vec![b'a'; 1 << 20];
    let mut events = Events::with_capacity(256);
    loop {
        poll.poll(&mut events, None)?;
        for event in events.iter() {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true)?;
                    poll.registry().register(&mut stream, mio::Token(clients.len()), Interest::READABLE)?;
                    clients.push(Some(Served { stream, pending: 0 }));
                }
            } else if let Some(client) = clients.get_mut(event.token().0)
                && client.as_mut().is_none_or(|client| client.serve(&mut buffer, &answers).is_err())
            {
                *client = None;
            }
        }
    }
}

struct Served {
    stream: TcpStream,
    /// Bytes of a request that is not whole.
    pending: usize,
}

impl Served {
    fn serve(&mut self, buffer: &mut [u8], answers: &[u8]) -> io::Result<()> {
        let count = match self.stream.read(buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        self.pending += count;
        let mut left = self.pending / REQUEST * ANSWER;
        self.pending %= REQUEST;
        while left > 0 {
            match self.stream.write(&answers[..left.min(answers.len())]) {
                Ok(count) => left -= count,
                // The client takes what it has asked for: it is about to read.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::yield_now(),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

const LISTENER: mio::Token = mio::Token(usize::MAX);

const REQUEST: usize = 40;
const ANSWER: usize = 150;
