// SPDX-License-Identifier: MIT OR Apache-2.0
//! A registrar's process, wired as crate `rsp-registrar` does.

use machine::association::{AssociationId, Heartbeat};
use machine::{Machine, Output, Time};
use rsp_core::registrar::{Effect, Event, Input, Registrar};
use tcp_mapping::Config;

use crate::network::{Awake, Owner, Sockets};

/// The process.
#[derive(Debug)]
pub struct RegistrarProcess {
    /// The machine.
    pub machine: Registrar,
    /// What it reported.
    pub events: Vec<(Time, Event)>,
    sockets: Sockets,
    next_accepted: u64,
}

impl RegistrarProcess {
    pub(super) fn new(machine: Registrar) -> Self {
        RegistrarProcess { machine, events: Vec::new(), sockets: Sockets::new(), next_accepted: 1 }
    }

    pub(super) fn wake(&mut self, awake: &mut Awake<'_>) -> Option<Time> {
        let (config, next) = (self.config(), &mut self.next_accepted);
        self.sockets.accept(config, awake, || {
            *next += 2;
            (Owner::Endpoint, AssociationId(*next))
        });
        self.sockets.read(awake);
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
            self.machine.handle_input(Input::Association(id, event), awake.now);
        }
    }

    fn perform(&mut self, awake: &mut Awake<'_>) -> Option<Time> {
        loop {
            match self.machine.poll_output() {
                Output::Effect(Effect::Association(id, request)) => {
                    self.sockets.perform((Owner::Endpoint, id), request, self.config(), awake);
                }
                Output::Effect(Effect::Announce(..)) => {}
                Output::Effect(Effect::Event(event)) => {
                    awake.dialogue.say(awake.now, || event.to_string());
                    self.events.push((awake.now, event));
                }
                Output::Wait(deadline) => return deadline,
            }
        }
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
