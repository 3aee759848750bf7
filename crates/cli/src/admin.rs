// SPDX-License-Identifier: MIT OR Apache-2.0
//! The options of every subcommand that asks a registrar's admin interface, and how it asks.

use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

use crate::exit::Exit;
use crate::output::Output;
use crate::{duration, http};

#[derive(Debug, clap::Args)]
pub(crate) struct Admin {
    /// The registrar's admin interface, as a URL or HOST:PORT; of several, with commas between, the first that answers. RSERPOOL_REGISTRARS does not count here
    #[arg(long, value_name = "URL", env = "RSERPOOL_ADMIN", default_value = "http://127.0.0.1:8650")]
    admin: String,
    /// Give up after this time
    #[arg(long, value_parser = duration::parse, default_value = "10s")]
    timeout: Duration,
    /// How to print
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Output,
}

/// What a registrar answers.
pub(crate) struct Answer<'a> {
    /// Whom it comes from: people may think of another, such as one of RSERPOOL_REGISTRARS.
    pub(crate) place: &'a str,
    pub(crate) whole: Value,
    pub(crate) list: Vec<Value>,
}

impl Admin {
    /// What the registrar answers, and the list it holds under `list`.
    pub(crate) async fn get(&self, path: &str, list: &str) -> anyhow::Result<Answer<'_>> {
        let (place, body) = self.body(path).await?;
        let whole: Value = serde_json::from_slice(&body).with_context(|| format!("{place} does not answer in JSON"))?;
        let entries = whole[list].as_array().with_context(|| format!("{place} answers no list of {list}"))?;
        let list = entries.clone();
        Ok(Answer { place, whole, list })
    }

    async fn body(&self, path: &str) -> anyhow::Result<(&str, Vec<u8>)> {
        let mut places = self.admin.split(',').map(str::trim).peekable();
        loop {
            let place = places.next().unwrap_or_default();
            let result = http::get(place, path, self.timeout).await;
            match &result {
                Err(error)
                    if places.peek().is_some() && matches!(Exit::of(error), Exit::NoRegistrar | Exit::Timeout) => {}
                _ => return result.map(|body| (place, body)),
            }
        }
    }
}

/// A value as the cell of a table.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}
