// SPDX-License-Identifier: MIT OR Apache-2.0
//! `pool://[registrar[:port][,registrar..]/]HANDLE[?transport=auto|sctp|sctp-udp|tcp]`

use std::str::FromStr;

use rsp_wire::PoolHandle;

use crate::{Error, Result, Transport};

/// Where a pool is: its handle, and the registrars to ask if not the configured ones.
///
/// `pool://echo` and plain `echo` use the configured registrars, `pool://r1:3863,r2/echo` those. Handles are bytes: `%XX` stands for any of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolUrl {
    /// The pool.
    pub pool: PoolHandle,
    /// `host[:port]`; empty = as configured.
    pub registrars: Vec<String>,
    /// Over which transports; `None` = as configured.
    pub transport: Option<Transport>,
}

impl FromStr for PoolUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let Some(rest) = text.strip_prefix("pool://").or_else(|| text.strip_prefix("pool:")) else {
            if text.contains("://") {
                let mistake =
                    format!("\"{text}\": pool:// is the only kind of URL a pool has; in a handle write %2F for /");
                return Err(Error::Config(mistake));
            }
            return Ok(PoolUrl { pool: handle(text, text)?, registrars: Vec::new(), transport: None });
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut transport = None;
        for part in query.split('&').filter(|part| !part.is_empty()) {
            match part.split_once('=') {
                Some(("transport", name)) => transport = Some(name.parse().map_err(Error::Config)?),
                _ => {
                    let advice = "transport=NAME is all there is; in a handle write %3F for ?";
                    return Err(Error::Config(format!("\"{text}\": what is \"{part}\"? {advice}")));
                }
            }
        }
        let (registrars, pool) = match rest.rsplit_once('/') {
            Some((registrars, pool)) => (registrars, pool),
            None => ("", rest),
        };
        let registrars = registrars.split(',').filter(|r| !r.is_empty()).map(str::to_owned).collect();
        Ok(PoolUrl { pool: handle(pool, text)?, registrars, transport })
    }
}

fn handle(encoded: &str, whole: &str) -> Result<PoolHandle> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next(), rest.next()].map(|d| d.and_then(|d| char::from(d).to_digit(16)));
                match digits {
                    [Some(high), Some(low)] => (high * 16 + low) as u8,
                    _ => {
                        return Err(Error::Config(format!(
                            "\"{whole}\": % must be followed by two hexadecimal digits"
                        )));
                    }
                }
            }
            other => other,
        });
    }
    if bytes.is_empty() {
        return Err(Error::Config(format!("\"{whole}\" names no pool: use pool://HANDLE or pool://REGISTRAR/HANDLE")));
    }
    Ok(PoolHandle::new(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_the_pool_and_perhaps_registrars() {
        let url = |text: &str| text.parse::<PoolUrl>().expect("a good URL");
        assert_eq!(url("pool://echo"), url("echo"));
        assert_eq!(url("pool:///echo"), url("pool:echo"));
        assert_eq!(url("pool://r1:3863,[::1]:3863/a%20b").registrars, ["r1:3863", "[::1]:3863"]);
        assert_eq!(url("pool://r/a%20%ff").pool, PoolHandle::new(&b"a \xff"[..]));
        assert_eq!(url("pool://r/echo?transport=sctp-udp").transport, Some(Transport::SctpUdp));
        assert_eq!(url("pool://echo?transport=tcp").pool, PoolHandle::from("echo"));
        assert_eq!(url("pool://echo").transport, None);
        assert_eq!(url("pool://why%3F?transport=tcp").pool, PoolHandle::from("why?"));
        assert_eq!(url("why?").pool, PoolHandle::from("why?"));
    }

    #[test]
    fn a_bad_url_says_what_to_do() {
        assert!("pool://".parse::<PoolUrl>().unwrap_err().to_string().contains("pool://HANDLE"));
        assert!("http://r1/echo".parse::<PoolUrl>().unwrap_err().to_string().contains("pool:// is the only"));
        assert!("pool://echo?transport=x".parse::<PoolUrl>().unwrap_err().to_string().contains("sctp-udp"));
        assert!(
            "pool://echo?transprot=tcp"
                .parse::<PoolUrl>()
                .unwrap_err()
                .to_string()
                .contains("what is \"transprot=tcp\"")
        );
        assert!("a%2".parse::<PoolUrl>().unwrap_err().to_string().contains("two hexadecimal digits"));
    }
}
