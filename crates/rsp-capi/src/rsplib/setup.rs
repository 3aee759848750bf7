// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp_initinfo`, `rsp_freeinfo`, `rsp_initarg`, `rsp_initialize`, `rsp_cleanup`.

use std::ffi::{CStr, c_char, c_int, c_uint};
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use libc::sockaddr;
use rserpool::Config;

use super::layout::{Info, RegistrarInfo};
use super::{packed, status};
use crate::errno::{Failure, Result};
use crate::library::{self, Settings};
use crate::panic::boundary;

/// What `struct rsp_info` says, and nothing where it is silent.
#[derive(Debug, Default, Clone)]
pub(crate) struct Wishes {
    registrars: Vec<SocketAddr>,
    no_multicast: bool,
    group: Option<SocketAddr>,
    announce_timeout: Option<Duration>,
    connect_timeout: Option<Duration>,
    request_timeout: Option<Duration>,
    response_timeout: Option<Duration>,
    trials: Option<u32>,
}

impl Wishes {
    /// Puts them in the place of what the configuration says.
    pub(crate) fn apply(self, config: &mut Config) {
        if !self.registrars.is_empty() {
            config.registrars = self.registrars.iter().map(SocketAddr::to_string).collect();
        }
        if self.no_multicast {
            config.multicast = Some(false);
        }
        if let Some(group) = self.group {
            config.multicast = Some(true);
            config.multicast_groups = vec![group];
        }
        let endpoint = &mut config.endpoint;
        let set = |setting: &mut Duration, wish: Option<Duration>| *setting = wish.unwrap_or(*setting);
        set(&mut endpoint.t7_outdate, self.announce_timeout);
        set(&mut endpoint.connect_timeout, self.connect_timeout);
        set(&mut endpoint.t5_server_hunt, self.request_timeout);
        set(&mut endpoint.t1_request, self.response_timeout);
        set(&mut endpoint.t2_registration, self.response_timeout);
        set(&mut endpoint.t3_deregistration, self.response_timeout);
        if let Some(trials) = self.trials {
            endpoint.max_reg_attempt = trials;
            endpoint.max_request_retransmit = trials.saturating_sub(1);
        }
    }
}

/// `rsp_initinfo`
///
/// # Safety
/// `info` is null or points to a `struct rsp_info`, of any content.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rsp_initinfo(info: *mut Info) {
    boundary((), || {
        if info.is_null() {
            return Ok(());
        }
        let variable = |name| std::env::var(name).ok();
        let server = variable("CSP_SERVER").and_then(|server| addresses(&server, status::PORT));
        let interval = variable("CSP_INTERVAL").and_then(|text| text.parse::<c_uint>().ok());
        // SAFETY: by the contract of this function; zeros are a valid content.
        unsafe {
            info.write_bytes(0, 1);
            (*info).ri_version = VERSION;
            (*info).ri_revision = REVISION;
            (*info).ri_csp_server = server.map_or(std::ptr::null_mut(), |server| packed::allocate(&server[..1]));
            (*info).ri_csp_interval = interval.map_or(0, |interval| interval.max(LEAST_INTERVAL));
        }
        Ok(())
    });
}

/// `rsp_freeinfo`
///
/// # Safety
/// `info` is null or was filled by [`rsp_initinfo`]; its pointers are null or come from `malloc`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rsp_freeinfo(info: *mut Info) {
    boundary((), || {
        // SAFETY: by the contract of this function.
        let Some(info) = (unsafe { info.as_mut() }) else { return Ok(()) };
        let take = |pointer: &mut *mut sockaddr| std::mem::replace(pointer, std::ptr::null_mut());
        // SAFETY: as above; each is freed once, since it is replaced by null.
        unsafe {
            libc::free(take(&mut info.ri_registrar_announce).cast());
            libc::free(take(&mut info.ri_csp_server).cast());
            let mut next = std::mem::replace(&mut info.ri_registrars, std::ptr::null_mut());
            while let Some(registrar) = next.as_mut() {
                let this = next;
                next = registrar.rri_next;
                libc::free(registrar.rri_addr.cast());
                libc::free(this.cast());
            }
        }
        Ok(())
    });
}

