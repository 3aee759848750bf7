// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp bench update`: how long until a change at one registrar has reached pool users that subscribed at the others.
//!
//! A pool element registers again and again at the first registrar, with another port each time, which subscribers hear of at once. The port they
//! are told says which change it was.

use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use rserpool::Profile;
use rsp_wire::asap::message_type::{HANDLE_RESOLUTION_RESPONSE, REGISTRATION_RESPONSE};
use rsp_wire::asap::{HandleResolution, Registration};
use rsp_wire::parameter::{Policy, PoolElement, Protocol, RegistrationLife, Transport, TransportUse, UserTransport};
use rsp_wire::{PeId, ServerId};

use super::client::{Client, Pace, Plan, Workload};
use super::cluster::{Cluster, Group};
use super::connection::Framing;
use super::options::Until;
use super::pe::dialect;
use super::report::{self, Report};
use super::template::{self, Template, pool_handle};
use crate::duration;
use crate::output::Output;

/// Measure how long a change at one registrar takes to reach subscribers at the others
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) group: Group,
    /// Changes a second
    #[arg(long, value_name = "PER_SECOND", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) rate: u32,
    /// How long to measure
    #[arg(short, long, value_parser = duration::parse, default_value = "5s")]
    pub(super) duration: Duration,
    /// How long to run before
    #[arg(long, value_parser = duration::parse, default_value = "1s")]
    pub(super) warmup: Duration,
    #[command(flatten)]
    pub(super) until: Until,
    /// How to print the result
    #[arg(short, long, value_enum, default_value_t)]
    pub(super) output: Output,
}

pub(super) fn run(args: &Args) -> Result<()> {
    report::print(&measure(args)?, args.output)
}

pub(super) fn measure(args: &Args) -> Result<Report> {
    let cluster = Cluster::start(&args.group)?;
    let mut client = Client::new()?;
    let [first, others @ ..] = cluster.servers() else { bail!("no registrar") };
    let active = client.open(1, first.address(), Framing::Mapping)?;
    let mut changes = Changes::new(&client, active.start, args.group.options.profile)?;
    client.run(&Plan::new(active.clone(), Pace::Closed { outstanding: 1 }), &mut changes, || {})?.check()?;

    // With one registrar its own subscribers are measured.
    let mut subscribers = client.connections().len()..client.connections().len();
    for server in if others.is_empty() { cluster.servers() } else { others } {
        subscribers.end = client.open(1, server.address(), Framing::Mapping)?.end;
    }
    subscribe(&mut client, subscribers.clone(), args.group.options.profile)?;
    changes.expect(subscribers);
    let pace = Pace::Open { per_second: args.rate };
    let plan = args.until.of(args.duration, Plan { warmup: args.warmup, ..Plan::new(active, pace) });
    report::run("update", first, &mut client, &plan, &mut changes)
}

/// Subscribes each of these connections to the pool, as soon as its registrar knows it.
fn subscribe(client: &mut Client, subscribers: Range<usize>, profile: Profile) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    for connection in subscribers {
        loop {
            let mut subscription = Subscription::new(profile)?;
            let plan = Plan::new(connection..connection + 1, Pace::Closed { outstanding: 1 });
            client.run(&plan, &mut subscription, || {})?.check()?;
            if subscription.accepted {
                break;
            }
            ensure!(Instant::now() < until, "a registrar doesn't learn of the pool: are they peers?");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    Ok(())
}

/// A resolution with the S bit.
#[derive(Debug)]
struct Subscription {
    request: Template,
    is_sent: bool,
    accepted: bool,
}

impl Subscription {
    fn new(profile: Profile) -> Result<Self> {
        let items = Some(HandleResolution::ALL_ITEMS);
        let resolution = HandleResolution { subscribe: true, pool_handle: pool_handle(0), items, unknown: Vec::new() };
        Ok(Subscription { request: Template::new(resolution, dialect(profile))?, is_sent: false, accepted: false })
    }
}

impl Workload for Subscription {
    fn request(&mut self, _connection: usize, _due: u64) -> Option<&[u8]> {
        (!std::mem::replace(&mut self.is_sent, true)).then(|| self.request.bytes())
    }

    fn answer(&mut self, _connection: usize, message: &[u8]) -> Result<(), &'static str> {
        self.accepted = match message {
            [HANDLE_RESOLUTION_RESPONSE, flags, ..] => flags & ACCEPT_UPDATES != 0,
            _ => return Err("no ASAP_HANDLE_RESOLUTION_RESPONSE"),
        };
        Ok(())
    }
}

