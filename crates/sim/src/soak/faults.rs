// SPDX-License-Identifier: MIT OR Apache-2.0
//! Faults: drawn, begun, and undone when they are due.

use std::fmt;
use std::time::Duration;

use machine::Time;

use super::Watcher;
use crate::network::Cut;
use crate::world::{Host, Rule, World};

/// What fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// `kill -9`; a registrar comes back as who it was, or as another.
    Killed(Host, Back),
    /// Loses its power: nobody is told.
    Crashed(Host, Back),
    /// SIGSTOP.
    Stopped(Host),
    /// Leaves in order.
    Left(Host),
    /// Reads so many bytes in a millisecond.
    Slow(Host, usize),
    /// Pairs between which this does not pass.
    Cut(Vec<(Host, Host)>, Cut),
}

/// Who comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Back {
    /// The same Server Identifier.
    Same,
    /// Another one.
    Other,
}

/// Which faults a run has; pool elements fail in all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Palette {
    /// Registrars die, and come back.
    Deaths,
    /// Registrars hang.
    Hangs,
    /// Registrars are cut off from each other, one or several.
    Partitions,
    /// Two registrars are cut off from each other, and both see the others; also by TCP or multicast alone.
    PartialCuts,
    /// Registrars leave in order, and come back.
    Leaves,
    /// Pool elements only.
    Elements,
    /// Registrars and pool elements read slowly.
    Slowness,
    /// All of it.
    Everything,
}

impl Palette {
    /// All of them.
    pub const ALL: [Palette; 8] = [
        Palette::Deaths,
        Palette::Hangs,
        Palette::Partitions,
        Palette::PartialCuts,
        Palette::Leaves,
        Palette::Elements,
        Palette::Slowness,
        Palette::Everything,
    ];
}

impl Fault {
    /// The hosts that do not work.
    pub fn host(&self) -> Option<Host> {
        match self {
            Fault::Killed(host, _) | Fault::Crashed(host, _) | Fault::Stopped(host) | Fault::Left(host) => Some(*host),
            Fault::Slow(host, _) => Some(*host),
            Fault::Cut(..) => None,
        }
    }

    /// All hosts it concerns.
    pub fn hosts(&self) -> impl Iterator<Item = Host> {
        let pairs: &[(Host, Host)] = if let Fault::Cut(pairs, _) = self { pairs } else { &[] };
        self.host().into_iter().chain(pairs.iter().flat_map(|(a, b)| [*a, *b]))
    }

    /// A registrar may believe of another what is not so: more than that it is dead when it is.
    pub fn misleads(&self) -> bool {
        let is_registrar = self.hosts().any(|host| matches!(host, Host::Registrar(_)));
        let is_death = matches!(self, Fault::Killed(..) | Fault::Crashed(..) | Fault::Left(_));
        is_registrar && !is_death
    }

    fn disturbs(&self, other: &Fault) -> bool {
        let same_host = self.host().is_some() && self.host() == other.host();
        let both_cut =
            matches!((self, other), (Fault::Cut(a, _), Fault::Cut(b, _)) if a.iter().any(|pair| b.contains(pair)));
        same_host || both_cut
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::Killed(Host::Registrar(_), Back::Same) => "registrars killed, back as before",
            Fault::Killed(Host::Registrar(_), Back::Other) => "registrars killed, back as another",
            Fault::Crashed(Host::Registrar(_), Back::Same) => "registrars without power, back as before",
            Fault::Crashed(Host::Registrar(_), Back::Other) => "registrars without power, back as another",
            Fault::Stopped(Host::Registrar(_)) => "registrars stopped",
            Fault::Left(Host::Registrar(_)) => "registrars that left",
            Fault::Slow(Host::Registrar(_), _) => "slow registrars",
            Fault::Killed(..) => "PEs killed",
            Fault::Crashed(..) => "PEs without power",
            Fault::Stopped(_) => "PEs stopped",
            Fault::Left(_) => "PEs drained",
            Fault::Slow(..) => "slow PEs",
            Fault::Cut(pairs, cut) => {
                let registrars = pairs.iter().all(|(a, b)| matches!((a, b), (Host::Registrar(_), Host::Registrar(_))));
                match (registrars, pairs.len(), cut) {
                    (false, ..) => "PEs cut off from a registrar",
                    (true, 1, Cut::All) => "pairs of registrars cut",
                    (true, 1, Cut::Streams) => "pairs of registrars without TCP",
                    (true, 1, Cut::Datagrams) => "pairs of registrars without multicast",
                    (true, ..) => "partitions",
                }
            }
        })
    }
}

/// The faults of a run.
#[derive(Debug)]
pub(super) struct Trouble {
    palette: Palette,
    active: Vec<(Time, Fault)>,
}

impl Trouble {
    pub(super) fn new(palette: Palette) -> Self {
        Trouble { palette, active: Vec::new() }
    }

    /// When the next fault is over.
    pub(super) fn next_end(&self) -> Option<Time> {
        self.active.iter().map(|(until, _)| *until).min()
    }

    /// Something fails, unless it contradicts what has failed already.
    pub(super) fn begin_one(&mut self, world: &mut World, watcher: &mut Watcher) {
        let fault = self.draw(world);
        let all_down = self.registrars_down() + 1 >= usize::from(world.plan.registrars);
        let takes_one = matches!(fault, Fault::Killed(Host::Registrar(_), _) | Fault::Crashed(Host::Registrar(_), _))
            || matches!(fault, Fault::Stopped(Host::Registrar(_)) | Fault::Left(Host::Registrar(_)));
        // The last registrar dies now and then, too.
        if takes_one && all_down && world.rng.below(8) > 0 {
            return;
        }
        if self.active.iter().any(|(_, other)| fault.disturbs(other)) {
            return;
        }
        let most = if fault.hosts().any(|host| matches!(host, Host::Registrar(_))) { 5_000 } else { 3_000 };
        let least = if matches!(fault, Fault::Left(_)) { 2_500 } else { 10 };
        let until = world.now() + Duration::from_millis(least + world.rng.below(most));
        watcher.begins(&fault, world);
        begin(world, &fault);
        self.active.push((until, fault));
    }

