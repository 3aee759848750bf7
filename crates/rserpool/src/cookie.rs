// SPDX-License-Identifier: MIT OR Apache-2.0
//! Keys of sealed cookies, and the wall clock that dates them.

use std::path::Path;
use std::time::{Duration, SystemTime};

use net::Clock;
use rsp_core::config::SessionSettings;
use rsp_core::session::{CookieKey, CookieSeal};

use crate::{Error, Result};

/// The keys in a file, one a line: a number, a colon and 64 hexadecimal digits. Empty lines and what follows a `#` do not count. Give them to
/// [`PoolElementBuilder::cookie_key`](crate::PoolElementBuilder::cookie_key) in this order.
///
/// # Errors
/// [`Error::Io`] if it cannot be read; [`Error::Config`] names the line that is no key, never what stands there.
pub fn read_cookie_keys(path: impl AsRef<Path>) -> Result<Vec<CookieKey>> {
    let path = path.as_ref();
    let text = std::fs::read_to_string(path).map_err(|error| {
        let text = format!("{}: {error}", path.display());
        Error::Io { os: error.raw_os_error(), text }
    })?;
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    let keys = (1..).zip(lines).filter(|(_, line)| !line.is_empty()).map(|(number, line)| {
        line.parse().map_err(|error| Error::Config(format!("{}:{number}: {error}", path.display())))
    });
    keys.collect()
}

/// What a pool element with these keys does with its cookies; `None` without any.
pub(crate) fn seal(keys: &[CookieKey], settings: &SessionSettings, clock: Clock) -> Option<CookieSeal> {
    // A clock before 1970 dates its cookies 1970: they are too old, and refused.
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let since_zero = Duration::from_micros(clock.now().as_micros());
    CookieSeal::new(keys, since_1970.saturating_sub(since_zero), settings.cookie_lifetime)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_keys_is_read_in_its_order_and_a_mistake_is_named_by_its_line() {
        let path = std::env::temp_dir().join(format!("rserpool-cookie-keys-{}", std::process::id()));
        let (new, old) = ("ab".repeat(32), "cd".repeat(32));
        std::fs::write(&path, format!("# newest first\n2:{new}\n\n1:{old} # until Monday\n")).expect("a file");
        let keys = read_cookie_keys(&path).expect("two keys");
        assert_eq!(keys.iter().map(CookieKey::id).collect::<Vec<_>>(), [2, 1]);
        std::fs::write(&path, format!("2:{new}\nsecret\n")).expect("a file");
        let Err(Error::Config(text)) = read_cookie_keys(&path) else { panic!("it is no key") };
        assert!(text.contains(":2:") && !text.contains("secret"), "{text}");
        std::fs::remove_file(&path).expect("it was there");
        assert!(matches!(read_cookie_keys(&path), Err(Error::Io { .. })));
    }
}
