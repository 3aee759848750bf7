// SPDX-License-Identifier: MIT OR Apache-2.0
//! Installs the library of this build in a folder of its own, and builds the examples with it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// How a program has the library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Linked {
    Shared,
    Static,
}

/// Where the library is installed.
pub(crate) fn prefix() -> &'static Path {
    static PREFIX: OnceLock<PathBuf> = OnceLock::new();
    PREFIX.get_or_init(|| {
        let tests = std::env::current_exe().expect("a test has a file");
        let built = tests.parent().expect("tests lie in a folder");
        let prefix = Path::new(env!("CARGO_TARGET_TMPDIR")).join("installed");
        // What an earlier run left.
        let _ = std::fs::remove_dir_all(&prefix);
        run(Command::new(repository().join("scripts/install-capi")).arg(built).arg(&prefix).env_remove("DESTDIR"));
        // Programs with less to read start faster, under valgrind most of all.
        run(Command::new("strip").arg("--strip-debug").arg(prefix.join("lib/librserpool.so.1.0.0")));
        prefix
    })
}

/// An example.
pub(crate) fn program(linked: Linked, name: &str) -> PathBuf {
    static SHARED: OnceLock<PathBuf> = OnceLock::new();
    static STATIC: OnceLock<PathBuf> = OnceLock::new();
    let folder = match linked {
        Linked::Shared => SHARED.get_or_init(|| make("shared", &[])),
        Linked::Static => STATIC.get_or_init(|| make("static", &["STATIC=1"])),
    };
    folder.join(name)
}

fn make(name: &str, settings: &[&str]) -> PathBuf {
    let folder = prefix().join(name);
    std::fs::create_dir_all(&folder).expect("a new folder");
    let mut make = Command::new("make");
    make.arg("-C").arg(repository().join("examples/c")).arg(format!("OUT={}", folder.display())).args(settings);
    make.arg("CFLAGS=-O1 -g -Wall -Wextra -Werror");
    run(make.env("PKG_CONFIG_PATH", prefix().join("lib/pkgconfig")).env_remove("MAKEFLAGS"));
    folder
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}: see scripts/test-deps"));
    assert!(output.status.success(), "{command:?}:\n{}", String::from_utf8_lossy(&output.stderr));
}
