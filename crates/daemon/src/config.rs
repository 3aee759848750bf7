// SPDX-License-Identifier: MIT OR Apache-2.0
//! Config files: flat TOML whose every key and value knows its place, so that a mistake is shown where it stands.

mod error;
mod nearest;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use miette::NamedSource;
use toml::Spanned;

pub use error::{ConfigError, InFile};

/// A config file.
#[derive(Debug, Clone)]
pub struct File {
    name: String,
    text: String,
    entries: Vec<Entry>,
}

/// One line of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Its value as text; an array has several.
    pub values: Vec<String>,
    key_span: Range<usize>,
    value_span: Range<usize>,
}

impl File {
    /// Reads a file.
    ///
    /// # Errors
    /// If it cannot be read, or is not TOML of keys with simple values.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable { path: path.to_owned(), error })?;
        Self::parse(&path.display().to_string(), text)
    }

    /// Parses the text of a file of this name.
    ///
    /// # Errors
    /// If it is not TOML of keys with simple values.
    pub fn parse(name: &str, text: String) -> Result<Self, ConfigError> {
        let mut file = File { name: name.to_owned(), text, entries: Vec::new() };
        let table: BTreeMap<Spanned<String>, Spanned<toml::Value>> = toml::from_str(&file.text)
            .map_err(|error| file.wrong_at(error.span().unwrap_or(0..0), "not TOML", error.message().to_owned()))?;
        for (key, value) in table {
            let values = values(value.get_ref()).ok_or_else(|| {
                file.wrong_at(
                    key.span(),
                    key.get_ref(),
                    "text, a number, true, false or a list of them is expected".to_owned(),
                )
            })?;
            file.entries.push(Entry { values, key_span: key.span(), value_span: value.span(), key: key.into_inner() });
        }
        file.entries.sort_by_key(|entry| entry.key_span.start);
        Ok(file)
    }

    /// What stands in it, from top to bottom.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry of this key.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The key is not one of the `known`.
    pub fn unknown(&self, entry: &Entry, known: &[&str]) -> ConfigError {
        let help = match nearest::nearest(&entry.key, known) {
            Some(near) => format!("did you mean {near}? Known keys: {}", known.join(", ")),
            None => format!("known keys: {}", known.join(", ")),
        };
        self.error(entry.key_span.clone(), format!("unknown key {}", entry.key), "not known".to_owned(), help)
    }

    /// The value is wrong; `expected` says what would be right.
    pub fn wrong(&self, entry: &Entry, expected: String) -> ConfigError {
        self.wrong_at(entry.value_span.clone(), &entry.key, expected)
    }

    fn wrong_at(&self, span: Range<usize>, key: &str, expected: String) -> ConfigError {
        self.error(span, key.to_owned(), expected, "--print-config shows every key with its value".to_owned())
    }

    fn error(&self, span: Range<usize>, what: String, label: String, help: String) -> ConfigError {
        let before = &self.text.as_bytes()[..span.start.min(self.text.len())];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        ConfigError::InFile(Box::new(InFile {
            place: format!("{}:{line}", self.name),
            what,
            label,
            source_code: NamedSource::new(&self.name, self.text.clone()),
            span: span.into(),
            help,
        }))
    }
}

impl Entry {
    /// The value, if it is one.
    pub fn value(&self) -> Option<&str> {
        match &self.values[..] {
            [value] => Some(value),
            _ => None,
        }
    }
}

fn values(value: &toml::Value) -> Option<Vec<String>> {
    match value {
        toml::Value::Array(items) => items.iter().map(simple).collect(),
        value => simple(value).map(|value| vec![value]),
    }
}

fn simple(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Boolean(value) => Some(value.to_string()),
        toml::Value::Datetime(_) | toml::Value::Array(_) | toml::Value::Table(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<File, ConfigError> {
        File::parse("registrar.toml", text.to_owned())
    }

    #[test]
    fn values_are_text_and_lists_have_several() {
        let file = parse("a = \"5s\"\nb = 1_000\nc = true\nd = ['x', 'y']\n").unwrap();
        let entries: Vec<_> = file.entries().iter().map(|entry| (entry.key.as_str(), entry.values.join("|"))).collect();
        assert_eq!(entries, [("a", "5s".into()), ("b", "1000".into()), ("c", "true".into()), ("d", "x|y".into())]);
        assert_eq!((file.get("a").unwrap().value(), file.get("d").unwrap().value()), (Some("5s"), None));
    }

    #[test]
    fn an_unknown_key_is_named_with_its_place_and_what_was_meant() {
        let file = parse("# comment\nprofile = \"fast\"\n\nkeep_alive_intervall = \"5s\"\n").unwrap();
        let error = file.unknown(&file.entries()[1], &["profile", "keep_alive_interval", "pools"]);
        let text = error.render();
        assert!(error.to_string().contains("registrar.toml:4: unknown key keep_alive_intervall"), "{error}");
        assert!(
            text.contains("did you mean keep_alive_interval?") && text.contains("profile, keep_alive_interval, pools"),
            "{text}"
        );
    }

    #[test]
    fn a_wrong_value_is_shown_where_it_stands() {
        let file = parse("pools = 5\nadmin = 7\n").unwrap();
        let text = file.wrong(&file.entries()[1], "an address is expected".into()).render();
        assert!(
            text.contains("registrar.toml:2: admin") && text.contains("admin = 7") && text.contains("an address"),
            "{text}"
        );
    }

    #[test]
    fn what_is_not_toml_or_not_flat_is_refused_with_its_line() {
        for (text, line) in
            [("a = 1\nb = \n", 2), ("a = 1\na = 2\n", 2), ("x = 1\n[section]\ny = 1\n", 2), ("when = 2026-01-01\n", 1)]
        {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("registrar.toml:{line}: ")), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = File::read(Path::new("/nonexistent/registrar.toml")).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/registrar.toml"), "{error}");
    }
}
