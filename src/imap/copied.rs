//! Which message became which by a COPY or a MOVE, as COPYUID says (RFC 4315 §3).

use std::collections::BTreeMap;

use super::{
    connection::Completion,
    response::{Code, Untagged},
};

/// UIDs in the target by UIDs that were asked for; none where the server said nothing, or what makes no sense.
///
/// COPY says it with its tagged OK, MOVE in a line of its own before the messages vanish (RFC 6851 §4.3).
#[must_use]
pub fn copied(completion: &Completion, asked: &[u32], uid_validity: u32) -> BTreeMap<u32, u32> {
    let untagged = completion.untagged.iter().filter_map(|data| {
        if let Untagged::Status { code, .. } = data {
            code.as_ref()
        } else {
            None
        }
    });
    let mut pairs = BTreeMap::new();
    for code in untagged.chain(&completion.code) {
        let Code::CopyUid(validity, sources, targets) = code else {
            continue;
        };
        // A range costs a server nothing to say: what it stands for is bounded here.
        let flat = |ranges: &[std::ops::RangeInclusive<u32>]| -> Vec<u32> {
            let uids = ranges.iter().cloned().flatten();
            uids.take(asked.len() + 1).collect()
        };
        let (sources, targets) = (flat(sources), flat(targets));
        let sound = *validity == uid_validity
            && sources.len() == targets.len()
            && sources.len() <= asked.len();
        if sound {
            let said = sources.into_iter().zip(targets);
            pairs.extend(said.filter(|(source, target)| *target != 0 && asked.contains(source)));
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imap::response::Status;

    fn said(code: Code) -> Untagged {
        Untagged::Status {
            status: Status::Ok,
            code: Some(code),
            text: String::new(),
        }
    }

    fn of_move(codes: impl IntoIterator<Item = Code>) -> Vec<(u32, u32)> {
        let completion = Completion {
            code: None,
            untagged: codes.into_iter().map(said).collect(),
        };
        let pairs = copied(&completion, &[3, 4, 5, 9], 7);
        pairs.into_iter().collect()
    }

    #[test]
    fn pairs_are_read_in_the_order_said() {
        let code = || Code::CopyUid(7, vec![3..=4, 9..=9], vec![12..=13, 20..=20]);
        let expected = [(3, 12), (4, 13), (9, 20)];
        assert_eq!(of_move([code()]), expected);
        let completion = Completion {
            code: Some(code()),
            untagged: Vec::new(),
        };
        let pairs = copied(&completion, &[3, 4, 5, 9], 7);
        assert_eq!(pairs.into_iter().collect::<Vec<_>>(), expected);
        let two = [
            Code::CopyUid(7, vec![3..=3], vec![12..=12]),
            Code::CopyUid(7, vec![5..=5], vec![13..=13]),
        ];
        assert_eq!(of_move(two), [(3, 12), (5, 13)]);
    }

    #[test]
    fn what_makes_no_sense_is_no_evidence() {
        for code in [
            Code::CopyUid(8, vec![3..=4], vec![12..=13]),
            Code::CopyUid(7, vec![3..=4], vec![12..=12]),
            Code::CopyUid(7, vec![1..=u32::MAX], vec![1..=u32::MAX]),
            Code::CopyUid(7, vec![6..=6], vec![12..=12]),
            Code::CopyUid(7, vec![3..=3], vec![0..=0]),
        ] {
            assert_eq!(of_move([code.clone()]), [], "{code:?}");
        }
    }
}
