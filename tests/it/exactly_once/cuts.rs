//! The connection to the store cut at every byte that matters, both ways: the answer is never wrong, and a repeated request makes
//! nothing twice.

use std::collections::{BTreeMap, BTreeSet};

use cpm_bridge::task;
use futures_util::{StreamExt, stream};

use super::upload::{Kind, Outcome, Upload, subject_of, subjects_in_inbox};
use crate::support::{
    bridge::Bridge,
    proxy::{Fault, Proxy, Trap},
    witness::announced_literal,
};

/// Cases at a time.
const AT_ONCE: usize = 24;

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Made,
    NotMade,
    /// It was made, and nothing came that could have been cut: the times that Dovecot tells make its answers shorter or
    /// longer, and what follows a command may go another way.
    Unbroken,
}

/// A way in which a store takes messages, and how thoroughly it is tried.
#[derive(Debug, Clone, Copy)]
struct Way {
    name: &'static str,
    kind: Kind,
    /// Capabilities that the store seems to lack.
    hidden: &'static [&'static str],
    /// Most cuts each way; all that matter where that is not said.
    most: Option<usize>,
}

impl Way {
    const fn new(name: &'static str, kind: Kind, hidden: &'static [&'static str]) -> Self {
        let most = None;
        Self {
            name,
            kind,
            hidden,
            most,
        }
    }

    const fn most(self, most: usize) -> Self {
        let most = Some(most);
        Self { most, ..self }
    }

    async fn proxy(&self, bridge: &crate::support::bridge::Builder) -> Proxy {
        Proxy::hiding(bridge.imap(), self.hidden).await
    }

    /// Cuts at every byte.
    async fn is_proof(self) {
        let seen = self.undisturbed().await;
        let said = thinned(self.most, edges(&seen.said));
        let answered = thinned(self.most, (0..seen.answered.len()).collect());
        assert!(said.len() > 10 && answered.len() > 10, "{seen:?}");
        let said = said.into_iter().map(Trap::CutSaid);
        let cuts = said.chain(answered.into_iter().map(Trap::CutAnswered));
        let cases = cuts.enumerate().map(|(number, trap)| {
            // Half of the stores come back at once, half of them later.
            let then = [Fault::None, Fault::Away][number % 2].clone();
            task::spawn(self.is_proof_against(trap, then))
        });
        let mut cases = stream::iter(cases).buffer_unordered(AT_ONCE);
        let mut count = BTreeMap::new();
        while let Some(end) = cases.next().await {
            *count.entry(end.unwrap()).or_insert(0) += 1;
        }
        // All happens, or the cuts were not where they should be.
        let [made, not_made, unbroken] =
            [End::Made, End::NotMade, End::Unbroken].map(|end| count.get(&end).copied());
        let broken = made
            .zip(not_made)
            .map_or(0, |(made, not_made)| made + not_made);
        assert!(broken > 3 * unbroken.unwrap_or(0), "{count:?}");
    }

    /// What passes when nothing breaks.
    async fn undisturbed(self) -> crate::support::proxy::Seen {
        let builder = Bridge::builder(self.name);
        let proxy = self.proxy(&builder).await;
        let bridge = builder.store(proxy.address()).start().await;
        bridge.get("folders/operations/pathToId").await.expect(200);
        proxy.lay("APPEND", Trap::Watch, Fault::None);
        let upload = Upload::new(self.kind, "once");
        let request = upload.request(&bridge.client, &bridge.account);
        let outcomes = upload.outcomes(&request.send().await);
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        proxy.seen()
    }

    /// One cut.
    async fn is_proof_against(self, trap: Trap, then: Fault) -> End {
        let case = format!("{} {trap:?} {then:?}", self.name);
        let builder = Bridge::builder(&case);
        let proxy = self.proxy(&builder).await;
        let bridge = builder.store(proxy.address()).start().await;
        let (client, account) = (&bridge.client, &bridge.account);
        // The tree is known and a connection open, so that APPEND is all there is to break.
        bridge.get("folders/operations/pathToId").await.expect(200);
        proxy.lay("APPEND", trap, then);
        let upload = Upload::new(self.kind, "once");
        let answer = upload.request(client, account).send().await;
        let first = upload.outcomes(&answer);
        let made = first.iter().all(Outcome::is_ok);
        let end = match (proxy.has_sprung(), made) {
            (true, true) => End::Made,
            (true, false) => End::NotMade,
            (false, _) => End::Unbroken,
        };
        assert!(made || end != End::Unbroken, "{case}: {first:?}");
        proxy.heal();
        let there = subjects_in_inbox(account).await;
        for (subject, outcome) in upload.subjects.iter().zip(&first) {
            let count = there.get(subject).copied().unwrap_or(0);
            match outcome {
                Ok(url) => {
                    assert_eq!(count, 1, "{case}: {subject}");
                    assert_eq!(subject_of(client, url).await, *subject, "{case}");
                }
                Err(_) => assert!(count <= 1, "{case}: {subject} {count} times"),
            }
        }
        if upload.has_keys() {
            let again = upload.outcomes(&upload.request(client, account).send().await);
            for ((subject, first), again) in upload.subjects.iter().zip(&first).zip(&again) {
                let url = again
                    .as_ref()
                    .unwrap_or_else(|status| panic!("{case}: {status}"));
                assert!(
                    first.is_err() || *first == *again,
                    "{case}: {first:?} {again:?}"
                );
                assert_eq!(subject_of(client, url).await, *subject, "{case}");
            }
            let there = subjects_in_inbox(account).await;
            let once = upload.subjects.iter().map(|subject| (subject.clone(), 1));
            assert_eq!(there, once.collect(), "{case}");
        }
        end
    }
}

/// Up to where the bytes of commands are sent before a cut: each byte of their lines, and the edges and the middle of literals.
fn edges(said: &[u8]) -> Vec<usize> {
    const EDGE: usize = 4;
    let (mut edges, mut start) = (BTreeSet::new(), 0);
    edges.insert(0);
    while let Some(length) = said[start..].iter().position(|byte| *byte == b'\n') {
        let end = start + length + 1;
        edges.extend(start + 1..=end);
        let line = String::from_utf8_lossy(&said[start..end - 2]);
        let literal = announced_literal(&line).unwrap_or(0);
        let (near, middle) = (literal.min(EDGE), literal / 2);
        edges.extend(end..end + near);
        edges.extend([end + middle, end + literal.saturating_sub(near)]);
        edges.extend(end + literal - near..=end + literal);
        start = end + literal;
    }
    edges.into_iter().collect()
}

/// So many of them at most; the last ones, where the outcome is decided, all stay.
fn thinned(most: Option<usize>, cuts: Vec<usize>) -> Vec<usize> {
    const LAST: usize = 8;
    let Some(most) = most.filter(|most| *most < cuts.len()) else {
        return cuts;
    };
    let (first, last) = cuts.split_at(cuts.len() - LAST);
    let step = first.len().div_ceil(most - LAST);
    first.iter().step_by(step).chain(last).copied().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_is_made_once_wherever_the_connection_is_cut() {
    Way::new("cut_one", Kind::One, &[]).is_proof().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_uidplus_it_is_made_once_all_the_same() {
    let hidden = &["UIDPLUS"];
    Way::new("cut_no_uidplus", Kind::One, hidden)
        .most(30)
        .is_proof()
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_literals_are_asked_for_it_is_made_once() {
    let hidden = &["LITERAL+"];
    Way::new("cut_asked", Kind::One, hidden)
        .most(20)
        .is_proof()
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_made_by_one_command_are_made_once() {
    Way::new("cut_together", Kind::Bulk, &[])
        .most(30)
        .is_proof()
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_made_by_one_command_without_uidplus_are_made_once() {
    let hidden = &["UIDPLUS"];
    Way::new("cut_together_no_uidplus", Kind::Bulk, hidden)
        .most(20)
        .is_proof()
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_made_back_to_back_are_made_once() {
    let hidden = &["MULTIAPPEND"];
    Way::new("cut_back_to_back", Kind::Bulk, hidden)
        .most(30)
        .is_proof()
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_made_one_by_one_are_made_once() {
    let hidden = &["MULTIAPPEND", "LITERAL+"];
    Way::new("cut_one_by_one", Kind::Bulk, hidden)
        .most(20)
        .is_proof()
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_is_passed_on_as_it_comes_is_made_once_at_most() {
    Way::new("cut_streamed", Kind::Streamed, &[])
        .most(20)
        .is_proof()
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_from_the_spool_is_made_once() {
    Way::new("cut_spooled", Kind::Spooled, &[])
        .most(20)
        .is_proof()
        .await;
}
