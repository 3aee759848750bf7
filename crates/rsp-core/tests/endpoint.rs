// SPDX-License-Identifier: MIT OR Apache-2.0
//! `tests/scripts/endpoint/*`: dialogues between an endpoint, its application and scripted registrars, in virtual time.
//!
//! `UPDATE_GOLDENFILES=1 cargo test -p rsp-core --test endpoint` writes what happens into the scripts; read the diff.
//!
//! Registrars are called a to z and live at 10.0.0.1 to 10.0.0.26, port 3863; PE n is at 10.1.0.n:7000. Associations are
//! named by their number: even ones are the endpoint's, odd ones a registrar has opened.
//!
//! | the application | |
//! |---|---|
//! | `endpoint [profile=P] [registrars=a/b] [seed=N] [transports=tcp/sctp] [cached-pools=N] [cache-items=N] [control-bytes=N]` | a new endpoint; first line of each script |
//! | `register R POOL pe=N [life=SECONDS] [policy=RR] [at=IP] [asap]` | `asap`: with an ASAP transport on the same address |
//! | `update R [policy=P] [at=IP]`, `deregister R` | |
//! | `resolve Q POOL [items=N] [fresh]`, `select Q POOL [avoid=N/N] [offers=sctp/tcp]`, `cancel Q` | |
//! | `watch POOL`, `unwatch POOL`, `report POOL N` | |
//!
//! | the registrars | |
//! |---|---|
//! | `up A`, `refuse A`, `lost A`, `accept A from=b`, `delivered A TOKEN`, `undelivered A TOKEN`, `pause A` | |
//! | `granted A POOL N [warning]`, `rejected A POOL N [CAUSE]`, `removed A POOL N [CAUSE]` | answers to registrations and deregistrations |
//! | `pool A POOL [pes=1/2] [policy=P/P] [over=tcp] [updates]`, `unknown A POOL`, `refused A POOL CAUSE` | answers to resolutions, and updates |
//! | `keep-alive A POOL server=N [home] [pe=N]`, `error A CAUSE`, `raw A HEX`, `ppid A NUMBER` | |
//! | `announce from=b server=N [tcp=b/c] [sctp=d]`, `garbage from=b HEX` | datagrams on the announcement channel |
//!
//! `wait 5s`, `wait 20ms`: virtual time passes.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use machine::{Machine, Output, Time};
use rsp_core::association::{self, AssociationId, LostReason, Mapping, Peer, PeerIdentity, Protocol, Request, Token};
use rsp_core::config::{EndpointSettings, Profile};
use rsp_core::endpoint::{
    Command, Effect, Endpoint, Freshness, Input, Life, Pool, Register, RegistrarAddress, RegistrationId, Reply,
    RequestId,
};
use rsp_core::offer::Offer;
use rsp_core::{PPID_ASAP, PPID_ENRP};
use rsp_wire::asap::{self, Message};
use rsp_wire::parameter::{
    self, ErrorCause, OperationError, Policy, PoolElement, RegistrationLife, Transport, TransportUse, UserTransport,
};
use rsp_wire::{Dialect, PeId, PoolHandle, ServerId};

#[test]
fn every_dialogue_goes_as_its_script_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts/endpoint");
    let mut scripts: Vec<_> = std::fs::read_dir(&folder)
        .expect("the folder is part of the repository")
        .map(|entry| entry.expect("readable").path())
        .collect();
    scripts.sort();
    assert!(scripts.len() >= 50, "{} scripts", scripts.len());
    let run = |script: &Path| goldenscript::run(&mut Runner::new(), script).map_err(|error| (script.to_owned(), error));
    let broken: Vec<_> = scripts.iter().filter_map(|script| run(script).err()).collect();
    assert!(broken.is_empty(), "{broken:#?}");
}

type Anything<T> = Result<T, Box<dyn Error>>;

