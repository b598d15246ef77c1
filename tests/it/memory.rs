//! What a payload or a listing of any size may cost in memory, seen from outside: the peak of a process of its own.

use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use tokio::time::Instant;

use crate::{
    objects::below_box,
    support::{
        dovecot::{self, Account},
        http::Client,
        process::Process,
        repertoire::Repertoire,
        witness::Witness,
    },
};

/// product.md §5: what a payload of 100 MB may add.
const EXTRA: u64 = 8 << 20;

/// Lines in 100 MB; each is 76 characters of base64, 57 octets.
const LINES: usize = 100_000_000 / 57;
const LINE: &str =
    "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0\r\n";
const DECODED: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz01234";

/// How a client reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// As fast as it comes, to its end.
    Fast,
    /// Rests after each half mebibyte, and hangs up after sixteen.
    Slow,
}

/// A message and the resource of it that is downloaded.
struct Download {
    what: &'static str,
    header: &'static str,
    before: &'static str,
    after: &'static str,
    resource: &'static str,
    /// What each line is to the client.
    shown: &'static str,
}

const DOWNLOADS: [Download; 3] = [
    Download {
        what: "a base64 payload",
        header: "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n",
        before: "",
        after: "",
        resource: "payload",
        shown: DECODED,
    },
    Download {
        what: "a 7bit payload",
        header: "Content-Type: application/octet-stream\r\n",
        before: "",
        after: "",
        resource: "payload",
        shown: LINE,
    },
    Download {
        what: "a base64 part",
        header: "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n",
        before: "--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n",
        after: "--b--\r\n",
        resource: "payloadParts/2",
        shown: DECODED,
    },
];

impl Download {
    fn message(&self, lines: usize) -> Vec<u8> {
        let head = format!(
            "Subject: {}\r\n{}\r\n{}",
            self.what, self.header, self.before
        );
        [
            head.as_bytes(),
            &LINE.as_bytes().repeat(lines),
            self.after.as_bytes(),
        ]
        .concat()
    }

    /// Of the first octets that a client sees.
    fn digest(&self, octets: usize) -> Vec<u8> {
        let mut digest = Context::new(&SHA256);
        let thousand = self.shown.repeat(1000);
        let (whole, rest) = (octets / thousand.len(), octets % thousand.len());
        (0..whole).for_each(|_| digest.update(thousand.as_bytes()));
        digest.update(&thousand.as_bytes()[..rest]);
        digest.finish().as_ref().to_vec()
    }

    fn octets(&self, lines: usize) -> usize {
        self.shown.len() * lines
    }
}

/// The newest object of a folder, as a target.
pub(crate) async fn newest(client: &Client, account: &Account, folder: &str) -> String {
    let target = |resource: &str| {
        format!(
            "/nms/v1/cpm/{}/{resource}",
            account.box_id().replace('+', "%2B")
        )
    };
    let found = client
        .get(&target(&format!(
            "folders/operations/pathToId?path=/{folder}"
        )))
        .await;
    let folder = below_box(&found.expect(200).json()["reference"]["resourceURL"]);
    let listed = client
        .get(&target(&format!(
            "{folder}?listFilter=Objects&maxEntries=1"
        )))
        .await;
    let object = &listed.expect(200).json()["folder"]["objects"]["objectReference"][0];
    target(&below_box(&object["resourceURL"]))
}