/// `rsp_initarg`
///
/// # Safety
/// `info` is null or was filled by [`rsp_initinfo`], `word` is null or a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rsp_initarg(info: *mut Info, word: *const c_char) -> c_int {
    boundary(0, || {
        if word.is_null() {
            return Ok(0);
        }
        // SAFETY: by the contract of this function.
        let (info, word) = unsafe { (info.as_mut(), CStr::from_ptr(word)) };
        let taken = match (info, word.to_str()) {
            (Some(info), Ok(word)) => take(info, word).is_some(),
            _ => false,
        };
        Ok(taken.into())
    })
}

/// Understands a word, if it is one for us.
fn take(info: &mut Info, word: &str) -> Option<()> {
    let (name, value) = word.split_once('=').unwrap_or((word, ""));
    let number = |least: c_uint| value.parse::<c_uint>().ok().filter(|number| *number >= least);
    match name {
        "-registrar" if value == "auto" => info.ri_disable_autoconfig = 0,
        "-registrar" => append(info, &addresses(value, ASAP_PORT)?)?,
        "-asapannounce" if value == "auto" => info.ri_disable_autoconfig = 0,
        "-asapannounce" if value == "off" || value == "none" => info.ri_disable_autoconfig = 1,
        "-asapannounce" => {
            let group = addresses(value, ASAP_PORT).filter(|it| it[0].ip().is_multicast())?;
            replace(&mut info.ri_registrar_announce, &group[..1]);
            info.ri_disable_autoconfig = 0;
        }
        "-registrarannouncetimeout" => info.ri_registrar_announce_timeout = number(1)?,
        "-registrarconnecttimeout" => info.ri_registrar_connect_timeout = number(1)?,
        "-registrarconnectmaxtrials" => info.ri_registrar_connect_max_trials = number(1)?,
        "-registrarrequesttimeout" => info.ri_registrar_request_timeout = number(1)?,
        "-registrarresponsetimeout" => info.ri_registrar_response_timeout = number(1)?,
        "-registrarrequestmaxtrials" => info.ri_registrar_request_max_trials = number(1)?,
        "-cspserver" => replace(&mut info.ri_csp_server, &addresses(value, status::PORT)?[..1]),
        "-cspinterval" => info.ri_csp_interval = number(LEAST_INTERVAL)?,
        "-cspidentifier" => {
            let digits = value.strip_prefix("0x").or(value.strip_prefix("0X"));
            info.ri_csp_identifier =
                digits.map_or_else(|| value.parse(), |digits| u64::from_str_radix(digits, 16)).ok()?;
        }
        _ if name.starts_with("-log") => super::log::take(name, value)?,
        _ => return None,
    }
    Some(())
}

/// `HOST[:PORT][,HOST[:PORT]..]`, at least one.
fn addresses(list: &str, port: u16) -> Option<Vec<SocketAddr>> {
    let one = |text: &str| -> Option<SocketAddr> {
        let found = match text.parse::<std::net::IpAddr>() {
            Ok(ip) => return Some(SocketAddr::new(ip, port)),
            Err(_) => text.to_socket_addrs().or_else(|_| (text, port).to_socket_addrs()),
        };
        found.ok()?.next()
    };
    list.split(',').map(one).collect()
}

