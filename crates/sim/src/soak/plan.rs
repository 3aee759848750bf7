// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a seed stands for.

use std::time::Duration;

use machine::Rng;
use rsp_core::config::Profile;

use super::Palette;
use crate::network::NetworkBox;
use crate::world::{Peering, Plan};

/// A world, and what happens in it.
#[derive(Debug, Clone)]
pub struct Seed {
    /// The world.
    pub world: Plan,
    /// Which faults there are.
    pub palette: Palette,
    /// All hosts start within this time.
    pub start_within: Duration,
    /// Faults begin for so long.
    pub trouble: Duration,
    /// Between two of them is at most this time.
    pub pause: Duration,
    /// In the end all registrars but one die.
    pub survivor: bool,
}

/// The world of a seed. Nearby seeds differ in everything.
pub fn plan(seed: u64) -> Seed {
    let mut rng = Rng::new(seed ^ 0x736f_616b);
    let mut draw = |n: u64| rng.below(n);
    let mut plan = Plan {
        registrars: 3 + draw(3) as u16,
        elements: 5 + draw(16) as u16,
        users: draw(3) as u16,
        fixed_ids: draw(2) == 0,
        drift: [0, 0, 300, 20_000][draw(4) as usize],
        all_off: true,
        ..Plan::of(Profile::Fast)
    };
    (plan.peering, plan.multicast) = match draw(4) {
        0 => (Peering::Static, false),
        1 => (Peering::Static, true),
        2 => (Peering::Multicast, true),
        _ => (Peering::Both, true),
    };
    plan.configured = !plan.multicast || draw(3) > 0;
    match draw(4) {
        0 => plan.boxes.push(NetworkBox::Loss(5 + draw(30) as u32, Duration::from_millis(40))),
        1 => plan.boxes.extend([
            NetworkBox::Loss(10, Duration::from_millis(20)),
            NetworkBox::Duplicate(100),
            NetworkBox::Reorder(100, Duration::from_millis(15)),
            NetworkBox::Mtu(1_400),
        ]),
        2 => plan.boxes.push(NetworkBox::Jitter(Duration::from_millis(1 + draw(20)))),
        _ => {}
    }
    // A page holds a few PEs, so that downloads have several.
    if draw(3) == 0 {
        plan.registrar.enrp.handle_table_page = 200 + draw(400) as usize;
    }
    (plan.workload.requests, plan.workload.gap) = (u64::MAX, Duration::from_millis(100));
    (plan.workload.large, plan.workload.window) = (600, 1_000);
    Seed {
        world: plan,
        // Deaths are what takeovers are for.
        palette: Palette::ALL[draw(Palette::ALL.len() as u64 + 3).saturating_sub(3) as usize],
        start_within: Duration::from_millis([0, 300, 3_000][draw(3) as usize]),
        trouble: Duration::from_millis(2_000 + draw(8_000)),
        pause: Duration::from_millis([300, 1_000, 4_000][draw(3) as usize]),
        survivor: draw(3) == 0,
    }
}
