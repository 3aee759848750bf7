// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the commands of a script do, and how the registrar's answers are written.

use std::error::Error;
use std::fmt::Write;
use std::time::Duration;

use bytes::Bytes;
use goldenscript::{Command, Context, Runner};
use machine::Time;
use machine::association::{self, AssociationId, LostReason, Mapping, Peer, PeerIdentity, Request};
use rsp_core::registrar::{Channel, Effect, Event, Input};
use rsp_core::{PPID_ASAP, PPID_ENRP};
use rsp_wire::asap::{
    Deregistration, EndpointKeepAliveAck, EndpointUnreachable, HandleResolution, Message, Registration, ServerAnnounce,
    message_type,
};
use rsp_wire::{Dialect, ServerId};
use sim::registrar_harness::{Effects, RegistrarHarness};
use smallvec::smallvec;

use crate::arguments::Arguments;
use crate::enrp::{self, Registrars};
use crate::views;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// One dialogue.
#[derive(Default)]
pub(crate) struct Script {
    harness: Option<RegistrarHarness>,
    /// There is ENRP in it: the registrar was given an identifier.
    enrp: bool,
    registrars: Registrars,
}

impl Runner for Script {
    type Command = Command;

    fn run(&mut self, command: &Command, _: &Context) -> Result<String> {
        let mut arguments = Arguments::of(command);
        let output = self.command(&command.name, &mut arguments)?;
        arguments.end()?;
        Ok(output)
    }
}

impl Script {
    fn command(&mut self, name: &str, arguments: &mut Arguments<'_>) -> Result<String> {
        if name == "settings" {
            return self.begin(arguments);
        }
        let started = match &self.harness {
            Some(harness) => harness.now(),
            None => return Err("the first command is `settings`".into()),
        };
        let harness = self.harness.as_mut().ok_or("settings")?;
        if let Some(effects) = self.registrars.command(name, harness, arguments)? {
            return self.lines(name, &effects, started);
        }
        let effects = match name {
            // Associations.
            "up" => harness.up(opened(harness, arguments.association()?)?, peer(arguments, None, "192.0.2.100:3863")?),
            // rtt ASSOCIATION TIME: the answer to a request for it
            "rtt" => {
                let id = arguments.association()?;
                harness.input(Input::Association(id, association::Event::RoundTripTime(Some(arguments.duration()?))))
            }
            "lost" => harness.lost(arguments.association()?, lost_reason(arguments)?),
            "hold" => harness.hold(arguments.association()?, true),
            "read" => harness.hold(arguments.association()?, false),
            // Messages.
            "register" => {
                let id = arguments.association()?;
                let (pool_handle, pool_element) = (arguments.pool()?, arguments.pool_element()?);
                let times = arguments.number("times")?.unwrap_or(1);
                let message = Message::from(Registration { pool_handle, pool_element, unknown: Vec::new() });
                send_times(harness, id, &message, times)?
            }
            "deregister" => {
                let id = arguments.association()?;
                let (pool_handle, pe_id) = (arguments.pool()?, arguments.pe()?);
                send(harness, id, Deregistration { pool_handle, pe_id, unknown: Vec::new() })?
            }
            "resolve" => {
                let id = arguments.association()?;
                let (pool_handle, items) = (arguments.pool()?, arguments.items()?);
                let subscribe = arguments.flag("subscribe");
                let times = arguments.number("times")?.unwrap_or(1);
                let request = HandleResolution { subscribe, pool_handle, items, unknown: Vec::new() };
                send_times(harness, id, &request.into(), times)?
            }
            "ack" => {
                let id = arguments.association()?;
                let (pool_handle, pe_id) = (arguments.pool()?, arguments.pe()?);
                send(harness, id, EndpointKeepAliveAck { pool_handle, pe_id, unknown: Vec::new() })?
            }
            "unreachable" => {
                let id = arguments.association()?;
                let (pool_handle, pe_id) = (arguments.pool()?, arguments.pe()?);
                let times = arguments.number("times")?.unwrap_or(1);
                let report = EndpointUnreachable { pool_handle, pe_id, unknown: Vec::new() };
                send_times(harness, id, &report.into(), times)?
            }
            "raw" => {
                let id = arguments.association()?;
                let ppid = arguments.number("ppid")?.unwrap_or(u64::from(PPID_ASAP)) as u32;
                let times = arguments.number("times")?.unwrap_or(1);
                let data = arguments.hex()?;
                (0..times).flat_map(|_| harness.message(id, ppid, data.clone())).collect()
            }
            "announcement" => {
                let server_id = arguments.server()?;
                let announce = ServerAnnounce { server_id, transports: smallvec![], unknown: Vec::new() };
                let data = Message::from(announce).to_bytes(Dialect::STANDARD)?;
                harness.input(Input::Announcement { channel: Channel::Asap, from: "192.0.2.200:3863".parse()?, data })
            }
            "listening" => harness.input(Input::AsapTransports(arguments.transports()?)),
            "local" => harness.input(Input::LocalAddresses(arguments.addresses("addresses")?)),
            // Time.
            "wait" => harness.wait(arguments.duration()?),
            "keep-alive" => answering(harness, arguments.duration()?)?,
            "sleep" => harness.sleep(arguments.duration()?),
            // Views.
            "pools" => return Ok(views::pools(harness)),
            "pool" => return views::pool(harness, &arguments.pool()?),
            "count" => return Ok(views::counts(harness)),
            "status" => return Ok(views::status(harness)),
            "peers" => return Ok(views::peers(harness)),
            other => return Err(format!("no command {other}").into()),
        };
        self.lines(name, &effects, started)
    }

