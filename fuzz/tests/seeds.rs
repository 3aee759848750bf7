// SPDX-License-Identifier: MIT OR Apache-2.0
//! Each target with its seeds, and with each of their bytes changed.

use fuzz::seeds::{captures, command_lists, streams, vectors};

#[test]
fn the_asap_target_finds_nothing_in_its_seeds() {
    every_byte(fuzz::asap, [vectors("asap"), vectors("session")].concat());
}

#[test]
fn the_enrp_target_finds_nothing_in_its_seeds() {
    every_byte(fuzz::enrp, vectors("enrp"));
}

#[test]
fn the_tcp_mapping_target_finds_nothing_in_its_seeds() {
    every_byte(fuzz::tcp_mapping, streams());
    some_bytes(fuzz::tcp_mapping, command_lists(500));
}

#[test]
fn the_sctp_udp_target_finds_nothing_in_its_seeds() {
    some_bytes(fuzz::sctp_udp, command_lists(100));
}

#[test]
fn the_capture_target_finds_nothing_in_its_seeds() {
    some_bytes(fuzz::capture, captures());
}

#[test]
fn the_registrar_target_finds_nothing_in_its_seeds() {
    some_bytes(fuzz::registrar, command_lists(32));
}

#[test]
fn the_session_target_finds_nothing_in_its_seeds() {
    some_bytes(fuzz::session, command_lists(500));
}

fn every_byte(target: fn(&[u8]), seeds: Vec<Vec<u8>>) {
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

fn some_bytes(target: fn(&[u8]), seeds: Vec<Vec<u8>>) {
    assert!(!seeds.is_empty());
    for mut seed in seeds {
        target(&seed);
        for at in (0..seed.len()).step_by(400) {
            seed[at] ^= 0xff;
            target(&seed);
        }
    }
}
