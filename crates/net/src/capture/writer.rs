// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writes the block-structured capture format (draft-ietf-opsawg-pcapng), what is in it beginning with the IP header.

use std::collections::HashMap;
use std::io::{self, Write};
use std::time::Duration;

/// One section of IP packets, with the time in nanoseconds.
pub(super) struct PcapNgWriter<W> {
    output: W,
    written: u64,
    /// By name; the one without a name stands for all whose name is not known.
    interfaces: HashMap<Option<String>, u32>,
    block: Vec<u8>,
}

impl<W: Write> PcapNgWriter<W> {
    /// Writes the section header.
    pub(super) fn new(output: W) -> io::Result<Self> {
        let mut writer = PcapNgWriter { output, written: 0, interfaces: HashMap::new(), block: Vec::new() };
        writer.block.extend(BYTE_ORDER_MAGIC.to_le_bytes());
        // Version 1.0; the length of the section is not known.
        writer.block.extend([1, 0, 0, 0]);
        writer.block.extend([0xff; 8]);
        writer.option(USER_APPLICATION, concat!("rsp capture ", env!("CARGO_PKG_VERSION")).as_bytes());
        writer.option(END_OF_OPTIONS, &[]);
        writer.end_block(SECTION_HEADER)?;
        Ok(writer)
    }

    /// Writes an IP packet of which `packet` is the beginning and `length` the whole length.
    pub(super) fn packet(
        &mut self,
        interface: Option<&str>,
        time: Duration,
        packet: &[u8],
        length: usize,
        comment: Option<&str>,
    ) -> io::Result<()> {
        let interface = self.interface(interface)?;
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.block.extend(interface.to_le_bytes());
        self.block.extend(((time >> 32) as u32).to_le_bytes());
        self.block.extend((time as u32).to_le_bytes());
        self.block.extend((packet.len() as u32).to_le_bytes());
        self.block.extend((length as u32).to_le_bytes());
        self.block.extend(packet);
        self.pad();
        if let Some(comment) = comment {
            self.option(COMMENT, comment.as_bytes());
            self.option(END_OF_OPTIONS, &[]);
        }
        self.end_block(ENHANCED_PACKET)
    }

    /// Bytes written so far.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    pub(super) fn output(&mut self) -> &mut W {
        &mut self.output
    }

    pub(super) fn into_output(self) -> W {
        self.output
    }

    /// The number of an interface, which is described when it is met first.
    fn interface(&mut self, name: Option<&str>) -> io::Result<u32> {
        let name = name.map(|name| name.chars().take(MAX_NAME).collect::<String>());
        if let Some(number) = self.interfaces.get(&name) {
            return Ok(*number);
        }
        if self.interfaces.len() == MAX_INTERFACES {
            // A file that names as many as it likes is not followed for ever.
            return Ok(0);
        }
        self.block.extend(LINK_TYPE_RAW.to_le_bytes());
        self.block.extend([0, 0]);
        // Snap length: none.
        self.block.extend([0; 4]);
        if let Some(name) = &name {
            self.option(IF_NAME, name.as_bytes());
        }
        self.option(IF_TSRESOL, &[NANOSECONDS]);
        self.option(END_OF_OPTIONS, &[]);
        self.end_block(INTERFACE)?;
        let number = self.interfaces.len() as u32;
        self.interfaces.insert(name, number);
        Ok(number)
    }

    /// Appends an option; none of ours is longer than its length can say.
    fn option(&mut self, code: u16, value: &[u8]) {
        let value = &value[..value.len().min(u16::MAX.into())];
        self.block.extend(code.to_le_bytes());
        self.block.extend((value.len() as u16).to_le_bytes());
        self.block.extend(value);
        self.pad();
    }

    fn pad(&mut self) {
        self.block.resize(self.block.len().next_multiple_of(4), 0);
    }

    /// Writes what was gathered as the body of a block.
    fn end_block(&mut self, block_type: u32) -> io::Result<()> {
        let length = self.block.len() as u32 + BLOCK_HEADER_AND_TRAILER;
        let result = self
            .output
            .write_all(&block_type.to_le_bytes())
            .and_then(|()| self.output.write_all(&length.to_le_bytes()))
            .and_then(|()| self.output.write_all(&self.block))
            .and_then(|()| self.output.write_all(&length.to_le_bytes()));
        self.block.clear();
        self.written += u64::from(length);
        result
    }
}

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
const INTERFACE: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
const BLOCK_HEADER_AND_TRAILER: u32 = 12;

const END_OF_OPTIONS: u16 = 0;
const COMMENT: u16 = 1;
const USER_APPLICATION: u16 = 4;
const IF_NAME: u16 = 2;
const IF_TSRESOL: u16 = 9;

const LINK_TYPE_RAW: u16 = 101;
/// As a negative power of ten.
const NANOSECONDS: u8 = 9;

const MAX_INTERFACES: usize = 4096;
/// Linux has names of 15 bytes.
const MAX_NAME: usize = 256;
