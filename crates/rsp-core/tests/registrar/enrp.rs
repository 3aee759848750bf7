// SPDX-License-Identifier: MIT OR Apache-2.0
//! What other registrars say in a script, RFC 5353.
//!
//! `peer 1 2` is registrar 2, at 192.0.2.2, over association 1: it says so, and is then the sender of whatever comes over that association.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use machine::association::{AssociationId, Request};
use rsp_core::PPID_ENRP;
use rsp_core::registrar::{Channel, Effect, Input};
use rsp_wire::enrp::{
    Body, Error as ErrorMessage, HandleTableRequest, HandleTableResponse, HandleUpdate, InitTakeover, InitTakeoverAck,
    ListRequest, ListResponse, Message, PoolEntry, Presence, TakeoverServer, UpdateAction,
};
use rsp_wire::parameter::{ErrorCause, PoolElement, ServerInformation, Transport, TransportUse};
use rsp_wire::{Checksum, Dialect, PeId, ServerId};
use sim::registrar_harness::{Effects, RegistrarHarness};

use crate::arguments::{Arguments, number, pool_handle, transport};
use crate::script::{opened, peer};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Who speaks over which association.
#[derive(Default)]
pub(crate) struct Registrars(BTreeMap<AssociationId, ServerId>);

impl Registrars {
    /// Does a command, if it is one about registrars.
    pub(crate) fn command(
        &mut self,
        name: &str,
        harness: &mut RegistrarHarness,
        arguments: &mut Arguments<'_>,
    ) -> Result<Option<Effects>> {
        Ok(Some(match name {
            // Ourselves.
            "listening-enrp" => {
                let mut transports = arguments.transports()?;
                transports.iter_mut().for_each(|transport| transport.transport_use = TransportUse::DATA_ONLY);
                harness.input(Input::EnrpTransports(transports))
            }
            "static-peers" => {
                let addresses = std::iter::from_fn(|| arguments.next_word()).map(str::parse);
                harness.input(Input::StaticPeers(addresses.collect::<std::result::Result<_, _>>()?))
            }
            "start" => harness.wait(Duration::ZERO),
            "leave" => harness.input(Input::Leave),
            "hearing" => {
                let duration = arguments.duration()?;
                let speakers =
                    std::iter::from_fn(|| arguments.next_word()).map(|word| Ok(AssociationId(number(word)?)));
                self.hearing(harness, duration, &speakers.collect::<Result<Vec<_>>>()?)?
            }
            "silence" => without_heartbeats(harness.wait(arguments.duration()?)),
            // Others.
            "peer" => self.peer(harness, arguments)?,
            "presence" => {
                let (id, sender) = self.sender(arguments)?;
                let presence = presence(arguments, sender)?;
                self.say(harness, arguments, id, presence)?
            }
            "list-request" => {
                let (id, _) = self.sender(arguments)?;
                self.say(harness, arguments, id, ListRequest)?
            }
            "list-response" => {
                let (id, _) = self.sender(arguments)?;
                let reject = arguments.flag("reject");
                let servers = std::iter::from_fn(|| arguments.next_word()).map(|word| {
                    let (id, at) = word.split_once('@').ok_or("ID@tcp:ADDRESS:PORT")?;
                    information(ServerId(number(id)? as u32), at)
                });
                let servers = servers.collect::<Result<_>>()?;
                self.say(harness, arguments, id, ListResponse { reject, servers })?
            }
            "table-request" => {
                let (id, _) = self.sender(arguments)?;
                let own_children_only = arguments.flag("own");
                self.say(harness, arguments, id, HandleTableRequest { own_children_only })?
            }
            "table-response" => {
                let (id, _) = self.sender(arguments)?;
                let (reject, more_to_send) = (arguments.flag("reject"), arguments.flag("more"));
                let entries = std::iter::from_fn(|| arguments.next_word()).map(entry).collect::<Result<_>>()?;
                self.say(harness, arguments, id, HandleTableResponse { reject, more_to_send, entries })?
            }
            "update" => {
                let (id, _) = self.sender(arguments)?;
                let action = match arguments.next_word() {
                    Some("add") => UpdateAction::AddPe,
                    Some("del") => UpdateAction::DelPe,
                    other => UpdateAction::from(number(other.ok_or("add, del or a number")?)? as u16),
                };
                let takeover_suggested = arguments.flag("suggested");
                let (pool_handle, mut pool_element) = (arguments.pool()?, arguments.pool_element()?);
                pool_element.home = ServerId(arguments.number("home")?.unwrap_or(0) as u32);
                if pool_element.asap_transport.is_none() {
                    pool_element.asap_transport = asap_transport(&pool_element);
                }
                let update = HandleUpdate { takeover_suggested, action, pool_handle, pool_element };
                self.say(harness, arguments, id, update)?
            }
            "init-takeover" => {
                let (id, _) = self.sender(arguments)?;
                let target = arguments.server()?;
                self.say(harness, arguments, id, InitTakeover { target })?
            }
            "takeover-ack" => {
                let (id, _) = self.sender(arguments)?;
                let target = arguments.server()?;
                self.say(harness, arguments, id, InitTakeoverAck { target })?
            }
            "takeover-server" => {
                let (id, _) = self.sender(arguments)?;
                let target = arguments.server()?;
                self.say(harness, arguments, id, TakeoverServer { target })?
            }
            "enrp-error" => {
                let (id, _) = self.sender(arguments)?;
                self.say(harness, arguments, id, ErrorMessage { error: ErrorCause::LackOfResources.into() })?
            }
            "multicast" => {
                let from = arguments.required("from")?.parse()?;
                let sender = arguments.server()?;
                let body = presence(arguments, sender)?.into();
                let message = Message { sender, receiver: ServerId::NONE, body, unknown: Vec::new() };
                let data = message.to_bytes(Dialect::STANDARD)?;
                harness.input(Input::Announcement { channel: Channel::Enrp, from, data })
            }
            _ => return Ok(None),
        }))
    }

