// SPDX-License-Identifier: MIT OR Apache-2.0
//! Settings of the library: builder > `RSERPOOL_*` > `/etc/rserpool/client.toml` > profile.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rsp_core::config::{EndpointSettings, Profile, SessionSettings};
use serde::Deserialize;

use crate::{Error, Mapping, Result, Transport};

/// What a [`PoolUser`](crate::PoolUser) and everything it makes works with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Registrars to ask, `host[:port]`, port 3863 if none is given.
    pub registrars: Vec<String>,
    /// Over which transports registrars and pools are reached, and pool elements served.
    pub transport: Transport,
    /// UDP port of SCTP over UDP (RFC 6951) where it is not 9899.
    pub encapsulation_port: Option<u16>,
    /// The mappings sessions may use (INITIALIZE of the service drafts). The pool's own is used if it is among them; otherwise the pools of its
    /// servers' further mappings are asked in this order. Empty = those of `transport`.
    pub mappings: Vec<Mapping>,
    /// Whether registrars are also found by what they announce by multicast; `None`: only if `registrars` is empty.
    pub multicast: Option<bool>,
    /// Where they announce it; empty = the groups of the profile.
    pub multicast_groups: Vec<SocketAddr>,
    /// The interface to hear it on; `None` = all that can multicast.
    pub multicast_interface: Option<String>,
    /// Where the process serves its control socket (docs/control-socket.md); `None` and `none` = nowhere.
    pub control_dir: Option<PathBuf>,
    /// The profile the values come from.
    pub profile: Profile,
    /// Towards registrars.
    pub endpoint: EndpointSettings,
    /// Between pool user and pool element.
    pub session: SessionSettings,
}

impl Config {
    /// The values of a profile; a registrar on this host, or any that announces itself.
    pub fn of(profile: Profile) -> Self {
        Config {
            registrars: Vec::new(),
            transport: Transport::default(),
            encapsulation_port: None,
            mappings: Vec::new(),
            multicast: None,
            multicast_groups: Vec::new(),
            multicast_interface: None,
            control_dir: None,
            profile,
            endpoint: EndpointSettings::of(profile),
            session: SessionSettings::of(profile),
        }
    }

    /// What environment and `/etc/rserpool/client.toml` (or the file `RSERPOOL_CONFIG` names) say.
    ///
    /// # Errors
    /// [`Error::Config`] names the file, the place and the mistake.
    pub fn load() -> Result<Self> {
        Self::load_with(None, None)
    }

