// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads a capture file frame by frame.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use super::input::Input;
use super::link::LinkType;
use super::pcap::Pcap;
use super::pcapng::PcapNg;
use super::{CaptureError, Limits};

/// A frame as it was captured, from a file or live.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// Where it was captured, if that is known.
    pub interface: Option<&'a str>,
    /// When, since 1970-01-01 UTC.
    pub time: Duration,
    /// What it begins with; `None` is a link type we can't read.
    pub link: Option<LinkType>,
    /// There was more of it than was captured.
    pub cut_off: bool,
    /// The frame.
    pub bytes: &'a [u8],
}

/// The frames of a pcap or pcapng file.
pub struct FrameReader<R> {
    input: Input<R>,
    format: Format,
    limits: Limits,
    count: u32,
    buffer: Vec<u8>,
}

enum Format {
    Pcap(Pcap),
    PcapNg(PcapNg),
}

/// What a file says of the frame it has put into the buffer.
pub(super) struct Header {
    pub(super) time: Duration,
    pub(super) link: Option<LinkType>,
    pub(super) cut_off: bool,
    /// The number of its interface, counted from 0.
    pub(super) interface: u32,
}

impl FrameReader<File> {
    /// Opens a capture file with the default limits.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, CaptureError> {
        let file = File::open(path).map_err(|source| CaptureError::Io { offset: 0, source })?;
        Self::with_limits(file, Limits::default())
    }
}

impl<R: Read> FrameReader<R> {
    /// Reads the beginning of a capture; the input need not be buffered.
    pub fn with_limits(input: R, limits: Limits) -> Result<Self, CaptureError> {
        let mut input = Input::new(input);
        let magic = match input.header::<4>("magic number") {
            Ok(magic) => magic.ok_or(CaptureError::NotACapture(Vec::new()))?,
            Err(CaptureError::CutOff { .. }) => return Err(CaptureError::NotACapture(Vec::new())),
            Err(other) => return Err(other),
        };
        let format = if let Some(pcap) = Pcap::begin(magic, &mut input)? {
            Format::Pcap(pcap)
        } else if let Some(pcapng) = PcapNg::begin(magic, &mut input)? {
            Format::PcapNg(pcapng)
        } else {
            return Err(CaptureError::NotACapture(magic.to_vec()));
        };
        Ok(FrameReader { input, format, limits, count: 0, buffer: Vec::new() })
    }

    /// The next frame, `None` at the end of the file. After an error nothing more can be read.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, CaptureError> {
        let FrameReader { input, format, limits, buffer, .. } = self;
        let header = match format {
            Format::Pcap(pcap) => pcap.next(input, buffer, limits)?,
            Format::PcapNg(pcapng) => pcapng.next(input, buffer, limits)?,
        };
        let Some(Header { time, link, cut_off, interface }) = header else { return Ok(None) };
        self.count = self.count.saturating_add(1);
        let interface = match &self.format {
            Format::Pcap(_) => None,
            Format::PcapNg(pcapng) => pcapng.interface_name(interface),
        };
        Ok(Some(Frame { interface, time, link, cut_off, bytes: &self.buffer }))
    }

    /// Frames read so far.
    pub fn count(&self) -> u32 {
        self.count
    }
}
