// SPDX-License-Identifier: MIT OR Apache-2.0
//! Socket options, `RSP_OPT_*`.

use std::time::Duration;

use rserpool::{BusinessCard, CookieKey, Mapping};

use super::conversation::End;
use super::{Conversation, Patience, Socket};
use crate::errno::{Failure, Result};
use crate::library::Library;

/// What an application sets before it connects or registers.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) failover: bool,
    pub(crate) acks: bool,
    pub(crate) window: Option<usize>,
    pub(crate) heartbeat: Option<Duration>,
    /// A pool's news may be as old as configured; without it a registrar is asked each time.
    pub(crate) may_be_stale: bool,
    pub(crate) linger: Option<Duration>,
    pub(crate) life: Option<Duration>,
    pub(crate) pe_id: Option<u32>,
    pub(crate) mapping: Option<Mapping>,
    pub(crate) card: Option<BusinessCard>,
    pub(crate) cookie_keys: Vec<CookieKey>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            failover: true,
            acks: false,
            window: None,
            heartbeat: None,
            may_be_stale: true,
            linger: None,
            life: None,
            pe_id: None,
            mapping: None,
            card: None,
            cookie_keys: Vec::new(),
        }
    }
}

/// `RSP_OPT_*`
pub(crate) mod name {
    pub(crate) const FAILOVER: i32 = 1;
    pub(crate) const ACKS: i32 = 2;
    pub(crate) const WINDOW: i32 = 3;
    pub(crate) const HEARTBEAT: i32 = 4;
    pub(crate) const STALE: i32 = 5;
    pub(crate) const LINGER: i32 = 6;
    pub(crate) const LIFE: i32 = 7;
    pub(crate) const PE_ID: i32 = 8;
    pub(crate) const COOKIE_KEY: i32 = 9;
    pub(crate) const RESERVE: i32 = 10;
    pub(crate) const STREAMS: i32 = 11;
    pub(crate) const RTT: i32 = 12;
    pub(crate) const RTO: i32 = 13;
    pub(crate) const PMTU: i32 = 14;
    pub(crate) const MAPPING: i32 = 15;
    pub(crate) const FEATURES: i32 = 16;
    pub(crate) const UNACKED: i32 = 17;
}

impl Socket {
    /// Sets an option: what is connected or registered afterwards has it.
    pub(crate) fn set(&self, option: i32, value: &[u8]) -> Result<()> {
        match (option, value.first_chunk::<4>()) {
            (name::COOKIE_KEY, _) => self.add_cookie_key(value),
            (_, None) => Err(invalid("an option is 4 bytes long")),
            (_, Some(number)) => self.set_number(option, u32::from_ne_bytes(*number)),
        }
    }

    /// The first key seals, all verify.
    fn add_cookie_key(&self, text: &[u8]) -> Result<()> {
        let text = std::str::from_utf8(text.strip_suffix(&[0]).unwrap_or(text)).unwrap_or_default();
        let key: CookieKey = text.parse().map_err(|error| Failure::new(libc::EINVAL, format!("{error}")))?;
        let mut state = self.lock();
        let keys = &mut state.options.cookie_keys;
        if keys.len() >= MAX_KEYS {
            return Err(invalid("there are 16 keys already"));
        }
        keys.push(key);
        Ok(())
    }

    fn set_number(&self, option: i32, value: u32) -> Result<()> {
        let time = Duration::from_millis(u64::from(value));
        let mut state = self.lock();
        let options = &mut state.options;
        match option {
            name::FAILOVER | name::ACKS | name::STALE if value > 1 => return Err(invalid("it is 0 or 1")),
            name::WINDOW | name::HEARTBEAT | name::LINGER | name::LIFE if i32::try_from(value).is_err() => {
                return Err(invalid("it is negative, or more than a signed number of 4 bytes"));
            }
            name::FAILOVER => options.failover = value != 0,
            name::ACKS => options.acks = value != 0,
            name::WINDOW if value == 0 => return Err(invalid("a window has at least one byte")),
            name::WINDOW => options.window = Some(value as usize),
            name::HEARTBEAT if value == 0 => return Err(invalid("an interval is at least a millisecond")),
            name::HEARTBEAT => options.heartbeat = Some(time),
            name::STALE => options.may_be_stale = value != 0,
            name::LINGER => options.linger = Some(time),
            name::LIFE if value == 0 => return Err(invalid("a registration lives at least a millisecond")),
            name::LIFE => options.life = Some(time),
            name::PE_ID => options.pe_id = Some(value),
            name::MAPPING => options.mapping = Some(mapping(value)?),
            name::STREAMS | name::RTT | name::RTO | name::PMTU | name::FEATURES | name::UNACKED => {
                return Err(invalid("this option can only be read"));
            }
            name::RESERVE => return Err(Failure::new(libc::EOPNOTSUPP, "reservations are not available here")),
            _ => return Err(unknown()),
        }
        Ok(())
    }

