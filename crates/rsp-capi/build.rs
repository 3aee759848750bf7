// SPDX-License-Identifier: MIT OR Apache-2.0
//! The name programs are linked with, which changes only when old programs would break.

fn main() {
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,librserpool.so.1");
    // Its thread runs on: unloading the library would take the code from under it.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    println!("cargo:rerun-if-changed=build.rs");
}
