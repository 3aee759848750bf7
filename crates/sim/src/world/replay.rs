// SPDX-License-Identifier: MIT OR Apache-2.0
//! A scenario under a seed; if it fails it is run again, and its dialogue printed.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::{Dialogue, Plan, World};

/// Runs `scenario`. A panic in it or in a machine is passed on with the seed and the end of the dialogue on standard error.
pub fn replay(plan: &Plan, seed: u64, scenario: impl Fn(&mut World)) {
    let run = |dialogue| {
        let mut world = World::new(plan.clone(), seed, dialogue);
        let result = catch_unwind(AssertUnwindSafe(|| scenario(&mut world)));
        (world, result)
    };
    if run(Dialogue::default()).1.is_ok() {
        return;
    }
    let (world, Err(panic)) = run(Dialogue::kept()) else {
        panic!("seed {seed} failed, and did not fail again: something in it is not deterministic");
    };
    let most = std::env::var("SIM_LINES").ok().and_then(|lines| lines.parse().ok()).unwrap_or(MOST_LINES);
    eprintln!("seed {seed}, at {}:\n{}", world.now(), world.dialogue().last(most));
    resume_unwind(panic);
}

/// Lines of dialogue shown unless the environment says `SIM_LINES`.
const MOST_LINES: usize = 200;
