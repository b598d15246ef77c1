//! How many commands it takes: as many as there are folders and stretches of 8 kB, however many objects.

use super::{DELETE, UPDATE, fill, items, removal, update, urls};
use crate::{
    objects::objects_of,
    support::{bridge::Bridge, proxy::Proxy},
};

/// Longest UID set, and what else is in a command.
const LONGEST_LINE: usize = (8 << 10) + 100;

/// The commands since a moment, sorted, without those that only keep a connection in order.
struct Wire<'a> {
    proxy: &'a Proxy,
    before: Vec<usize>,
}

impl<'a> Wire<'a> {
    fn from_now(proxy: &'a Proxy) -> Self {
        let before = proxy.said().iter().map(Vec::len).collect();
        Self { proxy, before }
    }

    fn commands(&self) -> Vec<String> {
        let mut commands = Vec::new();
        for (number, said) in self.proxy.said().iter().enumerate() {
            let start = self.before.get(number).copied().unwrap_or(0);
            let text = String::from_utf8_lossy(&said[start..]);
            for line in text.lines() {
                assert!(line.len() <= LONGEST_LINE, "{} bytes", line.len());
                let mut words = line.split(' ').skip(1);
                let name = match words.next() {
                    Some("UID") => format!("UID {}", words.next().unwrap()),
                    name => name.unwrap_or_default().to_owned(),
                };
                if !["EXAMINE", "NOOP"].contains(&name.as_str()) {
                    commands.push(name);
                }
            }
        }
        commands.sort();
        commands
    }
}

fn times(counts: &[(&str, usize)]) -> Vec<String> {
    let all = counts.iter();
    all.flat_map(|(name, times)| vec![(*name).to_owned(); *times])
        .collect()
}

/// Objects with gaps between them, of three folders in turn.
async fn with_gaps(bridge: &Bridge, most: usize) -> Vec<String> {
    let mut folders = Vec::new();
    for folder in ["/one", "/two", "/three"] {
        let objects = objects_of(bridge, folder).await;
        let every_other = objects.into_iter().step_by(2);
        folders.push(every_other.collect::<Vec<_>>());
    }
    let longest = folders.iter().map(Vec::len).max().unwrap();
    let in_turn =
        (0..longest).flat_map(|at| folders.iter().filter_map(move |folder| folder.get(at)));
    let in_turn: Vec<String> = in_turn.take(most).cloned().collect();
    urls(bridge, &in_turn)
}

#[tokio::test]
async fn a_thousand_objects_take_three_commands_a_folder() {
    let builder = Bridge::builder("bulk_thousand");
    let proxy = Proxy::recording(builder.imap()).await;
    let bridge = builder
        .store(proxy.address())
        .setting("[limits]\npage = 2000")
        .start()
        .await;
    for mailbox in ["one", "two", "three"] {
        fill(&bridge, mailbox, 668).await;
    }
    let urls = with_gaps(&bridge, 1000).await;
    assert_eq!(urls.len(), 1000);
    let mut costs = Vec::new();
    for few in [6, 1000] {
        let urls: Vec<&str> = urls[..few].iter().map(String::as_str).collect();
        // The tree is young: folders are looked up once for many requests.
        objects_of(&bridge, "/one").await;
        let wire = Wire::from_now(&proxy);
        let body = update("AddFlag", &["\\Seen", &format!("few{few}")], &urls);
        let told = items(bridge.post(UPDATE, &body).await);
        assert!(told.iter().all(|item| item.starts_with("200 ")), "{told:?}");
        costs.push(wire.commands());
    }
    let expected = times(&[("SELECT", 3), ("UID FETCH", 3), ("UID STORE", 3)]);
    assert_eq!(costs, [expected.clone(), expected]);
    let mut witness = bridge.witness().await;
    let mut seen = 0;
    for mailbox in ["one", "two", "three"] {
        witness.examine(mailbox).await;
        let uids = witness.search("SEEN KEYWORD few1000").await;
        assert!(uids.windows(2).all(|pair| pair[0] + 2 == pair[1]));
        seen += uids.len();
    }
    assert_eq!(seen, 1000);

    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    objects_of(&bridge, "/one").await;
    let wire = Wire::from_now(&proxy);
    let told = items(bridge.post(DELETE, &removal(&urls)).await);
    assert!(told.iter().all(|item| item.starts_with("204 ")), "{told:?}");
    let expected = [
        ("SELECT", 3),
        ("UID EXPUNGE", 3),
        ("UID FETCH", 6),
        ("UID STORE", 3),
    ];
    assert_eq!(wire.commands(), times(&expected));
    let mut left = 0;
    for mailbox in ["one", "two", "three"] {
        left += witness.examine(mailbox).await;
        assert_eq!(witness.search("SEEN").await, [0; 0]);
    }
    assert_eq!(left, 3 * 668 - 1000);
}

#[tokio::test]
async fn more_than_a_command_line_should_hold_goes_by_several() {
    let builder = Bridge::builder("bulk_lines");
    let proxy = Proxy::recording(builder.imap()).await;
    let bridge = builder
        .store(proxy.address())
        .setting("[limits]\npage = 6000\nbulk = 3000")
        .start()
        .await;
    fill(&bridge, "one", 6000).await;
    let objects: Vec<String> = objects_of(&bridge, "/one").await;
    let urls = urls(&bridge, &objects);
    let urls: Vec<&str> = urls.iter().step_by(2).map(String::as_str).collect();
    let wire = Wire::from_now(&proxy);
    let told = items(
        bridge
            .post(UPDATE, &update("AddFlag", &["\\Seen"], &urls))
            .await,
    );
    assert!(told.iter().all(|item| item.starts_with("200 ")));
    let expected = [("SELECT", 1), ("UID FETCH", 2), ("UID STORE", 2)];
    assert_eq!(wire.commands(), times(&expected));
    let told = items(bridge.post(DELETE, &removal(&urls)).await);
    assert!(told.iter().all(|item| item.starts_with("204 ")));
    let mut witness = bridge.witness().await;
    assert_eq!(witness.examine("one").await, 3000);
    assert_eq!(witness.search("SEEN").await, [0; 0]);
}