struct Runner {
    endpoint: Endpoint,
    now: Time,
    deadline: Option<Time>,
    /// Where each association goes to.
    peers: HashMap<u64, SocketAddr>,
    sequences: BTreeMap<u64, u64>,
}

impl Runner {
    fn new() -> Self {
        let endpoint = Endpoint::new(EndpointSettings::of(Profile::Standard), Vec::new(), 1);
        Runner { endpoint, now: Time::ZERO, deadline: None, peers: HashMap::new(), sequences: BTreeMap::new() }
    }

    fn start(&mut self, arguments: &mut Arguments<'_>) -> Anything<String> {
        let mut settings = EndpointSettings::of(arguments.key_or("profile", "standard").parse()?);
        if let Some(protocols) = arguments.key("transports") {
            settings.protocols =
                protocols.split('/').map(|name| if name == "sctp" { Protocol::Sctp } else { Protocol::Tcp }).collect();
        }
        if let Some(max) = arguments.key("cached-pools") {
            settings.max_cached_pools = max.parse()?;
        }
        if let Some(bytes) = arguments.key("control-bytes") {
            settings.max_control_bytes = bytes.parse()?;
        }
        if let Some(items) = arguments.key("cache-items") {
            settings.cache_items = items.parse()?;
        }
        let names = arguments.key_or("registrars", "a");
        let registrars = names
            .split('/')
            .filter(|name| *name != "none")
            .flat_map(|name| {
                settings.protocols.iter().map(|it| RegistrarAddress::over(*it, registrar(name))).collect::<Vec<_>>()
            })
            .collect();
        self.endpoint = Endpoint::new(settings, registrars, arguments.key_or("seed", "1").parse()?);
        Ok(String::new())
    }

    fn command(&mut self, command: Command) -> Anything<String> {
        self.input(Input::Command(command))
    }

    fn association(&mut self, id: u64, event: association::Event) -> Anything<String> {
        self.input(Input::Association(AssociationId(id), event))
    }

    fn up(&mut self, id: u64, from: SocketAddr) -> Anything<String> {
        self.peers.insert(id, from);
        let peer = Peer {
            addresses: [from].into_iter().collect(),
            local: SocketAddr::from(([10, 9, 0, 1], 50000)),
            mapping: Mapping::Tcp,
            max_message: 65_455,
            identity: PeerIdentity::Anonymous,
            local_addresses: Default::default(),
            own_heartbeat: true,
        };
        self.association(id, association::Event::Up(peer))
    }

    fn message(&mut self, id: u64, message: impl Into<Message>) -> Anything<String> {
        let data = message.into().to_bytes(Dialect::STANDARD)?;
        self.raw(id, PPID_ASAP, data)
    }

    /// Each message must be taken exactly once.
    fn raw(&mut self, id: u64, ppid: u32, data: Bytes) -> Anything<String> {
        let sequence = self.sequences.entry(id).or_default();
        *sequence += 1;
        let sequence = *sequence;
        let event = association::Event::Message { sequence, stream: 0, ppid, unordered: false, data };
        let output = self.association(id, event)?;
        let taken = format!("#{id} takes {sequence}\n");
        match output.matches(&taken).count() {
            1 => Ok(output.replace(&format!("{} {taken}", self.now), "")),
            n => Err(format!("message {sequence} was taken {n} times").into()),
        }
    }

    fn input(&mut self, input: Input) -> Anything<String> {
        self.endpoint.handle_input(input, self.now);
        self.drain()
    }

    fn wait(&mut self, duration: Duration) -> Anything<String> {
        let (end, mut output) = (self.now + duration, String::new());
        for _ in 0..10_000 {
            let Some(next) = self.deadline.filter(|next| *next <= end) else {
                self.now = end;
                return Ok(output);
            };
            if next < self.now {
                return Err(format!("a deadline in the past: {next}").into());
            }
            self.now = next;
            self.endpoint.handle_timeout(next);
            output += &self.drain()?;
        }
        Err("time does not pass".into())
    }

