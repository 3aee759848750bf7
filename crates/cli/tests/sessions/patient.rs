// SPDX-License-Identifier: MIT OR Apache-2.0
//! The configuration of tests that use the library themselves.

use rserpool::{Config, Profile};

/// Profile fast with the patience a busy machine needs.
pub(crate) fn config() -> Config {
    let mut config = Config::of(Profile::Fast);
    for (table, name, value) in sim::process::patience() {
        match table {
            "endpoint" => config.endpoint.set(name, value).expect("a setting"),
            _ => config.session.set(name, value).expect("a setting"),
        }
    }
    config
}
