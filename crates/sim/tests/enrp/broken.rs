// SPDX-License-Identifier: MIT OR Apache-2.0
//! Registrars that break a rule of takeovers are noticed: what the soak test is worth.

use sim::soak::violation;
use sim::world::Rule;

/// What the first seed that notices it says.
fn noticed(rule: Rule) -> String {
    (1..=SEEDS)
        .find_map(|seed| violation(seed, rule))
        .unwrap_or_else(|| panic!("{SEEDS} seeds did not notice {rule:?}"))
}

#[test]
fn a_takeover_without_acknowledgements_is_noticed() {
    println!("{}", noticed(Rule::NoArbitration));
}

#[test]
fn a_takeover_of_a_registrar_that_lives_is_noticed() {
    println!("{}", noticed(Rule::TargetAlive));
}

#[test]
fn a_registrar_that_does_not_hear_of_takeovers_is_noticed() {
    println!("{}", noticed(Rule::DeafToTakeovers));
}

const SEEDS: u64 = 60;
