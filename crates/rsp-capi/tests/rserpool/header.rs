// SPDX-License-Identifier: MIT OR Apache-2.0
//! The header and the library say the same: sizes, offsets, constants, and which functions there are.

use std::collections::BTreeSet;
use std::mem::{offset_of, size_of};
use std::path::Path;
use std::process::Command;

use rsp_capi::rsplib::layout::{
    AddrInfo, Failover, Info, LoadInfo, Notification, RegistrarInfo, SessionChange, SessionParameters, ShutdownEvent,
    SndRcvInfo, constant,
};

use crate::compile::built_library;

/// Lines `name = number`, from Rust, and the C program that prints the same.
#[derive(Default)]
struct Facts {
    rust: Vec<String>,
    c: String,
}

impl Facts {
    fn add(&mut self, expression: &str, value: i128) {
        self.rust.push(format!("{expression} = {value}"));
        self.c += &format!("    printf(\"{expression} = %lld\\n\", (long long)({expression}));\n");
    }
}

macro_rules! structure {
    ($facts:ident, $c:literal, $rust:ty, $($field:ident)*) => {
        $facts.add(concat!("sizeof(", $c, ")"), size_of::<$rust>() as i128);
        $($facts.add(concat!("offsetof(", $c, ", ", stringify!($field), ")"), offset_of!($rust, $field) as i128);)*
    };
}

macro_rules! constants {
    ($facts:ident, $($name:ident)*) => { $($facts.add(stringify!($name), i128::from(constant::$name));)* };
}

#[test]
fn structures_and_constants_are_the_same_in_c_and_in_rust() {
    let mut facts = Facts::default();
    structure!(facts, "struct rsp_registrar_info", RegistrarInfo, rri_next rri_addr rri_addrs);
    structure!(facts, "struct rsp_info", Info, ri_version ri_revision ri_build_date ri_build_time ri_registrars
        ri_disable_autoconfig ri_registrar_announce ri_registrar_announce_timeout ri_registrar_connect_timeout
        ri_registrar_connect_max_trials ri_registrar_request_timeout ri_registrar_response_timeout
        ri_registrar_request_max_trials ri_csp_identifier ri_csp_server ri_csp_interval);
    structure!(facts, "struct rsp_loadinfo", LoadInfo, rli_policy rli_weight rli_weight_dpf rli_load rli_load_degradation
        rli_load_dpf);
    structure!(facts, "struct rsp_addrinfo", AddrInfo, ai_family ai_socktype ai_protocol ai_addrlen ai_addrs ai_addr
        ai_next ai_pe_id);
    structure!(facts, "struct rsp_sndrcvinfo", SndRcvInfo, rinfo_session rinfo_ppid rinfo_pe_id rinfo_timetolive
        rinfo_stream);
    structure!(facts, "struct rserpool_failover", Failover, rf_type rf_flags rf_length rf_state rf_session rf_has_cookie);
    structure!(facts, "struct rserpool_session_change", SessionChange, rsc_type rsc_flags rsc_length rsc_state
        rsc_session);
    structure!(facts, "struct rserpool_shutdown_event", ShutdownEvent, rse_type rse_flags rse_length rse_session);
    structure!(facts, "union rserpool_notification", Notification, rn_failover rn_session_change rn_shutdown_event);
    structure!(facts, "struct rserpool_session_parameters", SessionParameters, sp_rto_initial sp_rto_min sp_rto_max
        sp_assoc_max_rxt sp_path_max_rxt sp_hbinterval);
    constants!(facts, REGF_DONTWAIT REGF_CONTROLCHANNEL REGF_DAEMONMODE DEREGF_DONTWAIT RSPGETADDRS_DEFAULT
        RSPGETADDRS_MAX REAI_NONAME REAI_MEMORY REAI_SYSTEM REAI_FAMILY RSPERR_OKAY RSPERR_NO_REGISTRAR RSPERR_TIMEOUT
        RSPERR_NOT_FOUND RSPERR_INVALID_ARGUMENT RSPERR_OUT_OF_MEMORY RSPERR_INTERNAL SESSION_SETSIZE
        MSG_RSERPOOL_NOTIFICATION MSG_RSERPOOL_COOKIE_ECHO FFF_UNREACHABLE RSERPOOL_SESSION_CHANGE RSERPOOL_FAILOVER
        RSERPOOL_SHUTDOWN_EVENT RSERPOOL_SESSION_ADD RSERPOOL_SESSION_REMOVE RSERPOOL_FAILOVER_NECESSARY
        RSERPOOL_FAILOVER_COMPLETE SOL_RSP RSP_OPT_FAILOVER);
    let source = format!("#include <rserpool.h>\nint main(void) {{\n{}    return 0;\n}}\n", facts.c);
    let printed = run(&source);
    assert_eq!(printed.lines().collect::<Vec<_>>(), facts.rust);
}

