// SPDX-License-Identifier: MIT OR Apache-2.0
//! How long things may take, by the settings. Stated here and nowhere else.

use std::time::Duration;

use crate::network::NetworkBox;
use crate::world::Plan;

/// Bounds of one plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The longest way of a message from host to host.
    pub way: Duration,
    /// A registrar that is silent is dead for its peers.
    pub peer_gone: Duration,
    /// Its PEs have another home.
    pub taken_over: Duration,
    /// A PE that is dead has left the handlespace, while its home lives.
    pub element_gone: Duration,
    /// The same after its home has died, too.
    pub orphan_gone: Duration,
    /// A PE nobody knows any more (its home died before it told anybody) has found another home.
    pub rehomed: Duration,
    /// All registrars agree and nobody speaks any more, after the last thing that happened.
    pub settle: Duration,
    /// A difference between two registrars that speak with each other is gone.
    pub resync: Duration,
}

impl Bounds {
    /// Those of a plan.
    pub fn of(plan: &Plan) -> Self {
        let (asap, enrp, endpoint) = (&plan.registrar, &plan.registrar.enrp, &plan.endpoint);
        let way: Duration = plan.boxes.iter().map(longest).sum();
        // MAX-TIME-LAST-HEARD, then a question with MAX-TIME-NO-RESPONSE; the cycle, since what it sent last was on its way.
        let peer_gone = enrp.max_time_last_heard + enrp.max_time_no_response + way * 2;
        // Those that would win go first, each a stagger later; acknowledgements are asked for three times, one peer may be asking the target.
        let takeover =
            enrp.takeover_stagger * u32::from(plan.registrars) + enrp.max_time_no_response * 4 + enrp.takeover_expiry;
        let taken_over = peer_gone + takeover + way * 6;
        // Keep-alives are spread by ± 50 %. A lost association is asked for over a new one.
        let element_gone = asap.keep_alive_interval * 3 / 2 + asap.keep_alive_timeout + asap.connect_timeout + way * 6;
        let orphan_gone = taken_over + element_gone;
        // The mapping's heartbeat towards registrars is 1 s x 3; then a hunt, and an answer that may not come.
        let rehomed = Duration::from_secs(4)
            + endpoint.connect_timeout * 2
            + endpoint.t5_server_hunt * 4
            + endpoint.t2_registration * 2
            + way * 6;
        let resync = enrp.peer_heartbeat_cycle * 2 + enrp.resync_min_interval * 8 + way * 6;
        let settle = orphan_gone * 2 + rehomed + resync;
        let bounds = Bounds { way, peer_gone, taken_over, element_gone, orphan_gone, rehomed, settle, resync };
        // A slow clock takes longer for the same time.
        bounds.stretched(1.0 + plan.drift as f64 / 1_000_000.0)
    }

    fn stretched(self, factor: f64) -> Self {
        Bounds {
            way: self.way,
            peer_gone: self.peer_gone.mul_f64(factor),
            taken_over: self.taken_over.mul_f64(factor),
            element_gone: self.element_gone.mul_f64(factor),
            orphan_gone: self.orphan_gone.mul_f64(factor),
            rehomed: self.rehomed.mul_f64(factor),
            settle: self.settle.mul_f64(factor),
            resync: self.resync.mul_f64(factor),
        }
    }
}

fn longest(network_box: &NetworkBox) -> Duration {
    match *network_box {
        NetworkBox::Delay(time) | NetworkBox::Jitter(time) => time,
        NetworkBox::Loss(_, again) | NetworkBox::Reorder(_, again) => again,
        NetworkBox::Duplicate(_) | NetworkBox::Mtu(_) => Duration::ZERO,
    }
}
