// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the registrar is told: flags over environment over file over profile.

use std::net::SocketAddr;

use rsp_core::config::{Profile, RegistrarSettings};
use rsp_wire::ServerId;

use crate::args::Args;

/// All of it.
#[derive(Debug)]
pub(crate) struct Config {
    /// Where ASAP is served; empty = port 3863 on all addresses.
    pub(crate) asap: Vec<SocketAddr>,
    /// `None` = random.
    pub(crate) id: Option<ServerId>,
    /// Timers and limits.
    pub(crate) settings: RegistrarSettings,
}

impl Config {
    pub(crate) fn load(args: &Args) -> Result<Self, String> {
        let profile: Profile = args.profile.as_deref().unwrap_or("standard").parse()?;
        let mut settings = RegistrarSettings::of(profile);
        for setting in &args.settings {
            let (name, value) =
                setting.split_once('=').ok_or_else(|| format!("--set {setting}: NAME=VALUE is expected"))?;
            settings.set(name.trim(), value.trim())?;
        }
        let id = args.id.as_deref().map(parse_id).transpose()?;
        Ok(Config { asap: args.asap.clone(), id, settings })
    }
}

fn parse_id(text: &str) -> Result<ServerId, String> {
    match u32::from_str_radix(text.trim_start_matches("0x"), 16) {
        Ok(id) if id != 0 => Ok(ServerId(id)),
        _ => Err(format!("id = {text}: a hexadecimal number from 1 to ffffffff is expected")),
    }
}