/// Downloads, and returns how many octets came, and their digest.
async fn download(client: &Client, target: &str, pace: Pace) -> (usize, Vec<u8>) {
    let mut stream = client.request("GET", target).stream().await;
    assert_eq!(stream.head.status, 200);
    let mut digest = Context::new(&SHA256);
    let (mut octets, mut rested) = (0, 0);
    loop {
        let piece = stream.piece().await;
        digest.update(&piece);
        octets += piece.len();
        let enough = pace == Pace::Slow && octets > 16 << 20;
        if piece.is_empty() || enough {
            return (octets, digest.finish().as_ref().to_vec());
        }
        if pace == Pace::Slow && octets - rested > 512 << 10 {
            rested = octets;
            // Not to wait for anything: this is how long such a client takes.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

pub(crate) async fn append(witness: &mut Witness, mailbox: &str, message: &[u8]) {
    witness.command(&format!("CREATE {mailbox}")).await;
    witness.append(mailbox, message, "", None).await;
}

/// Each kind by itself, in a process of its own.
async fn costs_little(download_of: &Download, big: usize, test: &str) {
    let account = dovecot::account(test);
    let mut witness = account.witness().await;
    append(&mut witness, "small", &download_of.message(100)).await;
    append(&mut witness, "big", &download_of.message(big)).await;
    for pace in [Pace::Fast, Pace::Slow] {
        let process = Process::start(account.imap, "");
        let client = process.client(&account);
        let get = async |folder: &str, lines: usize| {
            let object = newest(&client, &account, folder).await;
            client.get(&object).await.expect(200);
            let target = format!("{object}/{}", download_of.resource);
            let (octets, digest) = download(&client, &target, pace).await;
            let whole = octets == download_of.octets(lines);
            assert!(
                whole || pace == Pace::Slow,
                "{octets} octets of {}",
                download_of.what
            );
            assert_eq!(
                digest,
                download_of.digest(octets),
                "{} {pace:?}",
                download_of.what
            );
            process.peak_memory()
        };
        let before = get("small", 100).await;
        let after = get("big", big).await;
        let extra = after - before;
        assert!(
            extra <= EXTRA,
            "{} to a {pace:?} reader: {extra} octets more than the {before} before",
            download_of.what
        );
        process.stop();
    }
}

#[tokio::test]
async fn an_encoded_payload_of_100_mb_costs_little_memory() {
    costs_little(&DOWNLOADS[0], LINES, "encoded_payload_of_100_mb").await;
}

#[tokio::test]
async fn a_plain_payload_of_100_mb_costs_little_memory() {
    costs_little(&DOWNLOADS[1], LINES, "plain_payload_of_100_mb").await;
}

#[tokio::test]
async fn a_part_of_100_mb_costs_little_memory() {
    costs_little(&DOWNLOADS[2], LINES, "part_of_100_mb").await;
}

/// A store that finds so many UIDs, told in one of the ways there are.
async fn finding(found: impl Fn() -> String) -> (Repertoire, Process, Client, Account) {
    let store = Repertoire::start("store.txt").await;
    store.answer("UID SEARCH *", &format!("{}\n{{tag}} OK done", found()));
    let account = dovecot::account("many_uids");
    let process = Process::start(store.address(), "");
    let client = process.client(&account);
    (store, process, client, account)
}

/// Every second UID up to twice as many, so that no range makes it short.
fn uids(count: u32, separator: char) -> String {
    let mut text = String::with_capacity(8 * count as usize);
    for uid in (1..=count).map(|number| 2 * number) {
        text.push(separator);
        text.push_str(&uid.to_string());
    }
    text.split_off(1)
}

/// How long a first page of a folder of so many takes at best, and what the process has needed at most.
async fn first_page(count: u32) -> (Duration, u64) {
    let found = || format!("* SEARCH {}", uids(count, ' '));
    let (_store, process, client, account) = finding(found).await;
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let started = Instant::now();
        newest(&client, &account, "INBOX").await;
        best = best.min(started.elapsed());
    }
    let memory = process.peak_memory();
    process.stop();
    (best, memory)
}

#[tokio::test]
async fn a_page_of_a_million_objects_takes_linear_time_and_bounded_memory() {
    const SHARE: u32 = 32;
    let (short, little) = first_page(1_000_000 / SHARE).await;
    let (long, much) = first_page(1_000_000).await;
    // In quadratic time it would be 1024 times as long. A busy machine makes neither three times as long as it is.
    assert!(
        long < 3 * SHARE * short + Duration::from_secs(1),
        "{short:?} for a part, {long:?} for all"
    );
    assert!(much - little < 32 << 20, "{little} and {much} octets");
}

#[tokio::test]
async fn pages_of_a_million_objects_follow_one_another() {
    for found in [
        format!("* SEARCH {}", uids(1_000_000, ' ')),
        format!(
            "* ESEARCH (TAG \"{{tag}}\") UID ALL {}",
            uids(1_000_000, ',')
        ),
        "* ESEARCH (TAG \"{tag}\") UID ALL 1000001:2000000".to_owned(),
    ] {
        let (store, process, client, account) = finding(|| found.clone()).await;
        let object = newest(&client, &account, "INBOX").await;
        // The newest of all is UID 2000000, whichever way it was told.
        store.answer(
            "UID FETCH 2000000 *",
            "* 1 FETCH (UID 2000000 FLAGS (\\Seen) MODSEQ (5))\n{tag} OK done",
        );
        client.get(&format!("{object}/flags")).await.expect(200);
        store.assert_all_known();
        process.stop();
    }
}

/// More than there can be: a range costs a server nothing to say.
#[tokio::test]
async fn a_range_of_all_uids_there_can_be_is_bounded() {
    let found = || "* ESEARCH (TAG \"{tag}\") UID ALL 1:4294967295".to_owned();
    let (_store, process, client, account) = finding(found).await;
    let target = format!(
        "/nms/v1/cpm/{}/folders/operations/pathToId?path=/INBOX",
        account.box_id()
    );
    let folder =
        below_box(&client.get(&target).await.expect(200).json()["reference"]["resourceURL"]);
    let before = process.peak_memory();
    let listed = client
        .get(&format!(
            "/nms/v1/cpm/{}/{folder}?listFilter=Objects&maxEntries=1",
            account.box_id()
        ))
        .await;
    assert!([200, 502].contains(&listed.status), "{}", listed.status);
    let extra = process.peak_memory() - before;
    assert!(extra < 128 << 20, "{extra} octets");
    process.stop();
}