    /// A registrar introduces itself over an association it has opened, or we have.
    fn peer(&mut self, harness: &mut RegistrarHarness, arguments: &mut Arguments<'_>) -> Result<Effects> {
        let id = arguments.association()?;
        let sender = arguments.server()?;
        let from = match id.0 % 2 {
            0 => format!("192.0.2.{}:9901", sender.0),
            _ => format!("192.0.2.{}:50000", sender.0),
        };
        let mut effects = harness.up(opened(harness, id)?, peer(arguments, Some(&from), "192.0.2.5:9901")?);
        self.0.insert(id, sender);
        let presence = presence(arguments, sender)?;
        effects.extend(self.say(harness, arguments, id, presence)?);
        Ok(effects)
    }

    /// The association, and who speaks over it.
    fn sender(&mut self, arguments: &mut Arguments<'_>) -> Result<(AssociationId, ServerId)> {
        let id = arguments.association()?;
        if let Some(sender) = arguments.number("sender")? {
            self.0.insert(id, ServerId(sender as u32));
        }
        Ok((id, *self.0.get(&id).ok_or("sender=")?))
    }

    fn say(
        &self,
        harness: &mut RegistrarHarness,
        arguments: &mut Arguments<'_>,
        id: AssociationId,
        body: impl Into<Body>,
    ) -> Result<Effects> {
        let sender = *self.0.get(&id).ok_or("sender=")?;
        let receiver = ServerId(arguments.number("receiver")?.unwrap_or(0) as u32);
        let times = arguments.number("times")?.unwrap_or(1);
        let message = Message { sender, receiver, body: body.into(), unknown: Vec::new() };
        let data = message.to_bytes(Dialect::STANDARD)?;
        if !harness.is_up(id) {
            return Err(format!("association {} is not up", id.0).into());
        }
        Ok((0..times).flat_map(|_| harness.message(id, PPID_ENRP, data.clone())).collect())
    }

    /// Time passes while these speak: they live.
    fn hearing(
        &self,
        harness: &mut RegistrarHarness,
        duration: Duration,
        speakers: &[AssociationId],
    ) -> Result<Effects> {
        let until = harness.now() + duration;
        let mut effects = Effects::new();
        while harness.now() < until {
            effects.extend(harness.wait(until.since(harness.now()).min(Duration::from_millis(100))));
            for id in speakers.iter().filter(|id| harness.is_up(**id)).copied().collect::<Vec<_>>() {
                let sender = *self.0.get(&id).ok_or("who speaks?")?;
                let body = Presence { reply_required: false, checksum: None, server_information: None }.into();
                let message = Message { sender, receiver: ServerId::NONE, body, unknown: Vec::new() };
                effects.extend(harness.message(id, PPID_ENRP, message.to_bytes(Dialect::STANDARD)?));
            }
        }
        Ok(without_heartbeats(effects))
    }
}