    fn drain(&mut self) -> Anything<String> {
        let mut output = String::new();
        loop {
            match self.endpoint.poll_output() {
                Output::Effect(effect) => {
                    write!(output, "{} ", self.now)?;
                    self.show(&mut output, effect)?;
                }
                Output::Wait(deadline) => {
                    self.deadline = deadline;
                    return Ok(output);
                }
            }
        }
    }

    fn show(&mut self, output: &mut String, effect: Effect) -> Anything<()> {
        match effect {
            Effect::Association(AssociationId(id), request) => match request {
                Request::Connect { protocol, to } => {
                    self.peers.insert(id, to[0]);
                    writeln!(output, "#{id} connect {protocol:?} {}", list(to.iter()))?;
                }
                Request::Send { ppid, token: Token(token), data, .. } => {
                    assert_eq!(ppid, PPID_ASAP);
                    let message = Message::decode(&data)?.message;
                    write!(output, "#{id} -> {message}")?;
                    match message {
                        Message::EndpointUnreachable(_) => writeln!(output, " (token {token})")?,
                        _ => writeln!(output)?,
                    }
                }
                Request::Taken { sequence } => writeln!(output, "#{id} takes {sequence}")?,
                Request::Close => writeln!(output, "#{id} close")?,
                Request::Abort => writeln!(output, "#{id} abort")?,
                other => writeln!(output, "#{id} {other:?}")?,
            },
            Effect::Event(event) => writeln!(output, "event: {event}")?,
            Effect::Reply(reply) => writeln!(output, "reply: {}", shown(&reply))?,
        }
        Ok(())
    }
}

impl goldenscript::Runner for Runner {
    type Command = goldenscript::Command;