/// Registrations of one pool element with ever another port.
#[derive(Debug)]
struct Changes {
    registration: Template,
    port: usize,
    /// Where changes are to be seen, and the last one seen there.
    subscribers: Range<usize>,
    seen: Vec<u16>,
    /// The last change, and when each one was due, by its port.
    last: u16,
    due: Vec<u64>,
}

impl Changes {
    fn new(client: &Client, connection: usize, profile: Profile) -> Result<Self> {
        let registration = Registration {
            pool_handle: pool_handle(0),
            pool_element: PoolElement {
                id: PeId(1),
                home: ServerId::NONE,
                life: RegistrationLife::INFINITE,
                user_transport: UserTransport::Ip(Transport {
                    protocol: Protocol::Tcp,
                    port: 1,
                    transport_use: TransportUse::DATA_ONLY,
                    addresses: [client.connections()[connection].local_ip()?].into_iter().collect(),
                }),
                policy: Policy::RoundRobin,
                asap_transport: None,
                unknown: Vec::new(),
            },
            unknown: Vec::new(),
        };
        let registration = Template::new(registration, dialect(profile))?;
        let port = registration.place_of(&TCP_TRANSPORT)? + 4;
        Ok(Changes { registration, port, subscribers: 0..0, seen: Vec::new(), last: 0, due: vec![0; 1 << 16] })
    }

    fn expect(&mut self, subscribers: Range<usize>) {
        self.seen = vec![self.last; subscribers.len()];
        self.subscribers = subscribers;
    }
}

impl Workload for Changes {
    const MEASURED_BY_UNASKED: bool = true;

    fn request(&mut self, _connection: usize, due: u64) -> Option<&[u8]> {
        // Before anybody subscribes, once.
        if self.subscribers.is_empty() && self.last != 0 {
            return None;
        }
        self.last = if self.last == u16::MAX { 1 } else { self.last + 1 };
        self.due[usize::from(self.last)] = due;
        Some(self.registration.set_u16(self.port, self.last).bytes())
    }

    fn answer(&mut self, _connection: usize, message: &[u8]) -> Result<(), &'static str> {
        if matches!(message, [REGISTRATION_RESPONSE, 0, ..]) { Ok(()) } else { Err("a registration was not accepted") }
    }

    fn unasked(&mut self, connection: usize, message: &[u8]) -> Result<u64, &'static str> {
        let subscriber = connection.checked_sub(self.subscribers.start).and_then(|place| self.seen.get_mut(place));
        let subscriber = subscriber.ok_or("a message nobody asked for")?;
        if !matches!(message, [HANDLE_RESOLUTION_RESPONSE, flags, ..] if flags & ACCEPT_UPDATES != 0) {
            return Err("an update without the A bit");
        }
        let place = template::find(message, &TCP_TRANSPORT).ok_or("an update without the pool element")? + 4;
        *subscriber = message.get(place..place + 2).map_or(0, |port| u16::from_be_bytes([port[0], port[1]]));
        Ok(self.due[usize::from(*subscriber)])
    }

    fn expected(&self) -> u64 {
        self.seen.iter().filter(|seen| **seen != self.last).count() as u64
    }
}

/// Type and length of a TCP Transport with one IPv4 address.
const TCP_TRANSPORT: [u8; 4] = [0, 5, 0, 16];

/// The A bit of ASAP_HANDLE_RESOLUTION_RESPONSE.
const ACCEPT_UPDATES: u8 = 1;

/// How long registrars may take to learn of a pool.
const PATIENCE: Duration = Duration::from_secs(20);
