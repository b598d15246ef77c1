//! SEARCH and SORT as they come: a mailbox of a million messages answers in one line of eight megabytes.
//!
//! Each byte is looked at once, and the numbers are given out in pieces of [`CHUNK`], wherever the reads were cut.
//! What is no number is passed over, but for `(MODSEQ n)` (RFC 7162 §3.1.5).

use bytes::{Buf, BytesMut};

/// Numbers in each piece but the last.
pub(super) const CHUNK: usize = 8 * 1024;

/// A line that is being read.
pub(super) struct SearchLine {
    numbers: Vec<u32>,
    mod_seq: Option<u64>,
    word: Word,
    /// Whether the last word was `MODSEQ`.
    expects_mod_seq: bool,
    /// Bytes of the line so far.
    size: usize,
}

/// The word being read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    None,
    Number(u64),
    /// So many bytes of `MODSEQ`.
    ModSeq(usize),
    Other,
}

const MOD_SEQ: &[u8] = b"MODSEQ";

/// Part of an answer.
pub(super) struct Chunk {
    pub(super) numbers: Vec<u32>,
    pub(super) mod_seq: Option<u64>,
    pub(super) is_last: bool,
}

impl SearchLine {
    /// A line of which the first bytes were read: its name.
    pub(super) fn new(size: usize) -> Self {
        Self {
            numbers: Vec::new(),
            mod_seq: None,
            word: Word::None,
            expects_mod_seq: false,
            size,
        }
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Consumes bytes up to the end of a piece, or all there are.
    pub(super) fn feed(&mut self, input: &mut BytesMut) -> Option<Chunk> {
        let mut used = 0;
        let mut chunk = None;
        for &byte in input.iter() {
            used += 1;
            match byte {
                b' ' | b'(' | b')' | b'\r' | b'\n' => self.end_word(),
                _ => self.word = self.word.and(byte),
            }
            if byte == b'\n' || self.numbers.len() == CHUNK {
                let is_last = byte == b'\n';
                chunk = Some(Chunk {
                    numbers: std::mem::take(&mut self.numbers),
                    mod_seq: if is_last { self.mod_seq } else { None },
                    is_last,
                });
                break;
            }
        }
        input.advance(used);
        self.size += used;
        chunk
    }

    fn end_word(&mut self) {
        let word = std::mem::replace(&mut self.word, Word::None);
        match word {
            Word::None => return,
            Word::Number(number) if self.expects_mod_seq => self.mod_seq = Some(number),
            Word::Number(number) => self.numbers.extend(u32::try_from(number)),
            Word::ModSeq(_) | Word::Other => {}
        }
        self.expects_mod_seq = word == Word::ModSeq(MOD_SEQ.len());
    }
}

impl Word {
    fn and(self, byte: u8) -> Self {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'));
        match (self, digit) {
            (Self::None, Some(digit)) => Self::Number(digit),
            (Self::Number(number), Some(digit)) => number
                .checked_mul(10)
                .and_then(|number| number.checked_add(digit))
                .map_or(Self::Other, Self::Number),
            (Self::None, None) => Self::ModSeq(0).and(byte),
            (Self::ModSeq(length), None)
                if MOD_SEQ.get(length) == Some(&byte.to_ascii_uppercase()) =>
            {
                Self::ModSeq(length + 1)
            }
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Vec<Chunk> {
        let mut search = SearchLine::new(0);
        let mut input = BytesMut::from(line);
        let mut chunks = Vec::new();
        while let Some(chunk) = search.feed(&mut input) {
            let is_last = chunk.is_last;
            chunks.push(chunk);
            if is_last {
                break;
            }
        }
        chunks
    }

    fn only(line: &str) -> (Vec<u32>, Option<u64>) {
        let mut chunks = read(line);
        assert_eq!(chunks.len(), 1);
        let chunk = chunks.remove(0);
        (chunk.numbers, chunk.mod_seq)
    }

    #[test]
    fn numbers_keep_their_order() {
        assert_eq!(only(" 2 84  882\r\n"), (vec![2, 84, 882], None));
        assert_eq!(only("\r\n"), (vec![], None));
        assert_eq!(only(" 7\n"), (vec![7], None));
    }

    #[test]
    fn mod_seq_is_told_from_numbers() {
        assert_eq!(
            only(" 2 5 (MODSEQ 917162500)\r\n"),
            (vec![2, 5], Some(917_162_500))
        );
        assert_eq!(
            only(" (modseq 18446744073709551615) 9\r\n"),
            (vec![9], Some(u64::MAX))
        );
        assert_eq!(only(" (MODSE 4)\r\n"), (vec![4], None));
    }

    #[test]
    fn what_is_no_number_is_passed_over() {
        assert_eq!(
            only(" x 1 2x -3 4294967296 99999999999999999999999 5 MODSEQ\r\n"),
            (vec![1, 5], None)
        );
    }

    #[test]
    fn a_long_line_comes_in_pieces() {
        let line = " 7".repeat(2 * CHUNK) + "\r\n";
        let lengths: Vec<_> = read(&line)
            .iter()
            .map(|chunk| chunk.numbers.len())
            .collect();
        assert_eq!(lengths, [CHUNK, CHUNK, 0]);
    }
}