    fn run(&mut self, command: &goldenscript::Command, _: &goldenscript::Context) -> Anything<String> {
        let mut arguments = Arguments(command.consume_args());
        let a = &mut arguments;
        let output = match command.name.as_str() {
            "endpoint" => self.start(a)?,
            "wait" => self.wait(duration(a.word()?)?)?,

            "register" => {
                let (registration, pool, pe) =
                    (RegistrationId(a.number()?), a.word()?.into(), a.key_or("pe", "1").parse()?);
                let life = match a.key_or("life", "120") {
                    "infinite" => Life::Infinite,
                    seconds => Life::For(Duration::from_secs_f64(seconds.parse()?)),
                };
                let (policy, user_transport) = (policy(a.key_or("policy", "RR"))?, user_transport(pe, a.key("at"))?);
                let asap_transport = match (&user_transport, a.flag("asap")) {
                    (UserTransport::Ip(transport), true) => Some(transport.clone()),
                    _ => None,
                };
                let pe_id = PeId(pe);
                let register = Register { registration, pool, pe_id, life, policy, user_transport, asap_transport };
                self.command(Command::Register(register))?
            }
            "update" => {
                let registration = RegistrationId(a.number()?);
                let policy = a.key("policy").map(policy).transpose()?;
                let user_transport = a.key("at").map(|ip| user_transport(1, Some(ip))).transpose()?;
                self.command(Command::Update { registration, policy, user_transport })?
            }
            "deregister" => self.command(Command::Deregister { registration: RegistrationId(a.number()?) })?,
            "resolve" => {
                let (request, pool) = (RequestId(a.number()?), a.word()?.into());
                let items = a.key_or("items", "4294967295").parse()?;
                let freshness = if a.flag("fresh") { Freshness::Fresh } else { Freshness::Cached };
                self.command(Command::Resolve { request, pool, items, freshness })?
            }
            "select" => {
                let (request, pool) = (RequestId(a.number()?), a.word()?.into());
                let avoid = a.key("avoid").map(numbers).transpose()?.unwrap_or_default();
                let offer = |name| match name {
                    "sctp" => Offer::Sctp,
                    "tcp" => Offer::Tcp,
                    _ => Offer::None,
                };
                let offers = a.key("offers").map(|names| names.split('/').map(offer).collect()).unwrap_or_default();
                self.command(Command::Select { request, pool, avoid: avoid.into_iter().map(PeId).collect(), offers })?
            }
            "cancel" => self.command(Command::Cancel { request: RequestId(a.number()?) })?,
            "watch" => self.command(Command::Watch { pool: a.word()?.into() })?,
            "unwatch" => self.command(Command::Unwatch { pool: a.word()?.into() })?,
            "report" => self.command(Command::Report { pool: a.word()?.into(), pe_id: PeId(a.number()? as u32) })?,

            "up" => {
                let id = a.number()?;
                let peer = *self.peers.get(&id).ok_or("no such association")?;
                self.up(id, peer)?
            }
            "accept" => {
                let (id, from) = (a.number()?, SocketAddr::new(registrar(a.key_or("from", "a")).ip(), 40000));
                self.up(id, from)?
            }
            "refuse" => self.association(a.number()?, association::Event::Lost(LostReason::Refused))?,
            "lost" => self.association(a.number()?, association::Event::Lost(LostReason::Reset))?,
            "pause" => self.association(a.number()?, association::Event::Paused)?,
            "delivered" => self.association(a.number()?, association::Event::Delivered(Token(a.number()?)))?,
            "undelivered" => self.association(a.number()?, association::Event::Undelivered(Token(a.number()?)))?,

            "granted" | "rejected" => {
                let (id, pool_handle, pe_id) = (a.number()?, a.word()?.into(), PeId(a.number()? as u32));
                let error = a.next().map(cause).transpose()?;
                let reject = command.name == "rejected";
                self.message(id, asap::RegistrationResponse { reject, pool_handle, pe_id, error, unknown: vec![] })?
            }
            "removed" => {
                let (id, pool_handle, pe_id) = (a.number()?, a.word()?.into(), PeId(a.number()? as u32));
                let error = a.next().map(cause).transpose()?;
                self.message(id, asap::DeregistrationResponse { pool_handle, pe_id, error, unknown: vec![] })?
            }
            "pool" => {
                let (id, pool_handle) = (a.number()?, PoolHandle::from(a.word()?));
                let policies = policies(a.key_or("policy", "RR"))?;
                let pes = a.key("pes").map(numbers).transpose()?.unwrap_or_default();
                let each = policies.iter().chain(std::iter::repeat(&policies[policies.len() - 1]));
                let over = match a.key("over") {
                    Some("sctp") => Some(parameter::Protocol::Sctp),
                    Some("tcp") => Some(parameter::Protocol::Tcp),
                    _ => None,
                };
                let mut pool_elements: Vec<_> =
                    pes.into_iter().zip(each).map(|(pe, policy)| element(pe, policy)).collect();
                for element in &mut pool_elements {
                    if let (Some(over), UserTransport::Ip(transport)) = (over, &mut element.user_transport) {
                        (transport.protocol, transport.transport_use) = (over, TransportUse::DATA_PLUS_CONTROL);
                    }
                }
                let policy = Some(policies[0].clone()).filter(|policy| *policy != Policy::RoundRobin);
                let accept_updates = a.flag("updates");
                let error = None;
                self.message(
                    id,
                    asap::HandleResolutionResponse {
                        accept_updates,
                        pool_handle,
                        policy,
                        pool_elements,
                        error,
                        unknown: vec![],
                    },
                )?
            }
            "unknown" | "refused" => {
                let (id, pool_handle) = (a.number()?, PoolHandle::from(a.word()?));
                let error = Some(cause(a.next().unwrap_or("unknown-pool"))?);
                self.message(
                    id,
                    asap::HandleResolutionResponse {
                        accept_updates: false,
                        pool_handle,
                        policy: None,
                        pool_elements: vec![],
                        error,
                        unknown: vec![],
                    },
                )?
            }
            "keep-alive" => {
                let (id, pool_handle) = (a.number()?, a.word()?.into());
                let server_id = ServerId(a.key_or("server", "0").parse()?);
                let pe_id = a.key("pe").map(str::parse).transpose()?.map(PeId);
                let home = a.flag("home");
                self.message(id, asap::EndpointKeepAlive { home, server_id, pool_handle, pe_id, unknown: vec![] })?
            }
            "error" => {
                let (id, error) = (a.number()?, cause(a.word()?)?);
                self.message(id, asap::Error { error, unknown: vec![] })?
            }
            "raw" => self.raw(a.number()?, PPID_ASAP, hex(a.word()?)?)?,
            "ppid" => self.raw(a.number()?, PPID_ENRP, Bytes::from_static(b"anything"))?,
            "announce" => {
                let (from, server_id) = (registrar(a.key_or("from", "a")), ServerId(a.key_or("server", "1").parse()?));
                let mut transports = vec![];
                for (key, protocol) in [("tcp", parameter::Protocol::Tcp), ("sctp", parameter::Protocol::Sctp)] {
                    for name in a.key(key).iter().flat_map(|names| names.split('/')) {
                        transports.push(transport(protocol, registrar(name)));
                    }
                }
                let announce = asap::ServerAnnounce { server_id, transports: transports.into(), unknown: vec![] };
                let data = Message::from(announce).to_bytes(Dialect::STANDARD)?;
                self.input(Input::Announcement { from, data })?
            }
            "garbage" => {
                let from = registrar(a.key_or("from", "a"));
                self.input(Input::Announcement { from, data: hex(a.word()?)? })?
            }
            name => return Err(format!("unknown command {name}").into()),
        };
        arguments.0.reject_next()?;
        Ok(output)
    }
}