#[test]
fn the_library_shows_what_the_headers_declare_and_nothing_else() {
    let declared: BTreeSet<String> = ["rserpool.h", "rsp.h"].iter().flat_map(|header| declared(header)).collect();
    let nm = Command::new("nm").args(["-D", "--defined-only"]).arg(built_library()).output().expect("nm runs");
    let shown: BTreeSet<String> = String::from_utf8(nm.stdout)
        .expect("names are text")
        .lines()
        .filter_map(|line| line.split_whitespace().nth(2))
        .map(|name| name.split('@').next().unwrap_or(name).to_owned())
        .collect();
    assert_eq!(declared.difference(&shown).collect::<Vec<_>>(), Vec::<&String>::new(), "declared, but not there");
    assert_eq!(shown.difference(&declared).collect::<Vec<_>>(), Vec::<&String>::new(), "there, but not declared");
}

#[test]
fn socket_options_have_the_same_numbers_in_both_headers() {
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("include");
    let read = |name: &str| std::fs::read_to_string(include.join(name)).expect("the header is there");
    let (rserpool, rsp) = (read("rserpool.h"), read("rsp.h"));
    let mut count = 0;
    for line in rserpool.lines().filter_map(|line| line.strip_prefix("#define RSP_OPT_")) {
        let (name, number) = line.split_once(' ').expect("a name and a number");
        let number = number.split(' ').next().expect("it has one");
        assert!(rsp.contains(&format!("RSP_OPT_{name} = {number},")), "{line}");
        count += 1;
    }
    assert_eq!(count, 10);
}

/// The functions a header of ours declares and does not define, as gcc understands it.
fn declared(header: &str) -> Vec<String> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("include");
    let folder = tempfile::tempdir().expect("a folder");
    let source = folder.path().join("all.c");
    std::fs::write(&source, format!("#include <{header}>\n")).expect("it is written");
    let found = folder.path().join("found");
    let gcc = Command::new("gcc")
        .args(["-std=c11", "-fsyntax-only", "-I"])
        .arg(&here)
        .arg("-aux-info")
        .args([&found, &source])
        .output()
        .expect("gcc runs");
    assert!(gcc.status.success(), "{}", String::from_utf8_lossy(&gcc.stderr));
    // `/* FILE:LINE:NC */ extern int rsp_bind (int, ..);`, F instead of C where it is defined
    let text = std::fs::read_to_string(&found).expect("gcc writes it");
    let name = |line: &str| {
        let before = line.split(" (").next()?;
        let word = before.rsplit([' ', '*']).next()?;
        (word.starts_with("rsp_") && !NOWHERE.contains(&word)).then(|| word.to_owned())
    };
    text.lines()
        .filter(|line| line.contains(&format!("/{header}:")) && line.contains(" extern ") && !line.contains(":NF "))
        .filter_map(name)
        .collect()
}

/// Declared so that a call of it is an error.
const NOWHERE: [&str; 1] = ["rsp_wrong_number_of_arguments_"];

/// What a C program prints.
fn run(source: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, program) = (folder.path().join("facts.c"), folder.path().join("facts"));
    std::fs::write(&file, source).expect("it is written");
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("include");
    let mut gcc = Command::new("gcc");
    gcc.args(["-std=c99", "-I"]).arg(include).arg("-o").args([&program, &file]);
    let gcc = gcc.output().expect("gcc runs");
    assert!(gcc.status.success(), "{}", String::from_utf8_lossy(&gcc.stderr));
    let ran = Command::new(program).output().expect("it runs");
    String::from_utf8(ran.stdout).expect("it prints text")
}
