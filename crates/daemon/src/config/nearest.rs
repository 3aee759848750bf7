// SPDX-License-Identifier: MIT OR Apache-2.0
//! What somebody who wrote a wrong word probably meant.

/// The nearest of the known words, if one is near enough to be a slip of the finger.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let close = known.iter().map(|candidate| (distance(word, candidate), *candidate));
    close.filter(|(distance, candidate)| distance * 3 <= candidate.len()).min().map(|(_, candidate)| candidate)
}

/// Letters to insert, delete or replace (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_recognised_and_another_word_is_not() {
        let known = ["keep_alive_interval", "keep_alive_timeout", "pools"];
        assert_eq!(nearest("keepalive_interval", &known), Some("keep_alive_interval"));
        assert_eq!(nearest("pool", &known), Some("pools"));
        assert_eq!(nearest("colour", &known), None);
    }

    #[test]
    fn distances_are_counted_in_letters() {
        assert_eq!((distance("", "abc"), distance("abc", "abc"), distance("kitten", "sitting")), (3, 0, 3));
    }
}
