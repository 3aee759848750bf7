// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the commands of a script do, and how the registrar's answers are written.

use std::error::Error;
use std::fmt::Write;
use std::time::Duration;

use bytes::Bytes;
use goldenscript::{Command, Context, Runner};
use machine::association::{LostReason, Mapping, Peer, PeerIdentity, Request};
use rsp_core::PPID_ASAP;
use rsp_core::registrar::{Channel, Effect, Event, Input};
use rsp_wire::asap::{
    Deregistration, EndpointKeepAliveAck, EndpointUnreachable, HandleResolution, Message, Registration, ServerAnnounce,
    message_type,
};
use rsp_wire::{Dialect, PoolHandle};
use sim::registrar_harness::{Effects, RegistrarHarness};
use smallvec::smallvec;

use crate::arguments::Arguments;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// One dialogue.
#[derive(Default)]
pub(crate) struct Script {
    harness: Option<RegistrarHarness>,
    announcements: bool,
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
            self.announcements = arguments.flag("announcements");
            let mut settings = arguments.settings()?;
            settings.multicast = self.announcements;
            settings.enrp.mentor_discovery_timeout = Duration::ZERO;
            self.harness = Some(RegistrarHarness::new(settings, arguments.addresses("local")?, 1));
            return Ok(String::new());
        }
        let started = match &self.harness {
            Some(harness) => harness.now(),
            None => return Err("the first command is `settings`".into()),
        };
        let harness = self.harness.as_mut().ok_or("settings")?;
        let effects = match name {
            // Associations.
            "up" => harness.up(arguments.association()?, peer(arguments)?),
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
            "pools" => return Ok(pools(harness)),
            "pool" => return pool(harness, &arguments.pool()?),
            "count" => return Ok(counts(harness)),
            other => return Err(format!("no command {other}").into()),
        };
        let mut output = String::new();
        let mut repeated = 0;
        let mut last = String::new();
        for (at, effect) in effects {
            let Some(line) = self.line(&effect)? else { continue };
            let mut line = shortened(&line);
            if at != started || matches!(name, "wait") {
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
            Effect::Announce(Channel::Enrp, _) | Effect::Event(Event::Started { .. }) => return Ok(None),
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

fn peer(arguments: &mut Arguments<'_>) -> Result<Peer> {
    let mapping = match arguments.word("mapping").unwrap_or("tcp") {
        "tcp" => Mapping::Tcp,
        "sctp" => Mapping::Sctp,
        "plain" => Mapping::PlainAsap,
        other => return Err(format!("no mapping {other}").into()),
    };
    let sources = arguments.required("from")?.split(',').map(str::parse).collect::<std::result::Result<_, _>>()?;
    Ok(Peer {
        addresses: sources,
        local: "192.0.2.100:3863".parse()?,
        mapping,
        max_message: arguments.number("max_message")?.unwrap_or(65_455) as usize,
        identity: PeerIdentity::Anonymous,
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

fn pools(harness: &RegistrarHarness) -> String {
    let mut pools: Vec<_> = harness.registrar.pools().collect();
    pools.sort_by(|a, b| a.handle.cmp(&b.handle));
    let lines = pools.iter().map(|pool| format!("{}: {} PEs, {}", pool.handle, pool.pool_elements, pool.policy));
    lines.collect::<Vec<_>>().join("\n")
}

fn pool(harness: &RegistrarHarness, handle: &PoolHandle) -> Result<String> {
    let Some((_, mut members)) = harness.registrar.pool(handle, harness.now()) else {
        return Ok("no such pool".into());
    };
    members.sort_by_key(|member| member.element.id);
    let mut output = String::new();
    for member in members {
        writeln!(output, "{}", member.element)?;
        if let Some(life) = member.life_left {
            writeln!(output, "   life left {life:?}")?;
        }
        if let Some(reached) = member.reached {
            writeln!(
                output,
                "   reached over association {}{}{}, silent for {:?}, reports {}",
                reached.association.0,
                if reached.up { "" } else { " (connecting)" },
                if reached.keep_alive_pending { ", keep-alive pending" } else { "" },
                reached.silent_for,
                reached.reports
            )?;
        }
    }
    Ok(output)
}

fn counts(harness: &RegistrarHarness) -> String {
    let registrar = &harness.registrar;
    format!(
        "{} pools, {} PEs, {} associations, {} subscriptions",
        registrar.pool_count(),
        registrar.pool_element_count(),
        registrar.association_count(),
        registrar.subscription_count()
    )
}
