use super::*;

const KEY: MailboxKey = MailboxKey::UidValidity(7);

fn asked(operator: Operator, criteria: &[Criterion]) -> Option<(String, bool)> {
    let flags = [
        "\\Seen".to_owned(),
        "$ReadReportSent".to_owned(),
        "Work".to_owned(),
    ];
    let query = Query {
        criteria: criteria.to_vec(),
        operator,
        sort: Vec::new(),
    };
    let place = Place {
        path: "/a/b",
        key: &KEY,
        flags: Some(&flags),
        uid_next: None,
    };
    let plan = Plan::new(&query, place)?;
    let command = plan.add_to(Command::new("UID SEARCH"));
    let segments = command.segments(true);
    assert_eq!(segments.len(), 1);
    let line = String::from_utf8(segments[0].bytes.clone()).unwrap();
    let keys = line.strip_prefix("UID SEARCH ").unwrap().to_owned();
    Some((keys, plan.exact))
}

fn flag(name: &str, set: bool) -> Criterion {
    Criterion::Flag(Flag::parse(name).unwrap(), set)
}

fn attribute(name: &str, value: &str) -> Criterion {
    Criterion::Attribute {
        name: name.to_owned(),
        value: value.to_owned(),
        any_case: false,
    }
}

fn exactly(keys: &str) -> Option<(String, bool)> {
    Some((keys.to_owned(), true))
}

fn at_least(keys: &str) -> Option<(String, bool)> {
    Some((keys.to_owned(), false))
}

#[test]
fn flags_are_found_exactly_and_keywords_only_where_they_are_listed() {
    let and = |criterion| asked(Operator::And, &[criterion]);
    assert_eq!(and(flag("\\seen", false)), exactly("UNSEEN"));
    assert_eq!(and(flag("work", true)), exactly("KEYWORD Work"));
    assert_eq!(and(flag("play", true)), None);
    assert_eq!(and(flag("play", false)), exactly("ALL"));
    assert_eq!(
        and(flag("\\read-report-sent", false)),
        exactly("UNKEYWORD $ReadReportSent")
    );
    assert_eq!(and(flag("\\Recent", true)), at_least("ALL"));
}

#[test]
fn only_what_is_exact_is_negated() {
    let seen = flag("\\Seen", true);
    let not = |criteria: &[Criterion]| asked(Operator::Not, criteria);
    assert_eq!(not(std::slice::from_ref(&seen)), exactly("NOT SEEN"));
    assert_eq!(
        not(&[seen.clone(), flag("Work", true)]),
        exactly("OR NOT SEEN NOT KEYWORD Work")
    );
    assert_eq!(
        not(&[seen.clone(), attribute("Subject", "x")]),
        at_least("ALL")
    );
    assert_eq!(not(&[Criterion::Everything]), None);
    assert_eq!(not(&[flag("play", true), seen]), exactly("ALL"));
}

#[test]
fn of_two_flags_that_are_not_set_dovecot_is_not_asked() {
    let unset = |name: &str| flag(name, false);
    let or = |one: Criterion, other: Criterion| asked(Operator::Or, &[one, other]);
    assert_eq!(or(unset("\\Seen"), unset("\\Draft")), at_least("ALL"));
    assert_eq!(
        or(unset("\\Flagged"), unset("\\Draft")),
        exactly("OR UNFLAGGED UNDRAFT")
    );
    assert_eq!(
        or(unset("\\Seen"), flag("\\Draft", true)),
        exactly("OR UNSEEN DRAFT")
    );
    let set = |name: &str| flag(name, true);
    let not = asked(Operator::Not, &[set("\\Seen"), set("\\Draft")]);
    assert_eq!(not, at_least("ALL"));
}

#[test]
fn alternatives_that_cannot_be_met_are_left_out() {
    let or = |criteria: &[Criterion]| asked(Operator::Or, criteria);
    let elsewhere = Criterion::Below("/c".to_owned());
    let here = Criterion::Below("/a".to_owned());
    let seen = flag("\\Seen", true);
    assert_eq!(or(std::slice::from_ref(&elsewhere)), None);
    assert_eq!(or(&[elsewhere.clone(), seen.clone()]), exactly("SEEN"));
    assert_eq!(or(&[here, seen.clone()]), exactly("ALL"));
    assert_eq!(
        or(&[Criterion::Date(None, None), seen.clone()]),
        at_least("ALL")
    );
    assert_eq!(asked(Operator::And, &[elsewhere, seen]), None);
}

#[test]
fn a_text_is_asked_for_by_one_word_of_it() {
    let and = |criterion| asked(Operator::And, &[criterion]);
    assert_eq!(
        and(attribute("Subject", "Grüße, \"Holiday\" 7")),
        at_least("OR HEADER \"Subject\" \"Holiday\" HEADER \"Subject\" \"=?\"")
    );
    assert_eq!(and(attribute("Subject", "éé")), at_least("ALL"));
    assert_eq!(and(attribute("X-NMS-Nonce", "a")), None);
    assert_eq!(and(attribute("two words", "a")), None);
    assert_eq!(
        and(attribute("Direction", "in")),
        at_least("OR HEADER \"Message-Direction\" \"received\" HEADER \"Direction\" \"in\"")
    );
    assert_eq!(
        and(attribute("content-type", "text/plain; charset=x")),
        at_least("HEADER \"content-type\" \"plain\"")
    );
    let anywhere = |text: &str| and(Criterion::AllTextAttributes(text.to_owned()));
    assert!(anywhere("holiday").unwrap().0.contains("TEXT \"holiday\""));
    for made_up in ["2026-07", "10:20", "t1", "ou", "n"] {
        assert_eq!(anywhere(made_up), at_least("ALL"), "{made_up}");
    }
}

#[test]
fn what_came_since_is_found_by_its_uid() {
    let mut since = crate::store::search::created::Snapshot::default();
    let created = |since| asked(Operator::And, &[Criterion::CreatedObjects(since)]);
    // What the bridge has moved here since was made elsewhere.
    assert_eq!(created(Some(since.clone())), at_least("ALL"));
    since.add(&KEY, 12);
    assert_eq!(created(Some(since)), at_least("UID 12:4294967295"));
    assert_eq!(created(None), exactly("ALL"));
}

#[test]
fn what_does_not_fit_a_line_is_left_to_the_bridge() {
    let many: Vec<Criterion> = (0..250)
        .map(|number| attribute("Subject", &format!("{number}{}", "x".repeat(500))))
        .collect();
    assert_eq!(asked(Operator::Or, &many), at_least("ALL"));
    let (keys, exact) = asked(Operator::And, &many).unwrap();
    assert!(
        !exact && (1000..8000).contains(&keys.len()),
        "{}",
        keys.len()
    );
}
