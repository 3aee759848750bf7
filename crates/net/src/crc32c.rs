// SPDX-License-Identifier: MIT OR Apache-2.0
//! CRC32c, the checksum of SCTP packets (RFC 9260 appendix A): by the processor's instruction where it has one, else eight
//! bytes at a time by tables.

/// The checksum of a packet whose checksum field is taken as zero, as it stands in the packet (little-endian bytes).
pub(crate) fn of_sctp_packet(packet: &[u8]) -> Option<[u8; 4]> {
    let (ports_and_tag, rest) = packet.split_first_chunk::<8>()?;
    let (_, chunks) = rest.split_first_chunk::<4>()?;
    Some((!update(update(update(!0, ports_and_tag), &[0; 4]), chunks)).to_le_bytes())
}

fn update(crc: u32, bytes: &[u8]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("sse4.2") {
        // SAFETY: the processor has the instruction.
        return unsafe { update_by_instruction(crc, bytes) };
    }
    update_by_tables(crc, bytes)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse4.2")]
fn update_by_instruction(crc: u32, bytes: &[u8]) -> u32 {
    use std::arch::x86_64::{_mm_crc32_u8, _mm_crc32_u64};
    let (words, rest) = bytes.as_chunks::<8>();
    let crc = words.iter().fold(u64::from(crc), |crc, word| _mm_crc32_u64(crc, u64::from_le_bytes(*word))) as u32;
    rest.iter().fold(crc, |crc, byte| _mm_crc32_u8(crc, *byte))
}

fn update_by_tables(crc: u32, bytes: &[u8]) -> u32 {
    let (words, rest) = bytes.as_chunks::<8>();
    let crc = words.iter().fold(crc, |crc, word| {
        let word = (u64::from_le_bytes(*word) ^ u64::from(crc)).to_le_bytes();
        (0..8).fold(0, |crc, at| crc ^ TABLES[7 - at][usize::from(word[at])])
    });
    rest.iter().fold(crc, |crc, byte| TABLES[0][usize::from(crc as u8 ^ byte)] ^ (crc >> 8))
}

/// What a byte does to the checksum when as many bytes follow it as the table's number says.
static TABLES: [[u32; 256]; 8] = {
    /// The Castagnoli polynomial 0x1edc6f41, bits reversed.
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut table = 1;
    while table < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[table - 1][byte];
            tables[table][byte] = tables[0][(before & 0xff) as usize] ^ (before >> 8);
            byte += 1;
        }
        table += 1;
    }
    tables
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_the_castagnoli_crc_comes_out() {
        assert_eq!(!update(!0, b"123456789"), 0xe306_9283);
        assert_eq!(!update_by_tables(!0, b"123456789"), 0xe306_9283);
    }

    #[test]
    fn both_ways_agree_on_every_length() {
        let bytes: Vec<u8> = (0..200u8).map(|at| at.wrapping_mul(37) ^ 0x5a).collect();
        for length in 0..bytes.len() {
            assert_eq!(update(!0, &bytes[..length]), update_by_tables(!0, &bytes[..length]), "{length} bytes");
        }
    }

    #[test]
    fn what_is_shorter_than_an_sctp_header_has_no_checksum() {
        assert_eq!(of_sctp_packet(&[0; 11]), None);
    }
}