    /// What an option says.
    pub(crate) fn number(self: &std::sync::Arc<Self>, library: &Library, fd: i32, option: i32) -> Result<u32> {
        let options = self.lock().options.clone();
        let millis = |time: Option<Duration>| time.map_or(0, |time| time.as_millis().try_into().unwrap_or(u32::MAX));
        Ok(match option {
            name::FAILOVER => options.failover.into(),
            name::ACKS => options.acks.into(),
            name::WINDOW => options.window.map_or(0, |window| window.try_into().unwrap_or(u32::MAX)),
            name::HEARTBEAT => millis(options.heartbeat),
            name::STALE => options.may_be_stale.into(),
            name::LINGER => millis(options.linger),
            name::LIFE => millis(options.life),
            name::PE_ID => match (self.own_handle().0, options.pe_id) {
                (Some(handle), _) => handle.id.0,
                (None, id) => id.unwrap_or(0),
            },
            name::MAPPING => {
                let conversation = self.lock().conversations.get(&0).cloned();
                let serving = conversation.and_then(|it| it.pe()).map(|pe| pe.mapping);
                let own = self.own_handle().0.map(|handle| handle.mapping);
                let mapping = serving.or(own).or(self.mapping(&options));
                mapping.map(number_of).ok_or_else(|| Failure::new(libc::ENOTCONN, "no mapping is chosen yet"))?
            }
            name::FEATURES => self.connected(library, fd)?.has_acks().into(),
            name::UNACKED => self.lock().outcomes.under_way(),
            name::RTT => self.path(library, fd, |path| path.srtt.map(micros))?,
            name::RTO => self.path(library, fd, |path| path.rto.map(micros))?,
            name::PMTU => self.path(library, fd, |path| path.pmtu.map(|pmtu| pmtu.try_into().unwrap_or(u32::MAX)))?,
            name::STREAMS | name::RESERVE => return Err(not_on_this_mapping()),
            name::COOKIE_KEY => return Err(Failure::new(libc::EOPNOTSUPP, "a key is never shown")),
            _ => return Err(unknown()),
        })
    }

    fn connected(self: &std::sync::Arc<Self>, library: &Library, fd: i32) -> Result<std::sync::Arc<Conversation>> {
        self.conversation(library, fd, 0, Patience::None).map_err(|failure| match failure.errno {
            libc::EAGAIN | libc::EDESTADDRREQ => Failure::new(libc::ENOTCONN, "it is not connected"),
            _ => failure,
        })
    }

    /// Something of the path messages take.
    fn path(
        self: &std::sync::Arc<Self>,
        library: &Library,
        fd: i32,
        of: impl Fn(&rserpool::Path) -> Option<u32>,
    ) -> Result<u32> {
        let conversation = self.connected(library, fd)?;
        let paths = library.runtime.call(async move {
            match &conversation.end {
                End::User(session) => session.paths().await,
                End::Element(_) => Err(rserpool::Error::NotAvailable { feature: "paths", mapping: "server's" }),
            }
        })??;
        let primary = paths.iter().find(|path| path.primary).or(paths.first());
        primary.and_then(of).ok_or_else(not_on_this_mapping)
    }
}

impl Conversation {
    fn has_acks(&self) -> bool {
        match &self.end {
            End::User(session) => session.has_acks(),
            End::Element(_) => false,
        }
    }
}

/// `RSP_NO_MAPPING`, `RSP_MAPPING_SCTP`, `RSP_MAPPING_TCP`
pub(crate) fn number_of(mapping: Mapping) -> u32 {
    match mapping {
        Mapping::None => 0,
        Mapping::Sctp => 1,
        Mapping::Tcp => 2,
    }
}

pub(crate) fn mapping(number: u32) -> Result<Mapping> {
    [Mapping::None, Mapping::Sctp, Mapping::Tcp]
        .into_iter()
        .find(|mapping| number_of(*mapping) == number)
        .ok_or_else(|| invalid("there is no such mapping"))
}

/// Keys change now and then.
const MAX_KEYS: usize = 16;

fn micros(time: Duration) -> u32 {
    time.as_micros().try_into().unwrap_or(u32::MAX)
}

fn invalid(text: &'static str) -> Failure {
    Failure::new(libc::EINVAL, text)
}

fn unknown() -> Failure {
    Failure::new(libc::ENOPROTOOPT, "there is no such option")
}

fn not_on_this_mapping() -> Failure {
    Failure::new(libc::EOPNOTSUPP, "not available on this mapping")
}