fn append(info: &mut Info, addresses: &[SocketAddr]) -> Option<()> {
    // SAFETY: the memory is as large as what is written to it; the list is ours alone during the call.
    unsafe {
        let new: *mut RegistrarInfo = libc::malloc(size_of::<RegistrarInfo>()).cast();
        if new.is_null() {
            return None;
        }
        new.write(RegistrarInfo {
            rri_next: std::ptr::null_mut(),
            rri_addr: packed::allocate(addresses),
            rri_addrs: addresses.len(),
        });
        let mut end = &raw mut info.ri_registrars;
        while !(*end).is_null() {
            end = &raw mut (**end).rri_next;
        }
        end.write(new);
    }
    Some(())
}

fn replace(place: &mut *mut sockaddr, addresses: &[SocketAddr]) {
    // SAFETY: what was there comes from `malloc`, by the contract of `rsp_initarg`.
    unsafe { libc::free(std::mem::replace(place, packed::allocate(addresses)).cast()) };
}

/// `rsp_initialize`
///
/// # Safety
/// `info` is null or points to a `struct rsp_info` whose pointers are null or lead to what their names say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rsp_initialize(info: *mut Info) -> c_int {
    boundary(-1, || {
        // SAFETY: by the contract of this function.
        let info = unsafe { info.as_ref() };
        // SAFETY: as above.
        let wishes = info.map_or_else(|| Ok(Wishes::default()), |info| unsafe { wishes(info) })?;
        super::log::start();
        match library::initialize(Settings { wishes, ..Settings::default() }) {
            Err(failure) if failure.errno == libc::EALREADY => return Ok(0),
            other => other?,
        }
        if let Some(info) = info.filter(|info| !info.ri_csp_server.is_null()) {
            // SAFETY: by the contract of this function it is an address.
            let server = unsafe { packed::read(info.ri_csp_server, 1) }?[0];
            let interval = match info.ri_csp_interval {
                0 => DEFAULT_INTERVAL,
                interval => interval.max(LEAST_INTERVAL),
            };
            let interval = Duration::from_millis(interval.into());
            status::start(&library::library()?, server, interval, info.ri_csp_identifier);
        }
        Ok(0)
    })
}

/// # Safety
/// The pointers of `info` are null or lead to what their names say.
unsafe fn wishes(info: &Info) -> Result<Wishes> {
    let mut registrars = Vec::new();
    let mut next = info.ri_registrars;
    // SAFETY: by the contract of this function.
    while let Some(registrar) = unsafe { next.as_ref() } {
        // SAFETY: as above.
        registrars.extend(unsafe { packed::read(registrar.rri_addr, registrar.rri_addrs) }?);
        next = registrar.rri_next;
        if registrars.len() > MAX_REGISTRARS {
            return Err(Failure::new(libc::EINVAL, "the list of registrars is a circle, or too long"));
        }
    }
    let group = match info.ri_registrar_announce.is_null() {
        true => None,
        // SAFETY: as above.
        false => Some(unsafe { packed::read(info.ri_registrar_announce, 1) }?[0]),
    };
    let time = |ms: c_uint| (ms != 0).then(|| Duration::from_millis(ms.into()));
    Ok(Wishes {
        registrars,
        no_multicast: info.ri_disable_autoconfig != 0,
        group,
        announce_timeout: time(info.ri_registrar_announce_timeout),
        connect_timeout: time(info.ri_registrar_connect_timeout),
        request_timeout: time(info.ri_registrar_request_timeout),
        response_timeout: time(info.ri_registrar_response_timeout),
        trials: (info.ri_registrar_request_max_trials != 0).then_some(info.ri_registrar_request_max_trials),
    })
}

/// `rsp_cleanup`
#[unsafe(no_mangle)]
pub extern "C" fn rsp_cleanup() {
    boundary((), || {
        library::cleanup();
        Ok(())
    });
}

/// The interface we are compatible with.
const VERSION: c_uint = 2;
const REVISION: c_uint = 3;
const ASAP_PORT: u16 = 3863;
const MAX_REGISTRARS: usize = 1024;
/// Milliseconds between status reports.
const LEAST_INTERVAL: c_uint = 250;
const DEFAULT_INTERVAL: c_uint = 1000;
