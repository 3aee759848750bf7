// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the policies of RFC 5356 choose: `tests/scripts/policy/*`. Regenerate with `UPDATE_GOLDENFILES=1`, then read the diff.

use std::collections::BTreeMap;
use std::error::Error;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;
use std::sync::Arc;

use goldenscript::{ArgumentConsumer, Command, Context, Runner};
use machine::Rng;
use rsp_core::config::Limits;
use rsp_core::handlespace::{Advance, Change, Handlespace, Slot};
use rsp_core::policy::Candidates;
use rsp_wire::parameter::{Policy, PoolElement, Protocol, RegistrationLife, Transport, TransportUse, UserTransport};
use rsp_wire::{PeId, PoolHandle, ServerId};
use smallvec::smallvec;

#[test]
fn scripts() {
    for entry in std::fs::read_dir("tests/scripts/policy").expect("the scripts are there") {
        let path = entry.expect("readable").path();
        goldenscript::run(&mut Script::new(), &path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    }
}

/// A registrar's handlespace with one pool, and a pool user's cache of it.
struct Script {
    space: Handlespace,
    candidates: Candidates,
    rng: Rng,
}

impl Script {
    fn new() -> Self {
        Script {
            space: Handlespace::new(Limits::default(), 256, 1),
            candidates: Candidates::new(None),
            rng: Rng::new(1),
        }
    }

    fn id(&self, slot: Slot) -> u32 {
        self.space.element(slot).map_or(0, |element| element.id().0)
    }

    fn select(&mut self, items: usize, advance: Advance) -> Vec<u32> {
        let slots = self.space.select(&pool(), items, advance).to_vec();
        slots.into_iter().map(|slot| self.id(slot)).collect()
    }
}

impl Runner for Script {
    type Command = Command;

    fn run(&mut self, command: &Command, _: &Context) -> Result<String, Box<dyn Error>> {
        let mut args = command.consume_args();
        let out = match command.name.as_str() {
            // register PE POLICY [weight=N] [priority=N] [load=PERCENT] [degradation=PERCENT] [dpf=PERCENT] [distance=MS]
            "register" => {
                let id = args.next_pos().ok_or("which PE?")?.parse()?;
                let element = pe(id, policy(&mut args)?);
                match self.space.register(&pool(), &element, ServerId(1)) {
                    Ok(registered) => match registered.change {
                        Change::New { pool: true } => "new pool".into(),
                        Change::New { .. } => "new".into(),
                        Change::Renewed(changes) if changes == Default::default() => "renewed".into(),
                        Change::Renewed(changes) => {
                            format!("renewed:{}", if changes.is_urgent() { " urgent" } else { " load" })
                        }
                    },
                    Err(cause) => format!("rejected: {cause:?}"),
                }
            }
            "deregister" => {
                let id = args.next_pos().ok_or("which PE?")?.parse()?;
                let removed = self.space.deregister(&pool(), PeId(id)).ok_or("it is not registered")?;
                if removed.last_of_pool { "the pool is gone".into() } else { String::new() }
            }
            // choose N: so many resolutions of one item, one after the other
            "choose" => {
                let count = args.next_pos().ok_or("how often?")?.parse()?;
                (0..count)
                    .flat_map(|_| self.select(1, Advance::Yes))
                    .map(|id| id.to_string())
                    .collect::<Vec<_>>()
                    .join(" ")
            }
            // resolve ITEMS: one resolution
            "resolve" => list(&self.select(args.next_pos().ok_or("how many?")?.parse()?, Advance::Yes)),
            // look ITEMS: an update, which does not advance
            "look" => list(&self.select(args.next_pos().ok_or("how many?")?.parse()?, Advance::No)),
            // draw N [items=N]: how often each PE comes first in so many resolutions; each answer has nobody twice
            "draw" => {
                let count: u32 = args.next_pos().ok_or("how often?")?.parse()?;
                let items = key(&mut args, "items")?.unwrap_or(1);
                let mut firsts = BTreeMap::<u32, u32>::new();
                for _ in 0..count {
                    let mut ids = self.select(items, Advance::Yes);
                    *firsts.entry(ids[0]).or_default() += 1;
                    ids.sort_unstable();
                    ids.dedup();
                    if ids.len() != items.min(self.space.element_count()) {
                        return Err(format!("not {items} different ones: {ids:?}").into());
                    }
                }
                firsts.iter().map(|(id, n)| format!("{id}: {n}")).collect::<Vec<_>>().join(", ")
            }
            // cache: the pool user takes the whole list as an update brings it
            "cache" => {
                let slots = self.space.select(&pool(), usize::MAX, Advance::No).to_vec();
                let elements: Vec<_> =
                    slots.iter().filter_map(|&slot| self.space.element(slot)?.to_pool_element()).collect();
                let policy = elements.first().map(|first| first.policy.clone());
                self.candidates.replace(policy.as_ref(), elements.into_iter().map(Arc::new));
                String::new()
            }
            // pick N [failed="PE PE"]: the pool user chooses from its cache
            "pick" => {
                let count = args.next_pos().ok_or("how often?")?.parse()?;
                let failed: Vec<u32> = match args.take_key("failed") {
                    Some(ids) => ids.split(' ').map(str::parse).collect::<Result<_, _>>()?,
                    None => Vec::new(),
                };
                let Script { candidates, rng, .. } = self;
                let mut pick = || candidates.select(rng, |pe| failed.contains(&pe.id.0)).map(|pe| pe.id.0.to_string());
                (0..count).filter_map(|_| pick()).collect::<Vec<_>>().join(" ")
            }
            other => return Err(format!("unknown command {other}").into()),
        };
        args.reject_next()?;
        Ok(if out.is_empty() { out } else { out + "\n" })
    }
}

fn key<T: FromStr<Err: Error + 'static>>(
    args: &mut ArgumentConsumer<'_>,
    name: &str,
) -> Result<Option<T>, Box<dyn Error>> {
    Ok(args.take_key(name).map(str::parse).transpose()?)
}

