// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the registrar is told: flag over environment over file over profile.

mod documented;
mod value;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use daemon::config::{ConfigError, Entry, File};
use net::{TransportChoice, TransportSettings};
use rsp_core::config::{Profile, RegistrarSettings};

use crate::args::Args;
use crate::peers::PeerName;
pub(crate) use value::{Admin, Id};

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Config {
    /// Where the settings not named elsewhere come from.
    pub(crate) profile: Profile,
    /// Over what ASAP and ENRP are served.
    pub(crate) transport: TransportChoice,
    /// UDP port of SCTP over UDP.
    pub(crate) encapsulation_port: u16,
    /// Where ASAP is served; empty = port 3863 on all addresses.
    pub(crate) asap: Vec<SocketAddr>,
    /// Where ENRP is served; empty = where ASAP is, port 9901.
    pub(crate) enrp: Vec<SocketAddr>,
    /// Other registrars.
    pub(crate) peers: Vec<PeerName>,
    /// The multicast groups of the scope.
    pub(crate) asap_groups: Vec<SocketAddr>,
    pub(crate) enrp_groups: Vec<SocketAddr>,
    /// `None` = all that can multicast.
    pub(crate) multicast_interface: Option<String>,
    /// Time to live of multicast.
    pub(crate) multicast_hops: u8,
    /// Where admin HTTP is served.
    pub(crate) admin: Admin,
    /// `None` = random.
    pub(crate) id: Option<Id>,
    /// Timers and limits.
    pub(crate) settings: RegistrarSettings,
}

impl Config {
    /// The values of a profile.
    pub(crate) fn of(profile: Profile) -> Self {
        let settings = RegistrarSettings::of(profile);
        Config {
            profile,
            transport: TransportChoice::default(),
            encapsulation_port: TransportSettings::default().encapsulation_port,
            asap: Vec::new(),
            enrp: Vec::new(),
            peers: Vec::new(),
            asap_groups: profile.asap_groups().to_vec(),
            enrp_groups: profile.enrp_groups().to_vec(),
            multicast_interface: None,
            multicast_hops: 1,
            admin: Admin::default(),
            id: None,
            settings,
        }
    }

    /// What flags, environment and file say. clap has read the environment for the flags that have a variable.
    pub(crate) fn load(args: &Args) -> Result<Self, ConfigError> {
        let file = config_file(args.config.as_deref()).map(|path| File::read(&path)).transpose()?;
        let variables = |name: &str| std::env::var(variable(name)).ok().filter(|value| !value.is_empty());
        Self::layered(args, variables, file.as_ref())
    }