    /// The same with another profile (what the file sets by name still counts), or another file.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load_with(profile: Option<Profile>, file: Option<&Path>) -> Result<Self> {
        let variable = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
        let path = match (file, variable("RSERPOOL_CONFIG")) {
            (Some(path), _) => Some(path.to_owned()),
            (None, Some(path)) => Some(PathBuf::from(path)),
            (None, None) => Some(PathBuf::from(DEFAULT_FILE)).filter(|path| path.exists()),
        };
        let file = path.as_deref().map(File::read).transpose()?.unwrap_or_default();
        let in_file = |what: String| {
            Error::Config(format!("{}: {what}", path.as_deref().unwrap_or(Path::new(DEFAULT_FILE)).display()))
        };
        let profile = match (profile, variable("RSERPOOL_PROFILE"), file.profile) {
            (Some(profile), _, _) => profile,
            (None, Some(name), _) => name.parse().map_err(|e| Error::Config(format!("RSERPOOL_PROFILE: {e}")))?,
            (None, None, Some(name)) => name.parse().map_err(in_file)?,
            (None, None, None) => Profile::default(),
        };
        let mut config = Config::of(profile);
        config.registrars = match variable("RSERPOOL_REGISTRARS") {
            Some(list) => list.split(',').map(|r| r.trim().to_owned()).filter(|r| !r.is_empty()).collect(),
            None => file.registrars,
        };
        config.transport = match (variable("RSERPOOL_TRANSPORT"), file.transport) {
            (Some(name), _) => name.parse().map_err(|e| Error::Config(format!("RSERPOOL_TRANSPORT: {e}")))?,
            (None, Some(name)) => name.parse().map_err(in_file)?,
            (None, None) => Transport::default(),
        };
        config.encapsulation_port = match variable("RSERPOOL_ENCAPSULATION_PORT") {
            Some(port) => Some(from_variable("RSERPOOL_ENCAPSULATION_PORT", &port, "a UDP port")?),
            None => file.encapsulation_port,
        };
        config.mappings = match variable("RSERPOOL_MAPPINGS") {
            Some(list) => list.split(',').map(|name| name.trim().parse()).collect::<Result<_>>()?,
            None => file
                .mappings
                .iter()
                .map(|name| name.parse())
                .collect::<Result<_>>()
                .map_err(|e| in_file(e.to_string()))?,
        };
        config.multicast = match variable("RSERPOOL_MULTICAST") {
            Some(yes_or_no) => Some(from_variable("RSERPOOL_MULTICAST", &yes_or_no, "true or false")?),
            None => file.multicast,
        };
        config.multicast_groups = match variable("RSERPOOL_MULTICAST_GROUPS") {
            Some(list) => list
                .split(',')
                .map(|group| {
                    from_variable("RSERPOOL_MULTICAST_GROUPS", group.trim(), "239.0.0.50:3863 or [ff05::133]:3863")
                })
                .collect::<Result<_>>()?,
            None => file.multicast_groups,
        };
        config.multicast_interface = variable("RSERPOOL_MULTICAST_INTERFACE").or(file.multicast_interface);
        config.control_dir = variable("RSERPOOL_CONTROL_DIR").map(PathBuf::from).or(file.control_dir);
        for (name, value) in file.endpoint {
            config.endpoint.set(&name, &plain(&value)).map_err(|e| in_file(format!("[endpoint] {e}")))?;
        }
        for (name, value) in file.session {
            config.session.set(&name, &plain(&value)).map_err(|e| in_file(format!("[session] {e}")))?;
        }
        Ok(config)
    }
}

impl Config {
    /// The same registrars with the values of another profile.
    pub(crate) fn with(self, profile: Profile) -> Self {
        let Config { endpoint, session, .. } = Config::of(profile);
        Config { profile, endpoint, session, ..self }
    }
}

impl Default for Config {
    fn default() -> Self {
        Config::of(Profile::default())
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    profile: Option<String>,
    registrars: Vec<String>,
    transport: Option<String>,
    encapsulation_port: Option<u16>,
    mappings: Vec<String>,
    multicast: Option<bool>,
    multicast_groups: Vec<SocketAddr>,
    multicast_interface: Option<String>,
    control_dir: Option<PathBuf>,
    endpoint: toml::Table,
    session: toml::Table,
}

impl File {
    fn read(path: &Path) -> Result<File> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::Config(format!("{}: {e}", path.display())))?;
        toml::from_str(&text).map_err(|e| Error::Config(format!("{}: {e}", path.display())))
    }
}

fn from_variable<T: std::str::FromStr>(name: &str, text: &str, example: &str) -> Result<T> {
    text.parse().map_err(|_| Error::Config(format!("{name}=\"{text}\": {example} is expected")))
}

/// A TOML value as the settings take it: strings without quotes.
fn plain(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

const DEFAULT_FILE: &str = "/etc/rserpool/client.toml";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_shipped_configuration_can_be_uncommented() {
        let shipped = include_str!("../../../packaging/client.toml");
        let is_setting = |line: &&str| line.starts_with('#') && !line.starts_with("# ");
        let text: Vec<_> = shipped.lines().filter(is_setting).map(|line| &line[1..]).collect();
        let file: File = toml::from_str(&text.join("\n")).expect("it is a client.toml");
        assert_eq!(file.profile.as_deref(), Some("standard"));
        let mut config = Config::of(Profile::Standard);
        for (name, value) in file.endpoint {
            config.endpoint.set(&name, &plain(&value)).expect("a setting");
        }
        for (name, value) in file.session {
            config.session.set(&name, &plain(&value)).expect("a setting");
        }
        for name in ["REGISTRARS", "PROFILE", "TRANSPORT", "MULTICAST", "CONTROL_DIR", "CONFIG", "LOG"] {
            assert!(shipped.contains(&format!("RSERPOOL_{name}")), "{name}");
        }
    }
}
