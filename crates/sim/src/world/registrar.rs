// SPDX-License-Identifier: MIT OR Apache-2.0
//! A registrar's process, wired as crate `rsp-registrar` does.

use bytes::Bytes;
use machine::association::{self, AssociationId, Heartbeat, Request};
use machine::{Machine, Output, Time};
use rsp_core::PPID_ENRP;
use rsp_core::registrar::{Channel, Effect, Event, Input, Registrar};
use rsp_wire::{PeId, ServerId};
use tcp_mapping::Config;

use super::plan::{ASAP_PORT, ENRP_PORT, registrar_transports};
use super::{BrokenRegistrar, Host, Plan, Traffic, pool};
use crate::network::{Awake, Datagram, Group, Owner, Sockets};

/// The process.
#[derive(Debug)]
pub struct RegistrarProcess {
    /// The machine.
    pub machine: BrokenRegistrar,
    /// What it reported.
    pub events: Vec<(Time, Event)>,
    /// It has initialized itself and serves.
    pub started: bool,
    /// It has handed its pool elements over and ends.
    pub left: bool,
    /// ENRP messages it has heard.
    pub heard: u64,
    /// What it said to its peers.
    pub traffic: Traffic,
    sockets: Sockets,
    next_accepted: u64,
}

impl RegistrarProcess {
    pub(super) fn new(machine: Registrar, host: Host, plan: &Plan, now: Time) -> Self {
        let mut machine = BrokenRegistrar::new(machine);
        let (asap, enrp) = registrar_transports(host.address());
        machine.handle_input(Input::AsapTransports(vec![asap]), now);
        machine.handle_input(Input::EnrpTransports(vec![enrp]), now);
        machine.handle_input(Input::StaticPeers(plan.static_peers(host)), now);
        RegistrarProcess {
            machine,
            events: Vec::new(),
            heard: 0,
            started: false,
            left: false,
            traffic: Traffic::default(),
            sockets: Sockets::new(),
            next_accepted: 1,
        }
    }

    /// Pool elements it knows, and the home of each.
    pub fn members(&self, now: Time) -> impl Iterator<Item = (PeId, ServerId)> {
        let pool = self.machine.pool(&pool(), now);
        pool.into_iter().flat_map(|(_, members)| members).map(|it| (it.element.id, it.element.home))
    }

    pub(super) fn leave(&mut self, now: Time) {
        self.machine.handle_input(Input::Leave, now);
    }

    pub(super) fn wake(&mut self, awake: &mut Awake<'_>) -> Option<Time> {
        let (config, next) = (self.config(), &mut self.next_accepted);
        self.sockets.accept(config, awake, || {
            *next += 2;
            (Owner::Endpoint, AssociationId(*next))
        });
        self.sockets.read(awake);
        while let Some(datagram) = awake.kernel.datagram() {
            awake.dialogue.announced(awake.at, &datagram);
            self.machine.handle_input(announcement(datagram), awake.now);
        }
        self.work(awake);
        self.sockets.handle_timeout(awake.now);
        self.work(awake);
        self.machine.handle_timeout(awake.now);
        let deadline = self.work(awake);
        self.sockets.write(awake);
        deadline.into_iter().chain(self.sockets.deadline()).min()
    }

    fn work(&mut self, awake: &mut Awake<'_>) -> Option<Time> {
        loop {
            let deadline = self.perform(awake);
            let Some(((_, id), event)) = self.sockets.next_event(awake) else { return deadline };
            if let association::Event::Message { ppid: PPID_ENRP, .. } = &event {
                self.heard += 1;
            }
            self.machine.handle_input(Input::Association(id, event), awake.now);
        }
    }

    fn perform(&mut self, awake: &mut Awake<'_>) -> Option<Time> {
        loop {
            match self.machine.poll_output() {
                Output::Effect(Effect::Association(id, request)) => {
                    if let Request::Send { ppid: PPID_ENRP, data, .. } = &request {
                        self.traffic.sent(data, awake.at);
                    }
                    self.sockets.perform((Owner::Endpoint, id), request, self.config(), awake);
                }
                Output::Effect(Effect::Announce(channel, data)) => self.announce(channel, &data, awake),
                Output::Effect(Effect::Event(event)) => self.reported(event, awake),
                Output::Wait(deadline) => return deadline,
            }
        }
    }

    fn announce(&mut self, channel: Channel, data: &Bytes, awake: &mut Awake<'_>) {
        let (group, port) = match channel {
            Channel::Asap => (Group::Asap, ASAP_PORT),
            Channel::Enrp => {
                self.traffic.sent(data, awake.at);
                (Group::Enrp, ENRP_PORT)
            }
        };
        awake.kernel.announce(group, port, data, awake.network, awake.at);
    }

    fn reported(&mut self, event: Event, awake: &mut Awake<'_>) {
        awake.dialogue.say(awake.at, || event.to_string());
        match event {
            Event::Started { .. } => {
                self.started = true;
                awake.kernel.listen(ASAP_PORT);
            }
            Event::Left { .. } => self.left = true,
            _ => {}
        }
        self.events.push((awake.at, event));
    }

    fn config(&self) -> Config {
        let settings = self.machine.settings();
        Config {
            connect_timeout: settings.connect_timeout,
            heartbeat: Heartbeat { interval: settings.keep_alive_interval, dead_after: settings.give_up },
            ..Config::default()
        }
    }
}

fn announcement(datagram: Datagram) -> Input {
    let channel = match datagram.group {
        Group::Asap => Channel::Asap,
        Group::Enrp => Channel::Enrp,
    };
    Input::Announcement { channel, from: datagram.from, data: datagram.data }
}