    /// What is wrong only together, or on this host.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if let Some(both) = self.enrp.iter().find(|address| address.port() != 0 && self.asap.contains(address)) {
            let what = format!("{both} is that of ASAP, too: ENRP needs another (9901 is its port)");
            return Err(ConfigError::Setting { from: ENRP.to_owned(), what });
        }
        match &self.multicast_interface {
            Some(name) if !net::has_interface(name) => {
                let what = format!("this host has no interface {name} (`ip link` lists those it has)");
                Err(ConfigError::Setting { from: MULTICAST_INTERFACE.to_owned(), what })
            }
            _ => Ok(()),
        }
    }

    fn layered(
        args: &Args,
        variables: impl Fn(&str) -> Option<String>,
        file: Option<&File>,
    ) -> Result<Self, ConfigError> {
        let profile_in_file = file.and_then(|file| Some((file, file.get(PROFILE)?)));
        let profile = match (args.profile, profile_in_file) {
            (Some(profile), _) => profile,
            (None, Some((file, entry))) => parsed(file, entry)?,
            (None, None) => Profile::default(),
        };
        let mut config = Config::of(profile);
        if let Some(file) = file {
            for entry in file.entries() {
                config.apply(file, entry)?;
            }
        }
        for name in config.settings.names() {
            if let Some(value) = variables(name) {
                let wrong = |what| ConfigError::Setting { from: variable(name), what };
                config.settings.set(name, &value).map_err(wrong)?;
            }
        }
        config.apply_flags(args)?;
        Ok(config)
    }

    fn apply(&mut self, file: &File, entry: &Entry) -> Result<(), ConfigError> {
        match entry.key.as_str() {
            // It came first.
            PROFILE => {}
            TRANSPORT => self.transport = parsed(file, entry)?,
            ENCAPSULATION_PORT => {
                let port = entry.value().and_then(|port| port.parse().ok()).filter(|port| *port > 0);
                self.encapsulation_port =
                    port.ok_or_else(|| file.wrong(entry, "a UDP port, 1 to 65535, is expected".to_owned()))?;
            }
            ASAP => self.asap = addresses(file, entry)?,
            ENRP => self.enrp = addresses(file, entry)?,
            PEERS => {
                let peers = entry.values.iter().map(|value| value.parse()).collect::<Result<_, _>>();
                self.peers = peers.map_err(|what| file.wrong(entry, what))?;
            }
            ASAP_GROUPS => self.asap_groups = groups(file, entry)?,
            ENRP_GROUPS => self.enrp_groups = groups(file, entry)?,
            MULTICAST_INTERFACE => self.multicast_interface = entry.value().map(str::to_owned),
            MULTICAST_HOPS => {
                let hops = entry.value().and_then(|hops| hops.parse().ok()).filter(|hops| *hops > 0);
                self.multicast_hops = hops.ok_or_else(|| file.wrong(entry, "1 to 255 is expected".to_owned()))?;
            }
            ADMIN => self.admin = parsed(file, entry)?,
            ID => self.id = Some(parsed(file, entry)?),
            name if self.settings.names().contains(&name) => {
                let value = entry.value().ok_or_else(|| file.wrong(entry, "one value is expected".to_owned()))?;
                self.settings.set(name, value).map_err(|what| file.wrong(entry, what))?;
            }
            _ => {
                let mut known = vec![PROFILE, TRANSPORT, ENCAPSULATION_PORT, ASAP, ENRP, PEERS, ADMIN, ID];
                known.extend([ASAP_GROUPS, ENRP_GROUPS, MULTICAST_INTERFACE, MULTICAST_HOPS]);
                known.extend(self.settings.names());
                return Err(file.unknown(entry, &known));
            }
        }
        Ok(())
    }

    fn apply_flags(&mut self, args: &Args) -> Result<(), ConfigError> {
        self.transport = args.transport.unwrap_or(self.transport);
        self.encapsulation_port = args.encapsulation_port.unwrap_or(self.encapsulation_port);
        if !args.asap.is_empty() {
            self.asap.clone_from(&args.asap);
        }
        if !args.enrp.is_empty() {
            self.enrp.clone_from(&args.enrp);
        }
        if !args.peers.is_empty() {
            self.peers.clone_from(&args.peers);
        }
        self.settings.multicast |= args.multicast;
        if args.multicast_interface.is_some() {
            self.multicast_interface.clone_from(&args.multicast_interface);
        }
        self.admin = args.admin.unwrap_or(self.admin);
        self.id = args.id.or(self.id);
        for setting in &args.settings {
            let wrong = |what| ConfigError::Setting { from: format!("--set {setting}"), what };
            let (name, value) = setting.split_once('=').ok_or_else(|| wrong("NAME=VALUE is expected".to_owned()))?;
            self.settings.set(name.trim(), value.trim()).map_err(wrong)?;
        }
        Ok(())
    }
}

/// The file named, else the one of the system if there is one.
fn config_file(named: Option<&Path>) -> Option<PathBuf> {
    let of_the_system = || Some(PathBuf::from(DEFAULT_FILE)).filter(|path| path.exists());
    named.map(Path::to_owned).or_else(of_the_system)
}

fn parsed<T: std::str::FromStr<Err = String>>(file: &File, entry: &Entry) -> Result<T, ConfigError> {
    let value = entry.value().ok_or_else(|| file.wrong(entry, "one value is expected".to_owned()))?;
    value.parse().map_err(|what| file.wrong(entry, what))
}

fn addresses(file: &File, entry: &Entry) -> Result<Vec<SocketAddr>, ConfigError> {
    let addresses = entry.values.iter().map(|value| value.parse()).collect::<Result<_, _>>();
    addresses.map_err(|_| file.wrong(entry, ADDRESSES.to_owned()))
}

fn groups(file: &File, entry: &Entry) -> Result<Vec<SocketAddr>, ConfigError> {
    let group = |value: &String| value.parse().ok().filter(|group: &SocketAddr| group.ip().is_multicast());
    let groups: Option<Vec<_>> = entry.values.iter().map(group).collect();
    groups.filter(|groups| !groups.is_empty()).ok_or_else(|| file.wrong(entry, GROUPS.to_owned()))
}

/// The environment variable of a setting.
fn variable(name: &str) -> String {
    format!("RSERPOOL_{}", name.to_ascii_uppercase())
}

/// Read if it exists and no other is named.
const DEFAULT_FILE: &str = "/etc/rserpool/registrar.toml";