    /// The first command.
    fn begin(&mut self, arguments: &mut Arguments<'_>) -> Result<String> {
        let id = arguments.number("id")?;
        self.enrp = id.is_some();
        let mut settings = arguments.settings()?;
        settings.multicast = arguments.flag("announcements");
        if !self.enrp {
            settings.enrp.mentor_discovery_timeout = Duration::ZERO;
        }
        let id = ServerId(id.unwrap_or(0x0a0b_0c0d) as u32);
        let local_addresses = arguments.addresses("local")?;
        arguments.other_settings(&mut settings)?;
        self.harness = Some(RegistrarHarness::new(id, settings, local_addresses, 1));
        Ok(String::new())
    }

    fn lines(&self, name: &str, effects: &Effects, started: Time) -> Result<String> {
        let mut output = String::new();
        let mut repeated = 0;
        let mut last = String::new();
        for (at, effect) in effects {
            let Some(line) = self.line(effect)? else { continue };
            let mut line = shortened(&line);
            if *at != started || matches!(name, "wait") {
                line = format!("@{at} {line}");
            }
            if line == last {
                repeated += 1;
                continue;
            }
            flush(&mut output, &mut last, &mut repeated);
            last = line;
        }
        flush(&mut output, &mut last, &mut repeated);
        Ok(output)
    }

    /// An effect as a line; `None` for what would only be noise.
    fn line(&self, effect: &Effect) -> Result<Option<String>> {
        Ok(Some(match effect {
            Effect::Association(_, Request::Taken { .. }) => return Ok(None),
            Effect::Association(id, Request::Send { data, ppid: PPID_ENRP, .. }) => {
                format!("-> {} {}", id.0, enrp::shown(data)?)
            }
            Effect::Association(id, Request::Send { data, .. }) => {
                format!("-> {} {}", id.0, Message::decode(data)?.message)
            }
            Effect::Association(id, Request::Connect { protocol, to }) => {
                format!("-> {} connect {protocol:?} {to:?}", id.0)
            }
            Effect::Association(id, Request::Heartbeat(heartbeat)) => {
                format!("-> {} heartbeat {:?}, dead after {:?}", id.0, heartbeat.interval, heartbeat.dead_after)
            }
            Effect::Association(id, request) => format!("-> {} {request:?}", id.0),
            Effect::Announce(Channel::Enrp, _) | Effect::Event(Event::Started { .. }) if !self.enrp => return Ok(None),
            Effect::Announce(Channel::Enrp, data) => format!("-> all registrars {}", enrp::shown(data)?),
            Effect::Announce(Channel::Asap, data) => format!("-> all {}", Message::decode(data)?.message),
            Effect::Event(Event::AssociationUp { .. }) => return Ok(None),
            Effect::Event(event) => format!("   {event}"),
        }))
    }
}

