// SPDX-License-Identifier: MIT OR Apache-2.0
//! The structures and numbers of `<rserpool.h>`, as they lie in memory. A test compares them with what a C compiler makes of the header.

use std::ffi::{c_char, c_int, c_uint};

use libc::sockaddr;

/// `struct rsp_registrar_info`
#[derive(Debug)]
#[repr(C)]
pub struct RegistrarInfo {
    /// The next of the list.
    pub rri_next: *mut RegistrarInfo,
    /// Packed addresses.
    pub rri_addr: *mut sockaddr,
    /// How many.
    pub rri_addrs: usize,
}

/// `struct rsp_info`
#[derive(Debug)]
#[repr(C)]
#[allow(missing_docs, reason = "the header says what they are")]
pub struct Info {
    pub ri_version: c_uint,
    pub ri_revision: c_uint,
    pub ri_build_date: *const c_char,
    pub ri_build_time: *const c_char,
    pub ri_registrars: *mut RegistrarInfo,
    pub ri_disable_autoconfig: c_int,
    pub ri_registrar_announce: *mut sockaddr,
    pub ri_registrar_announce_timeout: c_uint,
    pub ri_registrar_connect_timeout: c_uint,
    pub ri_registrar_connect_max_trials: c_uint,
    pub ri_registrar_request_timeout: c_uint,
    pub ri_registrar_response_timeout: c_uint,
    pub ri_registrar_request_max_trials: c_uint,
    pub ri_csp_identifier: u64,
    pub ri_csp_server: *mut sockaddr,
    pub ri_csp_interval: c_uint,
}

/// `struct rsp_loadinfo`
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
#[allow(missing_docs, reason = "the header says what they are")]
pub struct LoadInfo {
    pub rli_policy: u32,
    pub rli_weight: u32,
    pub rli_weight_dpf: u32,
    pub rli_load: u32,
    pub rli_load_degradation: u32,
    pub rli_load_dpf: u32,
}

/// `struct rsp_addrinfo`
#[derive(Debug)]
#[repr(C)]
#[allow(missing_docs, reason = "the header says what they are")]
pub struct AddrInfo {
    pub ai_family: c_int,
    pub ai_socktype: c_int,
    pub ai_protocol: c_int,
    pub ai_addrlen: usize,
    pub ai_addrs: usize,
    pub ai_addr: *mut sockaddr,
    pub ai_next: *mut AddrInfo,
    pub ai_pe_id: u32,
}

/// `struct rsp_sndrcvinfo`
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
#[allow(missing_docs, reason = "the header says what they are")]
pub struct SndRcvInfo {
    pub rinfo_session: c_int,
    pub rinfo_ppid: u32,
    pub rinfo_pe_id: u32,
    pub rinfo_timetolive: u32,
    pub rinfo_stream: u16,
}

/// `struct rserpool_failover`
#[derive(Debug, Clone, Copy)]
#[repr(C)]
#[allow(missing_docs, reason = "the header says what they are")]
pub struct Failover {
    pub rf_type: u16,
    pub rf_flags: u16,
    pub rf_length: u32,
    pub rf_state: c_uint,
    pub rf_session: c_int,
    pub rf_has_cookie: u8,
    /// What C leaves out to the end.
    pub padding: [u8; 3],
}

/// `struct rserpool_session_change`
#[derive(Debug, Clone, Copy)]
#[repr(C)]
#[allow(missing_docs, reason = "the header says what they are")]
pub struct SessionChange {
    pub rsc_type: u16,
    pub rsc_flags: u16,
    pub rsc_length: u32,
    pub rsc_state: c_uint,
    pub rsc_session: c_int,
}

/// `struct rserpool_shutdown_event`
#[derive(Debug, Clone, Copy)]
#[repr(C)]
#[allow(missing_docs, reason = "the header says what they are")]
pub struct ShutdownEvent {
    pub rse_type: u16,
    pub rse_flags: u16,
    pub rse_length: u32,
    pub rse_session: c_int,
}

