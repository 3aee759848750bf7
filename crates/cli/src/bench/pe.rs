// SPDX-License-Identifier: MIT OR Apache-2.0
//! Registers pool elements: to prepare what is measured, or as that itself.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::IpAddr;
use std::ops::Range;

use anyhow::{Result, ensure};
use rserpool::Profile;
use rsp_wire::asap::Registration;
use rsp_wire::asap::message_type::REGISTRATION_RESPONSE;
use rsp_wire::parameter::{Policy, PoolElement, Protocol, RegistrationLife, Transport, TransportUse, UserTransport};
use rsp_wire::{Dialect, PeId, ServerId};

use super::client::{Client, Pace, Plan, Workload};
use super::options;
use super::template::{self, Template, pool_handle};

/// ASAP_REGISTRATION for pool elements that belong to the connections in turn, and are in the pools in turn.
#[derive(Debug)]
pub(super) struct Registrations {
    template: Template,
    id: usize,
    load: Option<usize>,
    port: usize,
    /// Where registrars reach them, in turn; if there is no such port, nowhere.
    ports: Vec<u16>,
    /// PE Identifier of the first one: another in each run.
    first_id: u32,
    pools: u32,
    elements: u32,
    connections: Range<usize>,
    /// What each connection asked for last, and what it was last answered.
    asked: Vec<u32>,
    answered: Vec<u32>,
    /// Registers them again and again.
    again: bool,
    requests: u32,
}

impl Registrations {
    /// First registrations of these pool elements at `address` over these connections.
    pub(super) fn new(
        population: &options::Population,
        address: IpAddr,
        profile: Profile,
        connections: Range<usize>,
    ) -> Result<Self> {
        Registrations::reached_at(Vec::new(), population, address, profile, connections)
    }

    /// First registrations of pool elements that registrars can connect to at these ports.
    pub(super) fn reached_at(
        ports: Vec<u16>,
        population: &options::Population,
        address: IpAddr,
        profile: Profile,
        connections: Range<usize>,
    ) -> Result<Self> {
        let count = connections.len();
        ensure!(population.elements as usize >= count, "there are fewer pool elements than connections");
        let (id, load) = (0xe1e2_e3e4_u32, 0xa1a2_a3a4_u32);
        let (policy, load) = match population.policy {
            options::Policy::Rr => (Policy::RoundRobin, None),
            options::Policy::Lu => (Policy::LeastUsed { load }, Some(load)),
        };
        let registration = Registration {
            pool_handle: pool_handle(0),
            pool_element: PoolElement {
                id: PeId(id),
                home: ServerId::NONE,
                life: RegistrationLife::INFINITE,
                user_transport: UserTransport::Ip(Transport {
                    protocol: Protocol::Tcp,
                    port: PORT,
                    transport_use: match ports[..] {
                        [] => TransportUse::DATA_ONLY,
                        [..] => TransportUse::DATA_PLUS_CONTROL,
                    },
                    addresses: [address].into_iter().collect(),
                }),
                policy,
                asap_transport: None,
                unknown: Vec::new(),
            },
            unknown: Vec::new(),
        };
        let template = Template::new(registration, dialect(profile))?;
        Ok(Registrations {
            id: template.place_of(&id.to_be_bytes())?,
            load: load.map(|load| template.place_of(&load.to_be_bytes())).transpose()?,
            port: template.place_of(&[&PORT.to_be_bytes()[..], &[0]].concat())?,
            ports,
            template,
            first_id: RandomState::new().build_hasher().finish() as u32,
            pools: population.pools,
            elements: population.elements,
            connections,
            asked: vec![0; count],
            answered: vec![0; count],
            again: false,
            requests: 0,
        })
    }

    /// Registers all of them once, as fast as it goes.
    pub(super) fn register_all(&mut self, client: &mut Client) -> Result<()> {
        let active = self.connections.clone();
        let plan = Plan::new(active, Pace::Closed { outstanding: 32 });
        let tally = client.run(&plan, self, || {})?;
        tally.check()?;
        ensure!(tally.answered == u64::from(self.elements), "not all registrations were answered");
        Ok(())
    }

    /// From now on they are registered again and again.
    pub(super) fn again(mut self) -> Self {
        self.again = true;
        self.asked.fill(0);
        self.answered.fill(0);
        self
    }

    /// The number of a connection's `turn`-th element.
    fn element(&self, connection: usize, turn: u32) -> u32 {
        turn * self.connections.len() as u32 + connection as u32
    }

    /// The turn after this one.
    fn after(&self, connection: usize, turn: u32) -> u32 {
        if self.again && self.element(connection, turn + 1) >= self.elements { 0 } else { turn + 1 }
    }
}

impl Workload for Registrations {
    fn request(&mut self, connection: usize, _due: u64) -> Option<&[u8]> {
        let connection = connection - self.connections.start;
        let turn = self.asked[connection];
        let element = self.element(connection, turn);
        if element >= self.elements {
            return None;
        }
        self.asked[connection] = self.after(connection, turn);
        self.requests = self.requests.wrapping_add(1);
        self.template.set_pool(element % self.pools).set_u32(self.id, self.first_id.wrapping_add(element));
        if let [_, ..] = self.ports[..] {
            self.template.set_u16(self.port, self.ports[element as usize % self.ports.len()]);
        }
        if let Some(load) = self.load {
            self.template.set_u32(load, self.requests.wrapping_mul(LOAD_STEP));
        }
        Some(self.template.bytes())
    }

    fn answer(&mut self, connection: usize, message: &[u8]) -> Result<(), &'static str> {
        let connection = connection.checked_sub(self.connections.start).filter(|c| *c < self.answered.len());
        let connection = connection.ok_or("an answer on a connection that asked nothing")?;
        let turn = self.answered[connection];
        self.answered[connection] = self.after(connection, turn);
        let element = self.element(connection, turn);
        match message {
            [REGISTRATION_RESPONSE, 0, ..] => {}
            [REGISTRATION_RESPONSE, ..] => return Err("a registration was rejected"),
            _ => return Err("no ASAP_REGISTRATION_RESPONSE"),
        }
        if !template::names(message, element % self.pools) {
            return Err("the response names another pool");
        }
        if template::pe_id(message) != Some(self.first_id.wrapping_add(element)) {
            return Err("the response names another pool element");
        }
        if message.len() > RESPONSE { Err("registered with a warning") } else { Ok(()) }
    }
}

/// How messages are encoded in a profile.
pub(super) fn dialect(profile: Profile) -> Dialect {
    if profile == Profile::Rfc { Dialect::RFC } else { Dialect::STANDARD }
}

/// The port of pool elements nobody goes to.
const PORT: u16 = 0x7e7e;

/// Loads are spread over all values.
const LOAD_STEP: u32 = 0x9e37_79b9;

/// A response without an error: header, Pool Handle, PE Identifier.
const RESPONSE: usize = 4 + 12 + 8;