fn list(ids: &[u32]) -> String {
    ids.iter().map(u32::to_string).collect::<Vec<_>>().join(" ")
}

fn pool() -> PoolHandle {
    PoolHandle::from("echo")
}

fn policy(args: &mut ArgumentConsumer<'_>) -> Result<Policy, Box<dyn Error>> {
    let policy = args.next_pos().ok_or("which policy?")?;
    let mut percent = |name: &str| -> Result<u32, Box<dyn Error>> {
        let percent: u64 = key(args, name)?.unwrap_or(0);
        Ok((u64::from(u32::MAX) * percent / 100) as u32)
    };
    let (load, degradation) = (percent("load")?, percent("degradation")?);
    // Of the whole in 100 ms.
    let dpf = percent("dpf")? / 100;
    let (weight, distance) = (key(args, "weight")?.unwrap_or(1), key(args, "distance")?.unwrap_or(0));

    Ok(match policy {
        "RR" => Policy::RoundRobin,
        "WRR" => Policy::WeightedRoundRobin { weight },
        "RAND" => Policy::Random,
        "WRAND" => Policy::WeightedRandom { weight },
        "PRIO" => Policy::Priority { priority: key(args, "priority")?.unwrap_or(0) },
        "LU" => Policy::LeastUsed { load },
        "LUD" => Policy::LeastUsedDegradation { load, degradation },
        "PLU" => Policy::PriorityLeastUsed { load, degradation },
        "RLU" => Policy::RandomizedLeastUsed { load },
        "RPLU" => Policy::RandomizedPriorityLeastUsed { load, degradation },
        "RLUD" => Policy::RandomizedLeastUsedDegradation { load, degradation },
        "PLUD" => Policy::PriorityLeastUsedDegradation { load, degradation },
        "RPLUD" => Policy::RandomizedPriorityLeastUsedDegradation { load, degradation },
        "WRAND-DPF" => Policy::WeightedRandomDpf { weight, weight_dpf: dpf, distance },
        "LU-DPF" => Policy::LeastUsedDpf { load, load_dpf: dpf, distance },
        "LUD-DPF" => Policy::LeastUsedDegradationDpf { load, degradation, load_dpf: dpf, distance },
        "PLU-DPF" => Policy::Other { policy_type: 0xb000_2004, data: bytes::Bytes::new() },
        "PLUD-DPF" => Policy::Other { policy_type: 0xb000_2005, data: bytes::Bytes::new() },
        other => return Err(format!("unknown policy {other}").into()),
    })
}

fn pe(id: u32, policy: Policy) -> PoolElement {
    PoolElement {
        id: PeId(id),
        home: ServerId::NONE,
        life: RegistrationLife(300),
        user_transport: UserTransport::Ip(Transport {
            protocol: Protocol::Tcp,
            port: 7,
            transport_use: TransportUse::DATA_PLUS_CONTROL,
            addresses: smallvec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
        }),
        policy,
        asap_transport: None,
        unknown: vec![],
    }
}
