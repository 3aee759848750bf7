// SPDX-License-Identifier: MIT OR Apache-2.0
//! `docs/settings.md` is what the code says. Regenerate with `UPDATE_GOLDENFILES=1`, then read the diff.

use rsp_core::config::{EndpointSettings, Profile, RegistrarSettings, SessionSettings};

const PATH: &str = "../../docs/settings.md";
const SOURCE: &str = concat!(include_str!("../src/config/mod.rs"), include_str!("../src/config/sctp.rs"));

#[test]
fn the_table_of_settings_is_up_to_date() {
    let mut page = String::from(
        "# Settings\n\nEvery timer, limit and default, with its value by profile. They stand in `/etc/rserpool/registrar.toml` and `/etc/rserpool/client.toml`\n\
         (tables `[endpoint]` and `[session]`), and the registrar takes `--set NAME=VALUE`. Written by `crates/rsp-core/tests/settings_table.rs`.\n",
    );
    page += &table("Registrar", "RegistrarSettings", |profile| RegistrarSettings::of(profile).entries());
    page += &table("Endpoint: a process towards its registrars", "EndpointSettings", |profile| {
        EndpointSettings::of(profile).entries()
    });
    page += &table("Session: between pool user and pool element", "SessionSettings", |profile| {
        SessionSettings::of(profile).entries()
    });
    if std::env::var_os("UPDATE_GOLDENFILES").is_some() {
        std::fs::write(PATH, &page).expect("the docs can be written");
    }
    let written = std::fs::read_to_string(PATH).expect("the page is there");
    assert!(written == page, "docs/settings.md is out of date: run this test with UPDATE_GOLDENFILES=1");
}

fn table(title: &str, group: &str, entries: impl Fn(Profile) -> Vec<(&'static str, String)>) -> String {
    let mut table = format!(
        "\n## {title}\n\n| setting | standard | rfc | rsplib | fast | what it is |\n|---|---|---|---|---|---|\n"
    );
    let by_profile = Profile::ALL.map(&entries);
    for (index, (name, _)) in by_profile[0].iter().enumerate() {
        let values: Vec<_> =
            by_profile.iter().map(|entries| entries[index].1.trim_matches('"').replace("4294967295", "all")).collect();
        table += &format!("| `{name}` | {} | {} |\n", values.join(" | "), meaning(group, name));
    }
    table
}

/// The doc comment of a setting, in its group or in one nested in it.
fn meaning(group: &str, name: &str) -> String {
    let field = format!("\n    pub {name}: ");
    let own = SOURCE.find(&format!("pub struct {group} {{")).expect("the group is in the source");
    let end = own + SOURCE[own..].find("\n}").expect("a struct ends");
    let at = SOURCE[own..end]
        .find(&field)
        .map(|at| own + at)
        .or_else(|| SOURCE.find(&field))
        .expect("the setting is in the source");
    let lines: Vec<_> = SOURCE[..at].lines().rev().map_while(|line| line.trim().strip_prefix("/// ")).collect();
    let doc: Vec<_> = lines.into_iter().rev().collect();
    assert!(!doc.is_empty(), "{group}::{name} has no doc");
    doc.join(" ").replace("[`HandleResolution::ALL_ITEMS`]", "all").replace('|', "\\|")
}
