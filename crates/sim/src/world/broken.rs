// SPDX-License-Identifier: MIT OR Apache-2.0
//! A wrapper around a registrar's machine that can make it break a rule of takeovers: what the invariants are for.
//!
//! It swallows and forges messages between the machine and its associations; the machine itself is what ships.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Deref;

use bytes::Bytes;
use machine::association::{AssociationId, Event, Request};
use machine::{Machine, Output, Time};
use rsp_core::PPID_ENRP;
use rsp_core::registrar::{Effect, Input, Registrar};
use rsp_wire::enrp::{Body, InitTakeoverAck, Message};
use rsp_wire::{Dialect, ServerId};

use super::Kind;
use super::traffic::takeover;

/// What a broken registrar does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Enforces a takeover without waiting for acknowledgements.
    NoArbitration,
    /// Enforces a takeover though the target says that it lives, and whatever the others say.
    TargetAlive,
    /// Ignores what others say of takeovers: it neither acknowledges nor hears that one is enforced.
    DeafToTakeovers,
}

/// A registrar, broken or not.
#[derive(Debug)]
pub struct BrokenRegistrar {
    registrar: Registrar,
    rule: Option<Rule>,
    /// Whom it has said it will take over.
    targets: Vec<ServerId>,
    /// Forged, and to be heard.
    forged: VecDeque<Input>,
    /// Peers by association, as their messages name them.
    peers: BTreeMap<ServerId, AssociationId>,
    now: Time,
}

impl BrokenRegistrar {
    pub(super) fn new(registrar: Registrar) -> Self {
        BrokenRegistrar {
            registrar,
            rule: None,
            targets: Vec::new(),
            forged: VecDeque::new(),
            peers: BTreeMap::new(),
            now: Time::ZERO,
        }
    }

    pub(super) fn break_rule(&mut self, rule: Rule) {
        self.rule = Some(rule);
    }

    /// Whether the machine hears this.
    fn hears(&mut self, input: &Input) -> bool {
        let Some(rule) = self.rule else { return true };
        let data = match input {
            Input::Association(id, Event::Message { ppid: PPID_ENRP, data, .. }) => {
                if let Some(sender) = sender(data) {
                    self.peers.insert(sender, *id);
                }
                data
            }
            Input::Announcement { data, .. } => data,
            _ => return true,
        };
        match rule {
            Rule::NoArbitration => true,
            Rule::TargetAlive => !sender(data).is_some_and(|sender| self.targets.contains(&sender)),
            Rule::DeafToTakeovers => takeover(data).is_none(),
        }
    }

    /// What the machine says.
    fn says(&mut self, data: &Bytes) {
        let (Some(rule), Some((_, Kind::Init, target))) = (self.rule, takeover(data)) else { return };
        if !self.targets.contains(&target) {
            self.targets.push(target);
        }
        if matches!(rule, Rule::NoArbitration | Rule::TargetAlive) {
            self.forge_acknowledgements(target);
        }
    }

    /// Every peer agrees, it seems.
    fn forge_acknowledgements(&mut self, target: ServerId) {
        let (own, sequence, stream) = (self.registrar.id(), FORGED, 0);
        for (sender, id) in self.peers.iter().filter(|(peer, _)| **peer != target) {
            let body = Body::InitTakeoverAck(InitTakeoverAck { target });
            let ack = Message { sender: *sender, receiver: own, body, unknown: Vec::new() };
            let data = ack.to_bytes(Dialect::RFC).expect("it is short");
            let event = Event::Message { sequence, stream, ppid: PPID_ENRP, unordered: false, data };
            self.forged.push_back(Input::Association(*id, event));
        }
    }
}

impl Machine for BrokenRegistrar {
    type Input<'a> = Input;
    type Effect = Effect;

    fn handle_input(&mut self, input: Input, now: Time) {
        self.now = now;
        if self.hears(&input) {
            self.registrar.handle_input(input, now);
        } else if let Input::Association(id, Event::Message { sequence, .. }) = input {
            // It is taken all the same: the connection must not notice.
            self.forged.push_back(Input::Association(id, swallowed(sequence)));
        }
    }

    fn handle_timeout(&mut self, now: Time) {
        self.now = now;
        self.registrar.handle_timeout(now);
    }

    fn poll_output(&mut self) -> Output<Effect> {
        loop {
            let output = self.registrar.poll_output();
            match &output {
                Output::Effect(Effect::Association(_, Request::Send { ppid: PPID_ENRP, data, .. })) => self.says(data),
                Output::Effect(Effect::Association(_, Request::Taken { sequence: FORGED })) => continue,
                // It hears what is forged at once, before anything true can come.
                Output::Wait(_) if !self.forged.is_empty() => {
                    self.hear_forged(self.now);
                    continue;
                }
                Output::Effect(_) | Output::Wait(_) => {}
            }
            return output;
        }
    }
}

impl BrokenRegistrar {
    fn hear_forged(&mut self, now: Time) {
        while let Some(input) = self.forged.pop_front() {
            self.registrar.handle_input(input, now);
        }
    }
}

/// To look at, not to change.
impl Deref for BrokenRegistrar {
    type Target = Registrar;

    fn deref(&self) -> &Registrar {
        &self.registrar
    }
}

fn sender(data: &Bytes) -> Option<ServerId> {
    Some(Message::decode(data).ok()?.message.sender)
}

/// A message that says nothing, in the place of one that is swallowed.
fn swallowed(sequence: u64) -> Event {
    Event::Message { sequence, stream: 0, ppid: 0, unordered: false, data: Bytes::new() }
}

/// The sequence of messages that never came.
const FORGED: u64 = u64::MAX;