/// Lets time pass while every keep-alive is answered; shows everything else.
fn answering(harness: &mut RegistrarHarness, duration: std::time::Duration) -> Result<Effects> {
    let until = harness.now() + duration;
    let mut effects = Effects::new();
    while harness.now() < until {
        effects.extend(harness.wait(std::time::Duration::from_millis(100)));
        for pool in harness.registrar.pools().map(|pool| pool.handle).collect::<Vec<_>>() {
            let members = harness.registrar.pool(&pool, harness.now()).map(|(_, members)| members).unwrap_or_default();
            for member in members {
                let Some(reached) = member.reached.filter(|reached| reached.keep_alive_pending) else { continue };
                let (pool_handle, pe_id) = (pool.clone(), member.element.id);
                send(harness, reached.association, EndpointKeepAliveAck { pool_handle, pe_id, unknown: Vec::new() })?;
            }
        }
    }
    let is_keep_alive = |effect: &Effect| match effect {
        Effect::Association(_, Request::Send { data, .. }) => data.first() == Some(&message_type::ENDPOINT_KEEP_ALIVE),
        _ => false,
    };
    effects.retain(|(_, effect)| !is_keep_alive(effect));
    Ok(effects)
}

/// The handles `long-N` are that long so that a limit is met, not to be read.
fn shortened(line: &str) -> String {
    let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    for word in &mut words {
        let length = word.chars().filter(|c| *c == 'x').count();
        if length > 20 {
            *word = word.replace(&"x".repeat(length), &format!("(x {length} times)"));
        }
    }
    words.join(" ")
}

fn flush(output: &mut String, line: &mut String, repeated: &mut u32) {
    if !line.is_empty() {
        output.push_str(line);
        if *repeated > 0 {
            let _ = write!(output, " ({} times)", *repeated + 1);
        }
        output.push('\n');
    }
    line.clear();
    *repeated = 0;
}

fn send(
    harness: &mut RegistrarHarness,
    id: machine::association::AssociationId,
    message: impl Into<Message>,
) -> Result<Effects> {
    send_times(harness, id, &message.into(), 1)
}

fn send_times(
    harness: &mut RegistrarHarness,
    id: machine::association::AssociationId,
    message: &Message,
    times: u64,
) -> Result<Effects> {
    if !harness.is_up(id) {
        return Err(format!("association {} is not up", id.0).into());
    }
    let data: Bytes = message.to_bytes(Dialect::STANDARD)?;
    Ok((0..times).flat_map(|_| harness.message(id, PPID_ASAP, data.clone())).collect())
}

/// An even identifier is one the registrar has drawn.
pub(crate) fn opened(harness: &RegistrarHarness, id: AssociationId) -> Result<AssociationId> {
    match id.0.is_multiple_of(2) && !harness.has(id) {
        true => Err(format!("association {} was not opened", id.0).into()),
        false => Ok(id),
    }
}

/// Who is at the other end: `from=`, `to=` as here.
pub(crate) fn peer(arguments: &mut Arguments<'_>, from: Option<&str>, to: &str) -> Result<Peer> {
    let mapping = match arguments.word("mapping").unwrap_or("tcp") {
        "tcp" => Mapping::Tcp,
        "sctp" => Mapping::Sctp,
        "plain" => Mapping::PlainAsap,
        other => return Err(format!("no mapping {other}").into()),
    };
    let from = arguments.word("from").or(from).ok_or("from= is missing")?;
    let sources = from.split(',').map(str::parse).collect::<std::result::Result<_, _>>()?;
    Ok(Peer {
        addresses: sources,
        local: arguments.word("to").unwrap_or(to).parse()?,
        mapping,
        max_message: arguments.number("max_message")?.unwrap_or(65_455) as usize,
        identity: PeerIdentity::Anonymous,
        local_addresses: Default::default(),
        own_heartbeat: mapping == Mapping::Tcp,
    })
}

fn lost_reason(arguments: &mut Arguments<'_>) -> Result<LostReason> {
    Ok(match arguments.next_word().unwrap_or("reset") {
        "reset" => LostReason::Reset,
        "refused" => LostReason::Refused,
        "closed" => LostReason::PeerClosed,
        "timeout" => LostReason::ConnectTimeout,
        other => return Err(format!("no reason {other}").into()),
    })
}
