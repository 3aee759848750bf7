// SPDX-License-Identifier: MIT OR Apache-2.0
//! Compiles C programs against the headers and the library of this very build.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use sim::process::{Process, Registrar};

/// What a program is compiled as.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Language {
    C99,
    C11,
    C17,
    Cxx17,
    Cxx20,
}

impl Language {
    pub(crate) const ALL: [Language; 5] =
        [Language::C99, Language::C11, Language::C17, Language::Cxx17, Language::Cxx20];

    fn arguments(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Language::C99 => ("gcc", &["-x", "c", "-std=c99"]),
            Language::C11 => ("gcc", &["-x", "c", "-std=c11"]),
            Language::C17 => ("gcc", &["-x", "c", "-std=c17"]),
            Language::Cxx17 => ("g++", &["-x", "c++", "-std=c++17"]),
            Language::Cxx20 => ("g++", &["-x", "c++", "-std=c++20"]),
        }
    }
}

/// Compiles `tests/c/SOURCE`, every warning an error, and links it with the library.
pub(crate) fn compile(source: &str, language: Language, name: &str) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let library = library();
    let program = library.join(format!("{name}-{language:?}"));
    let (compiler, arguments) = language.arguments();
    let output = Command::new(compiler)
        .args(arguments)
        .args(["-D_GNU_SOURCE", "-Wall", "-Wextra", "-pedantic", "-Werror", "-g", "-pthread", "-I"])
        .arg(here.join("include"))
        .arg(here.join("tests/c").join(source))
        .args(["-x", "none", "-o"])
        .arg(&program)
        .arg(format!("-L{}", library.display()))
        .arg("-lrserpool")
        .arg(format!("-Wl,-rpath,{}", library.display()))
        .output()
        .unwrap_or_else(|error| panic!("{compiler}: {error}: scripts/test-deps installs it"));
    assert!(output.status.success(), "{source} as {language:?}:\n{}", String::from_utf8_lossy(&output.stderr));
    program
}

/// The shared library of this build.
pub(crate) fn built_library() -> PathBuf {
    let tests = std::env::current_exe().expect("a test has a file");
    let built = tests.with_file_name("librsp_capi.so");
    assert!(built.exists(), "cargo builds {} with the tests", built.display());
    built
}

/// Where the library of this build is, under the names it is installed with.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let built = built_library();
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("rsp-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("the directory of this test program");
        for name in ["librserpool.so", "librserpool.so.1"] {
            std::os::unix::fs::symlink(&built, directory.join(name)).expect("a new name");
        }
        directory
    })
}

/// Starts a program that finds this registrar.
pub(crate) fn start(program: &Path, registrar: &Registrar, arguments: &[&str]) -> Process {
    let mut command = Command::new(program);
    command.args(arguments);
    Process::spawn(environment(command, registrar))
}

/// The environment of a test's program: the registrar, profile fast and TCP, so that nothing else on this machine matters.
pub(crate) fn environment(mut command: Command, registrar: &Registrar) -> Command {
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("RSERPOOL_REGISTRARS", registrar.asap.to_string())
        .env("RSERPOOL_PROFILE", "fast")
        .env("RSERPOOL_TRANSPORT", "tcp");
    command
}
