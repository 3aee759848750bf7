// SPDX-License-Identifier: MIT OR Apache-2.0
//! `docs/services.md` keeps its word: no cell is empty, what it names is there, and each test it names is one that runs.

use std::fs;
use std::path::{Path, PathBuf};

/// Primitives of the two service drafts and of RFC 5352 §6; each has a row.
const PRIMITIVES: &[&str] = &[
    "INITIALIZE",
    "REGISTER",
    "DEREGISTER",
    "GET_PRIMARY_SERVER",
    "GET_NEXT_SERVER",
    "FAILOVER_INDICATION",
    "Failover callback",
    "DATA_SEND_REQUEST to a pool handle",
    "DATA_SEND_REQUEST to a PE handle",
    "DATA_SEND_REQUEST to a transport address",
    "DATA_RECEIVED_NOTIFICATION",
    "ULP_ACK",
    "SET_COOKIE",
    "COOKIE_INDICATION",
    "Business card",
    "Set.BusinessCard.PE.List",
    "Registration.Request",
    "Deregistration.Request",
    "CachePopulateRequest",
    "CachePurgeRequest",
    "DataSendRequest to a Pool Handle",
    "DataSendRequest to a PE Handle",
    "DataSendRequest by Transport Address",
    "ASAP_USE_DEFAULT",
    "ASAP_SEND_FAILOVER",
    "ASAP_SEND_NO_FAILOVER",
    "ASAP_SEND_TO_LAST",
    "ASAP_SEND_TO_ALL",
    "ASAP_SEND_TO_SELF",
    "ASAP_SCTP_UNORDER",
    "Data.Received",
    "Error.Report",
    "Translation.Request",
    "Transport.Failure",
];

#[test]
fn every_primitive_has_a_row() {
    let rows = rows();
    for primitive in PRIMITIVES {
        assert!(rows.iter().any(|row| row[0].starts_with(primitive)), "docs/services.md has no row for {primitive}");
    }
}

#[test]
fn no_cell_is_empty_or_without_its_reason() {
    for row in rows() {
        assert_eq!(row.len(), 5, "{row:?}");
        for cell in &row {
            assert!(!cell.is_empty() && *cell != "-" && *cell != "?", "an empty cell: {row:?}");
            let reason = cell.strip_prefix("n/a").map(|rest| rest.trim_start_matches(':').trim());
            assert!(reason.is_none_or(|reason| reason.len() > 10), "n/a without a reason: {row:?}");
        }
    }
}

#[test]
fn every_call_in_rust_exists() {
    let sources = text_of(&repository().join("crates/rserpool/src"));
    for row in rows() {
        for name in quoted(&row[1]) {
            let word = name.rsplit("::").next().expect("a name is not empty");
            assert!(has_word(&sources, word), "{name} is not in crates/rserpool: {row:?}");
        }
    }
}

#[test]
fn every_call_in_c_exists() {
    let headers = text_of(&repository().join("crates/rsp-capi/include"));
    for row in rows() {
        for name in quoted(&row[2]) {
            let of_the_library = ["rsp_", "RSP_", "FAILOVER_", "sinfo_", "info_", "sockaddr_pehandle", "pe_handle"];
            if of_the_library.iter().any(|prefix| name.starts_with(prefix)) {
                assert!(has_word(&headers, &name), "{name} is in no header: {row:?}");
            }
        }
    }
}

#[test]
fn every_test_exists_and_runs() {
    for row in rows() {
        let mut names = quoted(&row[4]).into_iter().peekable();
        assert!(names.peek().is_some(), "no test: {row:?}");
        while let Some(path) = names.next() {
            let path = match (path.strip_prefix("services/"), path.strip_prefix("scripts/")) {
                (Some(rest), _) => format!("crates/rserpool/tests/services/{rest}"),
                (_, Some(rest)) => format!("crates/rsp-core/tests/scripts/{rest}"),
                _ => path,
            };
            let text = fs::read_to_string(repository().join(&path)).unwrap_or_else(|error| panic!("{path}: {error}"));
            if path.ends_with(".rs") {
                let name = names.next().unwrap_or_else(|| panic!("{path} without a test: {row:?}"));
                assert!(runs(&text, &name), "{name} is no test of {path}, or is ignored");
            }
        }
    }
}

/// Whether a source has this test: by its attribute, or among those that run on each transport.
fn runs(source: &str, name: &str) -> bool {
    let Some(at) = source.find(&format!("fn {name}(")) else { return false };
    // What stands between the end of the item before and the function.
    let attributes = source[..at].rsplit("\n\n").next().unwrap_or_default();
    let is_test = attributes.contains("#[test]") || attributes.contains("::test]") || attributes.contains("::test(");
    let by_attribute = is_test && !attributes.contains("#[ignore"); // None is ignored: this refuses a row whose test would be.
    let on_each = source.split("on_each_transport![").nth(1).or_else(|| source.split("on_each_transport! {").nth(1));
    let listed = on_each.and_then(|rest| rest.split([']', '}']).next()).is_some_and(|list| has_word(list, name));
    by_attribute || listed
}

/// The rows of the tables with five columns.
fn rows() -> Vec<Vec<String>> {
    let text = fs::read_to_string(repository().join("docs/services.md")).expect("docs/services.md is there");
    let mut rows = Vec::new();
    let mut in_table = false;
    for line in text.lines() {
        in_table = line.starts_with("| Primitive |") || in_table && line.starts_with('|');
        let is_head = line.starts_with("| Primitive |") || line.starts_with("|---");
        if in_table && !is_head {
            rows.push(line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect());
        }
    }
    assert!(rows.len() > PRIMITIVES.len(), "the tables are not found");
    rows
}

/// What stands between backquotes.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

/// All files of a directory and those below it.
fn text_of(directory: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display())) {
        let path = entry.expect("readable").path();
        match path.is_dir() {
            true => text.push_str(&text_of(&path)),
            false => text.push_str(&fs::read_to_string(&path).unwrap_or_default()),
        }
    }
    text
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