fn shown(reply: &Reply) -> String {
    match reply {
        Reply::Registered { registration, home, warning, first } => {
            let warning = warning.as_ref().map_or(String::new(), |warning| format!(", warning: {warning}"));
            format!(
                "{} registered at {home}{}{warning}",
                registration.0,
                if *first { " for the first time" } else { "" }
            )
        }
        Reply::RegistrationFailed { registration, error, ended } => {
            format!("{} failed{}: {error}", registration.0, if *ended { " for good" } else { "" })
        }
        Reply::Unregistered { registration } => format!("{} unregistered", registration.0),
        Reply::Deregistered { registration, error: None } => format!("{} deregistered", registration.0),
        Reply::Deregistered { registration, error: Some(error) } => {
            format!("{} deregistered without answer: {error}", registration.0)
        }
        Reply::Resolved { request, result: Ok(resolution) } => {
            let stale = if resolution.stale { ", stale" } else { "" };
            format!("{} resolved: {}{stale}", request.0, shown_pool(&resolution.pool))
        }
        Reply::Selected { request, pool, result: Ok(pe) } => format!("{} selected {} of {pool}", request.0, pe.id.0),
        Reply::Resolved { request, result: Err(error) } | Reply::Selected { request, result: Err(error), .. } => {
            format!("{} failed: {error}", request.0)
        }
        Reply::PoolChanged { pool, gone } => {
            format!("{}{}", if *gone { "gone: " } else { "changed: " }, shown_pool(pool))
        }
    }
}

fn shown_pool(pool: &Pool) -> String {
    let all = if pool.complete { "" } else { ", there may be more" };
    format!("{} ({}) with {}{all}", pool.handle, pool.policy, list(pool.elements.iter().map(|pe| pe.id.0)))
}

fn list<T: ToString>(items: impl Iterator<Item = T>) -> String {
    let items: Vec<String> = items.map(|item| item.to_string()).collect();
    if items.is_empty() { "nobody".into() } else { items.join(", ") }
}

/// Consumes a command's arguments.
struct Arguments<'a>(goldenscript::ArgumentConsumer<'a>);

