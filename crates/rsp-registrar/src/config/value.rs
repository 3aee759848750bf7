// SPDX-License-Identifier: MIT OR Apache-2.0
//! Values only this program has.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;

/// Where admin HTTP is served: an address or `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admin {
    /// Nowhere.
    Off,
    /// Here.
    At(SocketAddr),
}

/// A Server Identifier somebody chose: not 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Id(pub(crate) u32);

/// Nobody else reaches it until somebody says so: it has no passwords.
impl Default for Admin {
    fn default() -> Self {
        Admin::At((Ipv4Addr::LOCALHOST, 8650).into())
    }
}

impl FromStr for Admin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Admin::Off),
            // `rsp` takes the same variable, as a URL.
            address => {
                address.trim_start_matches("http://").trim_end_matches('/').parse().map(Admin::At).map_err(|_| {
                    "an address with a port is expected, e.g. 127.0.0.1:8650 or [::1]:8650, or off (RSERPOOL_ADMIN counts if there is no --admin)".to_owned()
                })
            }
        }
    }
}

impl FromStr for Id {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match u32::from_str_radix(text.trim_start_matches("0x"), 16) {
            Ok(id) if id != 0 => Ok(Id(id)),
            _ => Err("a hexadecimal number from 1 to ffffffff is expected".to_owned()),
        }
    }
}

impl fmt::Display for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Admin::Off => f.write_str("off"),
            Admin::At(address) => address.fmt(f),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}