/// A message as it is shown; of a table more than its number of PEs.
pub(crate) fn shown(data: &Bytes) -> Result<String> {
    let message = Message::decode(data)?.message;
    let Body::HandleTableResponse(response) = &message.body else { return Ok(message.to_string()) };
    let mut shown = format!("{} {} -> {}", message.name(), message.sender, message.receiver);
    shown.push_str(if response.reject { " rejected" } else { " with" });
    for entry in &response.entries {
        shown.push_str(&format!(" {}:", entry.pool_handle));
        for element in &entry.pool_elements {
            shown.push_str(&format!(" {}@{}", element.id.0, element.home.0));
        }
    }
    shown.push_str(if response.more_to_send { ", more to send" } else { "" });
    Ok(shown)
}

/// What we say ever so often.
fn without_heartbeats(mut effects: Effects) -> Effects {
    effects.retain(|(_, effect)| match effect {
        Effect::Association(_, Request::Send { data, ppid: PPID_ENRP, .. }) | Effect::Announce(Channel::Enrp, data) => {
            !Message::decode(data).is_ok_and(|it| {
                it.message.receiver == ServerId::NONE
                    && matches!(it.message.body, Body::Presence(Presence { reply_required: false, .. }))
            })
        }
        Effect::Announce(Channel::Asap, _) => false,
        _ => true,
    });
    effects
}

/// `[reply] [checksum=0x8490] [at="tcp:192.0.2.2:9901 sctp:..."] [nowhere] [information=3]`
fn presence(arguments: &mut Arguments<'_>, sender: ServerId) -> Result<Presence> {
    let reply_required = arguments.flag("reply");
    let checksum = arguments.number("checksum")?.map(|checksum| Checksum(checksum as u16));
    let id = arguments.number("information")?.map_or(sender, |id| ServerId(id as u32));
    let at = arguments.word("at").map_or_else(|| format!("tcp:192.0.2.{}:9901", sender.0 & 0xff), str::to_owned);
    let server_information = match arguments.flag("nowhere") {
        true => None,
        false => Some(information(id, &at)?),
    };
    Ok(Presence { reply_required, checksum, server_information })
}

fn information(id: ServerId, at: &str) -> Result<ServerInformation> {
    let data_only = |at| Ok(Transport { transport_use: TransportUse::DATA_ONLY, ..transport(at)? });
    let transports = at.split(' ').map(data_only).collect::<Result<_>>()?;
    Ok(ServerInformation { id, transports, unknown: Vec::new() })
}

/// `echo/7@2`, `echo/1..100@2`: PEs of a pool, and their home.
fn entry(text: &str) -> Result<PoolEntry> {
    let (pool, rest) = text.split_once('/').ok_or("POOL/PE@HOME")?;
    let (elements, home) = rest.split_once('@').ok_or("POOL/PE@HOME")?;
    let (first, last) = match elements.split_once("..") {
        Some((first, last)) => (number(first)?, number(last)?),
        None => (number(elements)?, number(elements)?),
    };
    let home = ServerId(number(home)? as u32);
    let pool_elements = (first..=last).map(|id| pool_element(PeId(id as u32), home)).collect::<Result<_>>()?;
    Ok(PoolEntry { pool_handle: pool_handle(pool)?, pool_elements })
}

fn pool_element(id: PeId, home: ServerId) -> Result<PoolElement> {
    let user_transport = transport(&format!("tcp:198.51.100.{}:7000", id.0 & 0xff))?;
    let element = PoolElement {
        id,
        home,
        life: rsp_wire::parameter::RegistrationLife(60),
        user_transport: rsp_wire::parameter::UserTransport::Ip(user_transport),
        policy: rsp_wire::parameter::Policy::RoundRobin,
        asap_transport: None,
        unknown: Vec::new(),
    };
    let asap_transport = asap_transport(&element);
    Ok(PoolElement { asap_transport, ..element })
}

/// As its home has settled it: where the users go.
fn asap_transport(element: &PoolElement) -> Option<Transport> {
    match &element.user_transport {
        rsp_wire::parameter::UserTransport::Ip(transport) => Some(transport.clone()),
        rsp_wire::parameter::UserTransport::Opaque(_) => None,
    }
}
