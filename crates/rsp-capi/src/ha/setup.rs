// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp_initialize`, `rsp_cleanup`, `rsp_lasterror`, `rsp_lastcause`.

use std::ffi::{c_char, c_int};

use crate::errno::{self, Failure, Result};
use crate::handle::text;
use crate::layout::RspInfo;
use crate::library::{self, Settings};
use crate::panic::boundary;
use crate::rsplib::Wishes;

/// `rsp_initialize`
///
/// # Safety
/// `info` is null or points to a `struct rsp_info` whose pointers are null or strings.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rsp_ha_initialize(info: *const RspInfo) -> c_int {
    boundary(-1, || {
        // SAFETY: by the contract of this function.
        let settings = match unsafe { info.as_ref() } {
            // SAFETY: as above.
            Some(info) => unsafe { settings(info) }?,
            None => Settings::default(),
        };
        library::initialize(settings)?;
        Ok(0)
    })
}

/// # Safety
/// The pointers of `info` are null or strings.
unsafe fn settings(info: &RspInfo) -> Result<Settings> {
    if info.reserved != [0; 8] {
        return Err(Failure::new(libc::EINVAL, "info_reserved is not zero"));
    }
    // SAFETY: by the contract of this function, here and below.
    let config = unsafe { text(info.config) }?.map(Into::into);
    // SAFETY: as above.
    let registrars = unsafe { text(info.registrars) }?.unwrap_or_default();
    // SAFETY: as above.
    let profile = unsafe { text(info.profile) }?;
    // SAFETY: as above.
    let transport = unsafe { text(info.transport) }?;
    let invalid = |error: String| Failure::new(libc::EINVAL, error);
    Ok(Settings {
        wishes: Wishes::default(),
        config,
        registrars: registrars.split(',').map(|it| it.trim().to_owned()).filter(|it| !it.is_empty()).collect(),
        profile: profile.map(str::parse).transpose().map_err(|error| invalid(format!("info_profile: {error}")))?,
        transport: transport
            .map(str::parse)
            .transpose()
            .map_err(|error| invalid(format!("info_transport: {error}")))?,
    })
}

/// `rsp_cleanup`
#[unsafe(no_mangle)]
pub extern "C-unwind" fn rsp_ha_cleanup() {
    boundary((), || {
        library::cleanup();
        Ok(())
    });
}

/// `rsp_lasterror`
#[unsafe(no_mangle)]
pub extern "C-unwind" fn rsp_ha_lasterror() -> *const c_char {
    errno::last_error()
}

/// `rsp_lastcause`
#[unsafe(no_mangle)]
pub extern "C-unwind" fn rsp_ha_lastcause() -> u16 {
    errno::last_cause()
}