/// `union rserpool_notification`
#[derive(Clone, Copy)]
#[repr(C)]
#[allow(missing_docs, reason = "the header says what they are")]
pub union Notification {
    pub rn_failover: Failover,
    pub rn_session_change: SessionChange,
    pub rn_shutdown_event: ShutdownEvent,
}

/// `struct rserpool_session_parameters`
#[derive(Debug, Clone, Copy)]
#[repr(C)]
#[allow(missing_docs, reason = "the header says what they are")]
pub struct SessionParameters {
    pub sp_rto_initial: c_uint,
    pub sp_rto_min: c_uint,
    pub sp_rto_max: c_uint,
    pub sp_assoc_max_rxt: c_uint,
    pub sp_path_max_rxt: c_uint,
    pub sp_hbinterval: c_uint,
}

/// What the header defines, by its names there.
#[allow(missing_docs, reason = "the header says what they are")]
pub mod constant {
    pub const REGF_DONTWAIT: u32 = 1;
    pub const REGF_CONTROLCHANNEL: u32 = 2;
    pub const REGF_DAEMONMODE: u32 = 4;
    pub const DEREGF_DONTWAIT: u32 = 1;
    pub const RSPGETADDRS_DEFAULT: u32 = 0;
    pub const RSPGETADDRS_MAX: u32 = u32::MAX;
    pub const REAI_NONAME: i32 = -1;
    pub const REAI_MEMORY: i32 = -2;
    pub const REAI_SYSTEM: i32 = -3;
    pub const REAI_FAMILY: i32 = -4;
    pub const RSPERR_OKAY: u32 = 0;
    pub const RSPERR_NO_REGISTRAR: u32 = 0x1001;
    pub const RSPERR_TIMEOUT: u32 = 0x1002;
    pub const RSPERR_NOT_FOUND: u32 = 0x1003;
    pub const RSPERR_INVALID_ARGUMENT: u32 = 0x1004;
    pub const RSPERR_OUT_OF_MEMORY: u32 = 0x1005;
    pub const RSPERR_INTERNAL: u32 = 0x1006;
    pub const SESSION_SETSIZE: u32 = 16384;
    pub const MSG_RSERPOOL_NOTIFICATION: i32 = 1;
    pub const MSG_RSERPOOL_COOKIE_ECHO: i32 = 2;
    pub const FFF_UNREACHABLE: u32 = 1;
    pub const RSERPOOL_SESSION_CHANGE: u16 = 1;
    pub const RSERPOOL_FAILOVER: u16 = 2;
    pub const RSERPOOL_SHUTDOWN_EVENT: u16 = 3;
    pub const RSERPOOL_SESSION_ADD: u32 = 1;
    pub const RSERPOOL_SESSION_REMOVE: u32 = 2;
    pub const RSERPOOL_FAILOVER_NECESSARY: u32 = 1;
    pub const RSERPOOL_FAILOVER_COMPLETE: u32 = 2;
    pub const SOL_RSP: i32 = 245;
    pub const RSP_OPT_FAILOVER: i32 = 1;
}

/// A structure as the bytes a buffer is filled with.
pub(crate) trait Plain: Copy {
    fn bytes(&self) -> bytes::Bytes {
        // SAFETY: implemented for structures without padding only, so that all bytes are initialised; they are only read.
        bytes::Bytes::copy_from_slice(unsafe {
            std::slice::from_raw_parts(std::ptr::from_ref(self).cast::<u8>(), size_of::<Self>())
        })
    }
}

impl Plain for Failover {}
impl Plain for SessionChange {}
impl Plain for ShutdownEvent {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_that_are_copied_as_bytes_have_no_padding() {
        assert_eq!(size_of::<Failover>(), 2 + 2 + 4 + 4 + 4 + 1 + 3);
        assert_eq!(size_of::<SessionChange>(), 2 + 2 + 4 + 4 + 4);
        assert_eq!(size_of::<ShutdownEvent>(), 2 + 2 + 4 + 4);
    }
}