    fn registrars_down(&self) -> usize {
        let down = |(_, fault): &&(Time, Fault)| {
            !matches!(fault, Fault::Slow(..)) && matches!(fault.host(), Some(Host::Registrar(_)))
        };
        self.active.iter().filter(down).count()
    }

    /// Undoes what is due.
    pub(super) fn end_due(&mut self, world: &mut World, watcher: &mut Watcher, rule: Option<Rule>) {
        let now = world.now();
        let (due, active) = std::mem::take(&mut self.active).into_iter().partition(|(until, _)| *until <= now);
        self.active = active;
        for (_, fault) in due {
            end(world, &fault);
            if let (Some(rule), Some(host @ Host::Registrar(_))) = (rule, fault.host()) {
                world.break_rule(host, rule);
            }
            watcher.ends(&fault, world);
        }
        // A cut that is still there, and another one over the same pair has ended: it is made again.
        for (_, fault) in &self.active {
            if let Fault::Cut(pairs, cut) = fault {
                pairs.iter().for_each(|(a, b)| world.cut_some(*a, *b, *cut));
            }
        }
    }

    /// Everybody works again.
    pub(super) fn start_all(&mut self, world: &mut World, watcher: &mut Watcher, rule: Option<Rule>) {
        for host in world.hosts().collect::<Vec<_>>() {
            if !world.runs(host) {
                world.start(host);
                if let (Some(rule), Host::Registrar(_)) = (rule, host) {
                    world.break_rule(host, rule);
                }
                watcher.changed(host, world.now());
            }
        }
    }

    fn draw(&self, world: &mut World) -> Fault {
        let element = Host::Element(world.rng.below(world.plan.elements.into()) as u16);
        let n = u64::from(world.plan.registrars);
        let registrar = Host::Registrar(world.rng.below(n) as u16);
        let palette = match self.palette {
            Palette::Everything => Palette::ALL[world.rng.below(7) as usize],
            _ if world.rng.below(4) == 0 => Palette::Elements,
            palette => palette,
        };
        let back = if world.rng.below(2) == 0 { Back::Same } else { Back::Other };
        match palette {
            Palette::Deaths if world.rng.below(2) == 0 => Fault::Killed(registrar, back),
            Palette::Deaths => Fault::Crashed(registrar, back),
            Palette::Hangs => Fault::Stopped(registrar),
            Palette::Leaves => Fault::Left(registrar),
            Palette::Partitions => partition(world, n),
            Palette::PartialCuts => {
                let Host::Registrar(a) = registrar else { unreachable!("drawn above") };
                let b = (u64::from(a) + 1 + world.rng.below(n - 1)) % n;
                let cut = [Cut::All, Cut::All, Cut::Streams, Cut::Datagrams][world.rng.below(4) as usize];
                Fault::Cut(vec![pair(registrar, Host::Registrar(b as u16))], cut)
            }
            Palette::Slowness => {
                let host = if world.rng.below(2) == 0 { registrar } else { element };
                Fault::Slow(host, 1 << world.rng.below(10))
            }
            Palette::Elements | Palette::Everything => match world.rng.below(6) {
                0 | 1 => Fault::Killed(element, Back::Other),
                2 => Fault::Crashed(element, Back::Other),
                3 => Fault::Stopped(element),
                4 => Fault::Left(element),
                _ => Fault::Cut(vec![(registrar, element)], Cut::All),
            },
        }
    }
}

/// The registrars fall apart into two parts.
fn partition(world: &mut World, n: u64) -> Fault {
    let mut side: Vec<bool> = (0..n).map(|_| world.rng.below(2) == 0).collect();
    side[0] = true;
    let other = 1 + world.rng.below(n - 1) as usize;
    side[other] = false;
    let across = |a: u16, b: u16| side[usize::from(a)] != side[usize::from(b)];
    let n = n as u16;
    let pairs = (0..n).flat_map(|a| (a + 1..n).map(move |b| (a, b))).filter(|(a, b)| across(*a, *b));
    Fault::Cut(pairs.map(|(a, b)| (Host::Registrar(a), Host::Registrar(b))).collect(), Cut::All)
}

fn pair(a: Host, b: Host) -> (Host, Host) {
    (a.min(b), a.max(b))
}

fn begin(world: &mut World, fault: &Fault) {
    match fault {
        Fault::Killed(host, _) => world.kill(*host),
        Fault::Crashed(host, _) => world.crash(*host),
        Fault::Stopped(host) => world.stop(*host),
        Fault::Left(host) => world.leave(*host),
        Fault::Slow(host, bytes) => world.read_slowly(*host, Some(*bytes)),
        Fault::Cut(pairs, cut) => pairs.iter().for_each(|(a, b)| world.cut_some(*a, *b, *cut)),
    }
}

fn end(world: &mut World, fault: &Fault) {
    match fault {
        Fault::Killed(host, Back::Same) | Fault::Crashed(host, Back::Same) => world.start_as_before(*host),
        Fault::Killed(host, _) | Fault::Crashed(host, _) | Fault::Left(host) => world.start(*host),
        Fault::Stopped(host) => world.cont(*host),
        Fault::Slow(host, _) => world.read_slowly(*host, None),
        Fault::Cut(pairs, _) => pairs.iter().for_each(|(a, b)| world.heal(*a, *b)),
    }
}