const PROFILE: &str = "profile";
const TRANSPORT: &str = "transport";
const ENCAPSULATION_PORT: &str = "encapsulation_port";
const ASAP: &str = "asap";
const ENRP: &str = "enrp";
const PEERS: &str = "static_peers";
const ASAP_GROUPS: &str = "asap_groups";
const ENRP_GROUPS: &str = "enrp_groups";
const MULTICAST_INTERFACE: &str = "multicast_interface";
const MULTICAST_HOPS: &str = "multicast_hops";
const ADMIN: &str = "admin";
const ID: &str = "id";
const GROUPS: &str = "multicast groups with ports are expected, e.g. [\"239.0.0.50:3863\", \"[ff05::133]:3863\"]";
const ADDRESSES: &str = "a list of addresses with ports is expected, e.g. [\"192.0.2.1:3863\", \"[::1]:3863\"]";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use std::time::Duration;

    fn load(flags: &[&str], variables: &[(&str, &str)], file: Option<&str>) -> Result<Config, String> {
        let args = Args::parse_from(std::iter::once(&"rsp-registrar").chain(flags));
        let value = |name: &str| variables.iter().find(|(key, _)| *key == variable(name)).map(|(_, v)| v.to_string());
        let render = |error: ConfigError| error.render();
        let file = file.map(|text| File::parse("registrar.toml", text.to_owned())).transpose().map_err(render)?;
        Config::layered(&args, value, file.as_ref()).map_err(render)
    }

    #[test]
    fn a_flag_wins_over_a_variable_over_the_file_over_the_profile() {
        let file =
            Some("profile = \"fast\"\ngive_up = \"3s\"\nkeep_alive_interval = \"3s\"\nkeep_alive_timeout = \"3s\"\n");
        let variables = [("RSERPOOL_KEEP_ALIVE_INTERVAL", "2s"), ("RSERPOOL_KEEP_ALIVE_TIMEOUT", "2s")];
        let config = load(&["--set", "keep_alive_timeout=1s"], &variables, file).unwrap();
        assert_eq!(config.settings.server_announce, Duration::from_millis(250), "profile fast");
        assert_eq!(config.settings.give_up, Duration::from_secs(3));
        assert_eq!(config.settings.keep_alive_interval, Duration::from_secs(2));
        assert_eq!(config.settings.keep_alive_timeout, Duration::from_secs(1));
        let config = load(&["--profile", "rfc"], &[], file).unwrap();
        assert_eq!((config.profile, config.settings.give_up), (Profile::Rfc, Duration::from_secs(3)));
    }

    #[test]
    fn nothing_said_is_the_standard_profile() {
        assert_eq!(load(&[], &[], None), Ok(Config::of(Profile::Standard)));
    }

    #[test]
    fn addresses_and_identifier_come_from_file_or_flags() {
        let file = Some("asap = [\"127.0.0.1:1\", \"[::1]:2\"]\nadmin = \"off\"\nid = \"0a0b0c0d\"\n");
        let config = load(&[], &[], file).unwrap();
        assert_eq!((config.asap.len(), config.admin), (2, Admin::Off));
        assert_eq!(config.id, Some(Id(0x0a0b_0c0d)));
        let config = load(&["--asap", "127.0.0.1:3", "--id", "0x7", "--admin", "127.0.0.1:4"], &[], file).unwrap();
        assert_eq!(config.asap, ["127.0.0.1:3".parse().unwrap()]);
        assert_eq!((config.admin, config.id), (Admin::At("127.0.0.1:4".parse().unwrap()), Some(Id(7))));
        assert_eq!("http://127.0.0.1:4/".parse(), Ok(config.admin));
    }

    #[test]
    fn every_mistake_names_its_place_and_what_is_right() {
        let in_file = |text| load(&[], &[], Some(text)).unwrap_err();
        let cases = [
            (in_file("give_upp = \"3s\"\n"), "registrar.toml:1: unknown key give_upp", "give_up?"),
            (in_file("\ngive_up = 3\n"), "registrar.toml:2: give_up", "250ms"),
            (in_file("give_up = [\"3s\", \"4s\"]\n"), "registrar.toml:1: give_up", "one value"),
            (in_file("profile = \"quick\"\n"), "registrar.toml:1: profile", "standard"),
            (in_file("asap = \"localhost\"\n"), "registrar.toml:1: asap", "192.0.2.1:3863"),
            (in_file("admin = \"on\"\n"), "registrar.toml:1: admin", "off"),
            (in_file("id = \"0\"\n"), "registrar.toml:1: id", "ffffffff"),
            (load(&["--set", "give_up"], &[], None).unwrap_err(), "--set give_up", "NAME=VALUE"),
            (load(&["--set", "giveup=1s"], &[], None).unwrap_err(), "unknown setting", "give_up"),
            (load(&[], &[("RSERPOOL_GIVE_UP", "soon")], None).unwrap_err(), "RSERPOOL_GIVE_UP", "250ms"),
        ];
        for (error, place, remedy) in cases {
            assert!(error.contains(place) && error.contains(remedy), "{error}");
        }
    }
}
