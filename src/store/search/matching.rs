//! The contract's meaning of criteria (§4.2, §4.3), held against what is shown of an object. What is not known yet is no answer, and
//! often none is needed.

use std::cell::OnceCell;

use super::criteria::{Criterion, Operator, Query, folded, shown_second};
use crate::{
    message::Attribute,
    store::{flags::holds, id::MailboxKey, tree::is_within},
};

/// What is known of one object.
#[derive(Debug)]
pub(super) struct Known<'a> {
    /// Path of its folder.
    pub(super) path: &'a str,
    /// Where it was made.
    pub(super) key: &'a MailboxKey,
    pub(super) uid: u32,
    /// The second its `Date` shows, `None` inside for none.
    pub(super) date: Option<Option<i64>>,
    pub(super) attributes: Option<&'a [Attribute]>,
    pub(super) flags: Option<&'a [String]>,
    /// The texts in its payload.
    pub(super) texts: Option<&'a [String]>,
    /// Attributes and texts in lower case, made when they are needed.
    folded: Folded,
}

#[derive(Debug, Default)]
struct Folded {
    attributes: OnceCell<Vec<String>>,
    texts: OnceCell<Vec<String>>,
}

impl<'a> Known<'a> {
    /// An object of which nothing is known but where it is, and where it was made.
    pub(super) fn new(path: &'a str, key: &'a MailboxKey, uid: u32) -> Self {
        Self {
            path,
            key,
            uid,
            date: None,
            attributes: None,
            flags: None,
            texts: None,
            folded: Folded::default(),
        }
    }

    /// The values of an attribute.
    fn values(&self, name: &str) -> Option<&'a [String]> {
        let own = |attribute: &&Attribute| attribute.name.eq_ignore_ascii_case(name);
        let found = self.attributes?.iter().find(own);
        Some(found.map_or(&[], |attribute| &attribute.values))
    }

    fn date(&self) -> Option<Option<i64>> {
        self.date.or_else(|| {
            let shown = self.values("Date")?.first();
            Some(shown.and_then(|shown| shown_second(shown)))
        })
    }

    fn folded_attributes(&self) -> Option<&[String]> {
        let attributes = self.attributes?;
        let values = || attributes.iter().flat_map(|attribute| &attribute.values);
        let folded = || values().map(|value| folded(value)).collect();
        Some(self.folded.attributes.get_or_init(folded))
    }

    fn folded_texts(&self) -> Option<&[String]> {
        let texts = self.texts?;
        let folded = || texts.iter().map(|text| folded(text)).collect();
        Some(self.folded.texts.get_or_init(folded))
    }
}

/// Whether an object is meant; `None` when more has to be known.
pub(super) fn is_meant(query: &Query, known: &Known<'_>) -> Option<bool> {
    let each = query
        .criteria
        .iter()
        .map(|criterion| holds_of(criterion, known));
    match query.operator {
        Operator::And => all(each),
        Operator::Or => any(each),
        Operator::Not => all(each).map(|all| !all),
    }
}

/// Whether each holds: one that does not decides.
pub(super) fn all(each: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut all = Some(true);
    for one in each {
        match one {
            Some(false) => return one,
            Some(true) => {}
            None => all = None,
        }
    }
    all
}

/// Whether one holds: one that does decides.
pub(super) fn any(each: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    all(each.map(|one| one.map(|one| !one))).map(|none| !none)
}

/// Whether a criterion holds; `None` when more has to be known.
pub(super) fn holds_of(criterion: &Criterion, known: &Known<'_>) -> Option<bool> {
    match criterion {
        Criterion::Everything => Some(true),
        Criterion::Date(from, until) => {
            let date = known.date()?;
            let within = |date: i64| {
                from.is_none_or(|from| from <= date) && until.is_none_or(|until| date < until)
            };
            Some(date.is_some_and(within))
        }
        Criterion::Attribute {
            name,
            value,
            any_case,
        } => {
            let wanted = any_case.then(|| folded(value));
            let same = |found: &String| match &wanted {
                Some(wanted) => folded(found) == *wanted,
                None => found == value,
            };
            Some(known.values(name)?.iter().any(same))
        }
        Criterion::AllTextAttributes(text) => {
            let values = known.folded_attributes()?;
            Some(values.iter().any(|value| value.contains(text)))
        }
        Criterion::WholeWord(word) => any([known.folded_attributes(), known.folded_texts()]
            .into_iter()
            .map(|texts| Some(texts?.iter().any(|text| has_word(text, word))))),
        Criterion::Flag(flag, set) => Some(holds(known.flags?, flag.as_str()) == *set),
        Criterion::CreatedObjects(since) => Some(
            since
                .as_ref()
                .is_none_or(|since| known.uid >= since.first(known.key)),
        ),
        Criterion::Below(path) => Some(is_within(known.path, path)),
        Criterion::Party(parties) => {
            let (from, to) = (known.values("From")?, known.values("To")?);
            let mut values = from.iter().chain(to);
            Some(values.any(|value| parties.contains(value)))
        }
    }
}

