// SPDX-License-Identifier: MIT OR Apache-2.0
//! Each target with its seeds, and with each of their bytes changed.

use fuzz::seeds::{command_lists, vectors};

#[test]
fn the_asap_target_finds_nothing_in_its_seeds() {
    run(fuzz::asap, &["asap", "session"]);
}

#[test]
fn the_enrp_target_finds_nothing_in_its_seeds() {
    run(fuzz::enrp, &["enrp"]);
}

#[test]
fn the_registrar_target_finds_nothing_in_its_seeds() {
    for mut commands in command_lists() {
        fuzz::registrar(&commands);
        for at in (0..commands.len()).step_by(400) {
            commands[at] ^= 0xff;
            fuzz::registrar(&commands);
        }
    }
}

fn run(target: fn(&[u8]), folders: &[&str]) {
    let seeds: Vec<Vec<u8>> = folders.iter().flat_map(|folder| vectors(folder)).collect();
    assert!(!seeds.is_empty());
    for seed in seeds {
        target(&seed);
        for at in 0..seed.len() {
            let mut changed = seed.clone();
            for value in [0, 1, 0x7f, 0x80, 0xff, seed[at].wrapping_add(1), seed[at].wrapping_sub(1)] {
                changed[at] = value;
                target(&changed);
            }
        }
    }
}
