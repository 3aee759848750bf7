// SPDX-License-Identifier: MIT OR Apache-2.0
//! `--set NAME=VALUE`: settings of sessions, as the config file has them.

use anyhow::{Context, anyhow};
use rserpool::Config;

/// Sets them one after the other.
///
/// # Errors
/// Names the one that is wrong, and why.
pub(crate) fn set(config: &mut Config, settings: &[String]) -> anyhow::Result<()> {
    for setting in settings {
        let (name, value) =
            setting.split_once('=').with_context(|| format!("--set {setting}: NAME=VALUE is expected"))?;
        config.session.set(name, value).map_err(|error| anyhow!("--set {setting}: {error}"))?;
    }
    Ok(())
}