/// Whether a text holds a word as one: letters and digits end where it begins, and begin where it ends.
fn has_word(text: &str, word: &str) -> bool {
    let part_of_word = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
    let mut from = 0;
    while let Some(at) = text[from..].find(word).map(|at| from + at) {
        let end = at + word.len();
        let before = text[..at].chars().next_back();
        let after = text[end..].chars().next();
        if !part_of_word(before) && !part_of_word(after) {
            return true;
        }
        from = at + text[at..].chars().next().map_or(1, char::len_utf8);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imap::Flag;

    fn attributes(pairs: &[(&str, &[&str])]) -> Vec<Attribute> {
        let attribute = |(name, values): &(&str, &[&str])| Attribute {
            name: (*name).to_owned(),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        };
        pairs.iter().map(attribute).collect()
    }

    fn query(operator: Operator, criteria: &[Criterion]) -> Query {
        Query {
            criteria: criteria.to_vec(),
            operator,
            sort: Vec::new(),
        }
    }

    fn attribute(name: &str, value: &str, any_case: bool) -> Criterion {
        Criterion::Attribute {
            name: name.to_owned(),
            value: value.to_owned(),
            any_case,
        }
    }

    const KEY: MailboxKey = MailboxKey::UidValidity(7);

    #[test]
    fn one_value_of_an_attribute_is_enough_and_its_case_counts() {
        let shown = attributes(&[("To", &["tel:+1", "tel:+2"]), ("Direction", &["In"])]);
        let meant = |criterion: Criterion| {
            let mut known = Known::new("/a", &KEY, 1);
            known.attributes = Some(&shown);
            is_meant(&query(Operator::And, &[criterion]), &known)
        };
        assert_eq!(meant(attribute("to", "tel:+2", false)), Some(true));
        assert_eq!(meant(attribute("To", "TEL:+2", false)), Some(false));
        assert_eq!(meant(attribute("Cc", "tel:+2", false)), Some(false));
        assert_eq!(meant(attribute("Direction", "IN", true)), Some(true));
        let parties = |parties: &[&str]| {
            Criterion::Party(parties.iter().map(|party| (*party).to_owned()).collect())
        };
        assert_eq!(meant(parties(&["tel:+3", "tel:+1"])), Some(true));
        assert_eq!(meant(parties(&["tel:+3"])), Some(false));
    }

    #[test]
    fn from_the_first_second_on_and_before_the_last() {
        let shown = attributes(&[("Date", &["1970-01-01T00:00:10Z"])]);
        let meant = |from, until| {
            let mut known = Known::new("/a", &KEY, 1);
            known.attributes = Some(&shown);
            is_meant(
                &query(Operator::And, &[Criterion::Date(from, until)]),
                &known,
            )
        };
        assert_eq!(meant(Some(10), Some(11)), Some(true));
        assert_eq!(meant(Some(11), None), Some(false));
        assert_eq!(meant(None, Some(10)), Some(false));
    }

    #[test]
    fn words_are_whole() {
        assert!(has_word("the last holiday.", "holiday"));
        assert!(has_word("holidays? holiday", "holiday"));
        assert!(!has_word("holidays", "holiday"));
        assert!(!has_word("7holiday", "holiday"));
        assert!(has_word("tel:+15550100", "tel"));
        assert!(has_word("größe", "größe"));
        assert!(!has_word("größe", "gr"));
        assert!(has_word("ééé é", "é"));
    }

    #[test]
    fn what_decides_needs_no_more_to_be_known() {
        let below = Criterion::Below("/b".to_owned());
        let flag = Criterion::Flag(Flag::parse("\\Seen").unwrap(), true);
        let criteria = [below.clone(), flag.clone()];
        let known = Known::new("/a", &KEY, 1);
        assert_eq!(
            is_meant(&query(Operator::And, &criteria), &known),
            Some(false)
        );
        assert_eq!(is_meant(&query(Operator::Or, &criteria), &known), None);
        assert_eq!(
            is_meant(&query(Operator::Not, &criteria), &known),
            Some(true)
        );
        assert_eq!(is_meant(&query(Operator::Not, &[flag]), &known), None);
    }
}
