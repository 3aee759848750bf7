// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads a capture file message by message.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use super::dissect::Dissector;
use super::input::Input;
use super::link::LinkType;
use super::pcap::Pcap;
use super::pcapng::PcapNg;
use super::{CaptureError, CapturedMessage, Limits, Skipped};

/// The ASAP and ENRP messages of a pcap or pcapng file, in the order in which they were complete.
///
/// An error is the last item: what came before it is sound. Frames that hold something else are passed over; what may have
/// held a message and could not be read is counted in [`skipped`](Self::skipped).
pub struct CaptureReader<R> {
    input: Input<R>,
    format: Format,
    limits: Limits,
    frames: u32,
    buffer: Vec<u8>,
    dissector: Dissector,
    found: VecDeque<CapturedMessage>,
    ended: bool,
}

enum Format {
    Pcap(Pcap),
    PcapNg(PcapNg),
}

/// What is known of a frame besides its bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) time: Duration,
    /// `None`: a link type we can't read.
    pub(super) link: Option<LinkType>,
    /// The capture holds only the beginning of the frame.
    pub(super) cut_off: bool,
}

impl CaptureReader<File> {
    /// Opens a capture file with the default limits.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, CaptureError> {
        Self::new(File::open(path).map_err(|source| CaptureError::Io { offset: 0, source })?)
    }
}

impl<R: Read> CaptureReader<R> {
    /// Reads the beginning of a capture; the input need not be buffered.
    pub fn new(input: R) -> Result<Self, CaptureError> {
        Self::with_limits(input, Limits::default())
    }

    /// As [`new`](Self::new), with limits of the caller's choice.
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
        let dissector = Dissector::new(&limits);
        Ok(CaptureReader {
            input,
            format,
            limits,
            frames: 0,
            buffer: Vec::new(),
            dissector,
            found: VecDeque::new(),
            ended: false,
        })
    }

    /// What was passed over so far; complete when the iterator has ended.
    pub fn skipped(&self) -> &Skipped {
        self.dissector.skipped()
    }

    /// Frames read so far.
    pub fn frames(&self) -> u32 {
        self.frames
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, CaptureError> {
        match &mut self.format {
            Format::Pcap(pcap) => pcap.next(&mut self.input, &mut self.buffer, &self.limits),
            Format::PcapNg(pcapng) => pcapng.next(&mut self.input, &mut self.buffer, &self.limits),
        }
    }
}

impl<R: Read> Iterator for CaptureReader<R> {
    type Item = Result<CapturedMessage, CaptureError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(message) = self.found.pop_front() {
                return Some(Ok(message));
            }
            if self.ended {
                return None;
            }
            match self.next_frame() {
                Ok(Some(frame)) => {
                    self.frames = self.frames.saturating_add(1);
                    self.dissector.frame(self.frames, &frame, &self.buffer, &mut self.found);
                }
                end => {
                    self.ended = true;
                    self.dissector.end();
                    return end.err().map(Err);
                }
            }
        }
    }
}
