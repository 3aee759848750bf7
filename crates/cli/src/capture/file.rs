// SPDX-License-Identifier: MIT OR Apache-2.0
//! The file being written, and the full ones before it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use net::capture::Recorder;

pub(super) type Sink = BufWriter<Box<dyn Write>>;

/// Where to write, and how much.
pub(super) struct Target {
    path: PathBuf,
    max_size: u64,
    keep: u32,
}

impl Target {
    pub(super) fn new(path: &Path, max_size: u64, keep: u32) -> Self {
        Target { path: path.to_owned(), max_size, keep }
    }

    /// Whether this is the file to be written, under whatever name.
    pub(super) fn is(&self, file: &Path) -> bool {
        let identity = |path: &Path| fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
        !self.is_standard_output() && identity(file).is_some_and(|it| identity(&self.path) == Some(it))
    }

    pub(super) fn name(&self) -> String {
        if self.is_standard_output() { "standard output".to_owned() } else { self.path.display().to_string() }
    }

    pub(super) fn cannot_write(&self) -> String {
        format!("cannot write to {}", self.name())
    }

    pub(super) fn create(&mut self) -> Result<Sink> {
        let output: Box<dyn Write> = if self.is_standard_output() {
            Box::new(io::stdout())
        } else {
            Box::new(File::create(&self.path).with_context(|| self.cannot_write())?)
        };
        Ok(BufWriter::new(output))
    }

    /// Whether there is room for more: begins the next file when one is full, if there may be several.
    pub(super) fn make_room(&mut self, recorder: &mut Recorder<Sink>) -> Result<bool> {
        if recorder.written() < self.max_size || self.is_standard_output() {
            return Ok(true);
        }
        if self.keep == 0 {
            eprintln!("rsp: {} has reached its size", self.name());
            return Ok(false);
        }
        recorder.flush().with_context(|| self.cannot_write())?;
        for number in (0..self.keep).rev() {
            match fs::rename(self.numbered(number), self.numbered(number + 1)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                result => result.with_context(|| format!("cannot rename {}", self.numbered(number).display()))?,
            }
        }
        let next = self.create()?;
        recorder.continue_in(next).with_context(|| self.cannot_write())?;
        Ok(true)
    }

    /// 0 is the file being written.
    fn numbered(&self, number: u32) -> PathBuf {
        if number == 0 {
            return self.path.clone();
        }
        let mut name = OsString::from(&self.path);
        name.push(format!(".{number}"));
        name.into()
    }

    fn is_standard_output(&self) -> bool {
        self.path.as_os_str() == "-"
    }
}