impl<'a> Arguments<'a> {
    fn next(&mut self) -> Option<&'a str> {
        self.0.next_pos()
    }

    fn word(&mut self) -> Anything<&'a str> {
        self.next().ok_or_else(|| "an argument is missing".into())
    }

    fn number(&mut self) -> Anything<u64> {
        Ok(self.word()?.parse()?)
    }

    fn key(&mut self, key: &str) -> Option<&'a str> {
        self.0.take_key(key)
    }

    fn key_or(&mut self, key: &str, default: &'a str) -> &'a str {
        self.key(key).unwrap_or(default)
    }

    /// Whether this word is there, the last of the line.
    fn flag(&mut self, name: &str) -> bool {
        self.next().is_some_and(|word| {
            assert_eq!(word, name, "unknown word");
            true
        })
    }
}

fn registrar(name: &str) -> SocketAddr {
    let number = name.bytes().next().map_or(0, |letter| letter.wrapping_sub(b'a').wrapping_add(1));
    SocketAddr::from(([10, 0, 0, number], 3863))
}

fn transport(protocol: parameter::Protocol, address: SocketAddr) -> Transport {
    Transport {
        protocol,
        port: address.port(),
        transport_use: TransportUse::DATA_PLUS_CONTROL,
        addresses: [address.ip()].into_iter().collect(),
    }
}

fn user_transport(pe: u32, at: Option<&str>) -> Anything<UserTransport> {
    let ip = match at {
        Some(ip) => ip.parse()?,
        None => IpAddr::V4(Ipv4Addr::new(10, 1, 0, pe as u8)),
    };
    Ok(UserTransport::Ip(transport(parameter::Protocol::Tcp, SocketAddr::new(ip, 7000))))
}

fn element(pe: u32, policy: &Policy) -> PoolElement {
    PoolElement {
        id: PeId(pe),
        home: ServerId(1),
        life: RegistrationLife(120),
        user_transport: user_transport(pe, None).expect("an address"),
        policy: policy.clone(),
        asap_transport: None,
        unknown: vec![],
    }
}

/// `RR`, `WRR-5`, `LU-30` (%)
fn policy(text: &str) -> Anything<Policy> {
    let (name, value) = text.split_once('-').unwrap_or((text, "0"));
    let value: u32 = value.parse()?;
    Ok(match name {
        "RR" => Policy::RoundRobin,
        "WRR" => Policy::WeightedRoundRobin { weight: value },
        "PRIO" => Policy::Priority { priority: value },
        "LU" => Policy::LeastUsed { load: value * (u32::MAX / 100) },
        _ => return Err(format!("unknown policy {text}").into()),
    })
}

fn policies(text: &str) -> Anything<Vec<Policy>> {
    text.split('/').map(policy).collect()
}

fn numbers(text: &str) -> Anything<Vec<u32>> {
    text.split('/').map(|number| Ok(number.parse()?)).collect()
}

fn cause(name: &str) -> Anything<OperationError> {
    let cause = match name {
        "warning" | "unspecified" => ErrorCause::Unspecified,
        "not-unique" => ErrorCause::NonUniquePeIdentifier,
        "policy" => ErrorCause::InconsistentPoolPolicy(Some(Policy::Random)),
        "resources" => ErrorCause::LackOfResources,
        "unknown-pool" => ErrorCause::UnknownPoolHandle,
        "security" => ErrorCause::RejectedDueToSecurityConsiderations,
        _ => return Err(format!("unknown cause {name}").into()),
    };
    Ok(OperationError([cause].into_iter().collect()))
}

fn duration(text: &str) -> Anything<Duration> {
    match text.strip_suffix("ms") {
        Some(ms) => Ok(Duration::from_millis(ms.parse()?)),
        None => Ok(Duration::from_secs_f64(text.trim_end_matches('s').parse()?)),
    }
}

fn hex(text: &str) -> Anything<Bytes> {
    let text = text.replace(' ', "");
    (0..text.len()).step_by(2).map(|i| Ok(u8::from_str_radix(text.get(i..i + 2).ok_or("odd hex")?, 16)?)).collect()
}
