// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads a capture file message by message.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::carried::Carried;
use super::dissect::Dissector;
use super::frames::FrameReader;
use super::{CaptureError, CapturedMessage, Limits, Skipped};

/// The ASAP and ENRP messages of a pcap or pcapng file, in the order in which they were complete.
///
/// An error is the last item: what came before it is sound. Frames that hold something else are passed over; what may have
/// held a message and could not be read is counted in [`skipped`](Self::skipped).
pub struct CaptureReader<R> {
    frames: FrameReader<R>,
    dissector: Dissector,
    found: VecDeque<Carried>,
    ended: bool,
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
        let frames = FrameReader::with_limits(input, limits)?;
        Ok(CaptureReader { frames, dissector: Dissector::new(&limits), found: VecDeque::new(), ended: false })
    }

    /// What was passed over so far; complete when the iterator has ended.
    pub fn skipped(&self) -> &Skipped {
        self.dissector.skipped()
    }

    /// Frames read so far.
    pub fn frames(&self) -> u32 {
        self.frames.count()
    }
}

impl<R: Read> Iterator for CaptureReader<R> {
    type Item = Result<CapturedMessage, CaptureError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            while let Some(carried) = self.found.pop_front() {
                if let Some(message) = carried.into_message() {
                    return Some(Ok(message));
                }
            }
            if self.ended {
                return None;
            }
            let number = self.frames.count().saturating_add(1);
            match self.frames.next_frame() {
                Ok(Some(frame)) => self.dissector.frame(number, &frame, &mut self.found),
                end => {
                    let error = end.err();
                    self.ended = true;
                    self.dissector.end();
                    return error.map(Err);
                }
            }
        }
    }
}
