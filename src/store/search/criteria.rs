//! From the words of a `selectionCriteria` to criteria that mean something here, or to the error that names the word at fault.

use chrono::{DateTime, NaiveDateTime, SubsecRound, TimeDelta, Utc};

use super::created::Snapshot;
use crate::{
    config::UnknownPreset,
    imap::Flag,
    nms::{SearchCriteria, SearchCriterion, SelectionCriteria, SortCriterion},
    store::{Error, id::Seal},
};

/// Criteria of one search: each is held against each candidate.
const MOST_CRITERIA: usize = 250;
/// Sort criteria that count; contract §4.4 lets the others be ignored.
const MOST_SORTS: usize = 8;
/// What objects can be searched for.
const TYPES: &str = "Date, Attribute, AllTextAttributes, WholeWord, Flag, CreatedObjects, VanishedObjects, PresetSearch";
/// What folders can be searched for.
const FOLDER_TYPES: &str = "Date, Attribute, AllTextAttributes, PresetSearch";
/// What objects can be selected by.
const BULK_TYPES: &str =
    "Date, Attribute, AllTextAttributes, WholeWord, Flag, CreatedObjects, PresetSearch";
/// What objects that are selected may be preset by: here a name that is not known is refused.
const PRESETS: &str = "UPOneDotO, path, RemoteParty";

/// What is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    /// Objects, for a list of them.
    Objects,
    /// Objects, for something to be done to them.
    Selection,
    /// Folders.
    Folders,
}

/// One condition (contract §4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Criterion {
    /// What every object meets.
    Everything,
    /// From this second on, and before that one.
    Date(Option<i64>, Option<i64>),
    /// One of the values of the attribute of that name (in any case) is this.
    Attribute {
        name: String,
        value: String,
        /// Whether its values are compared in any case too.
        any_case: bool,
    },
    /// A value of an attribute holds this; folded.
    AllTextAttributes(String),
    /// A value of an attribute, or a text in the payload, holds this with nothing of a word on either side; folded.
    WholeWord(String),
    /// The flag is set, or it is not.
    Flag(Flag, bool),
    /// Came after that moment; `None`: at any time.
    CreatedObjects(Option<Snapshot>),
    /// Is in the folder of this path or below it.
    Below(String),
    /// One of these is among those it is to or from.
    Party(Vec<String>),
}

/// How criteria are taken together (contract §4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    And,
    Or,
    /// Not all of them.
    Not,
}

/// What one key of the order is taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SortKind {
    Date,
    /// In lower case.
    Attribute(String),
}

/// One key of the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sort {
    pub(super) kind: SortKind,
    pub(super) descending: bool,
}

/// What is looked for, in which order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) criteria: Vec<Criterion>,
    pub(super) operator: Operator,
    pub(super) sort: Vec<Sort>,
}

/// What the reading of criteria needs to know.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules<'a> {
    pub(super) subject: Subject,
    pub(super) unknown_preset: UnknownPreset,
    /// What a `creationCursor` was written with.
    pub(super) seal: &'a Seal,
}

impl Query {
    /// Reads criteria and order.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] with the member, [`Error::InvalidValue`] with the member and what it may be,
    /// [`Error::Unsupported`] with a preset.
    pub(super) fn read(asked: &SelectionCriteria, rules: Rules<'_>) -> Result<Self, Error> {
        let (operator, criteria) = match &asked.search_criteria {
            None => (Operator::And, Vec::new()),
            Some(asked) => (
                operator(asked)?,
                listed(asked)?
                    .iter()
                    .map(|criterion| Criterion::read(criterion, rules))
                    .collect::<Result<_, _>>()?,
            ),
        };
        let sort = asked.sort().iter().map(Sort::read);
        let mut sort: Vec<Sort> = sort.collect::<Result<_, _>>()?;
        sort.truncate(MOST_SORTS);
        Ok(Self {
            criteria,
            operator,
            sort,
        })
    }

    /// Whether it asks for what came since another search.
    pub(super) fn asks_for_created(&self) -> bool {
        self.criteria
            .iter()
            .any(|criterion| matches!(criterion, Criterion::CreatedObjects(_)))
    }

    /// Whether dates, UIDs and paths are all that has to be known of an object.
    pub(super) fn needs_dates_alone(&self) -> bool {
        self.criteria.iter().all(|criterion| match criterion {
            Criterion::Everything
            | Criterion::Date(..)
            | Criterion::CreatedObjects(_)
            | Criterion::Below(_) => true,
            Criterion::Attribute { .. }
            | Criterion::AllTextAttributes(_)
            | Criterion::WholeWord(_)
            | Criterion::Flag(..)
            | Criterion::Party(_) => false,
        })
    }

    /// Whether every object meets it, whatever it is.
    pub(super) fn is_met_by_all(&self) -> bool {
        let says_nothing = |criterion: &Criterion| match criterion {
            Criterion::Everything | Criterion::CreatedObjects(None) => true,
            Criterion::Date(from, until) => from.is_none() && until.is_none(),
            Criterion::AllTextAttributes(text) | Criterion::Below(text) => text.is_empty(),
            Criterion::Attribute { .. }
            | Criterion::WholeWord(_)
            | Criterion::Flag(..)
            | Criterion::CreatedObjects(Some(_))
            | Criterion::Party(_) => false,
        };
        match self.operator {
            Operator::And => self.criteria.iter().all(says_nothing),
            Operator::Or => self.criteria.iter().any(says_nothing),
            Operator::Not => self.criteria.is_empty(),
        }
    }

    /// Whether it asks for dates.
    pub(super) fn asks_for_dates(&self) -> bool {
        self.criteria
            .iter()
            .any(|criterion| matches!(criterion, Criterion::Date(..)))
    }
}

/// Whether it asks for what is gone (contract §4.2): that is answered in another way, so nothing can be asked beside it.
///
/// # Errors
/// [`Error::InvalidInput`] with what it cannot be asked with.
pub fn asks_for_vanished(asked: &SelectionCriteria) -> Result<bool, Error> {
    let Some(criteria) = &asked.search_criteria else {
        return Ok(false);
    };
    let vanished =
        |criterion: &&SearchCriterion| criterion.kind.as_deref() == Some("VanishedObjects");
    if criteria.criterion.iter().find(vanished).is_none() {
        return Ok(false);
    }
    let invalid = |part: &str| Err(Error::InvalidInput(part.to_owned()));
    if criteria.criterion.len() > 1 {
        return invalid("criterion");
    }
    if operator(criteria)? == Operator::Not {
        return invalid("operator");
    }
    // Contract §2.7: the answer has no cursor.
    if asked.from_cursor.is_some() {
        return invalid("fromCursor");
    }
    Ok(true)
}

/// Most entries of an answer: what is asked for, within what is granted.
///
/// # Errors
/// [`Error::InvalidInput`] `maxEntries`.
pub fn max_entries(asked: &SelectionCriteria, granted: usize) -> Result<usize, Error> {
    match asked.max_entries {
        None => Ok(granted),
        Some(number) if number < 1 => Err(Error::InvalidInput("maxEntries".to_owned())),
        Some(number) => Ok(usize::try_from(number).map_or(granted, |number| number.min(granted))),
    }
}

pub(super) fn operator(asked: &SearchCriteria) -> Result<Operator, Error> {
    match asked.operator.as_deref() {
        None | Some("" | "And") => Ok(Operator::And),
        Some("Or") => Ok(Operator::Or),
        Some("Not") => Ok(Operator::Not),
        Some(_) => Err(one_of("operator", "And, Or, Not")),
    }
}

pub(super) fn listed(asked: &SearchCriteria) -> Result<&[SearchCriterion], Error> {
    let count = asked.criterion.len();
    if (1..=MOST_CRITERIA).contains(&count) {
        Ok(&asked.criterion)
    } else {
        Err(Error::InvalidInput("criterion".to_owned()))
    }
}

impl Criterion {
    pub(super) fn read(asked: &SearchCriterion, rules: Rules<'_>) -> Result<Self, Error> {
        let types = match rules.subject {
            Subject::Objects => TYPES,
            Subject::Selection => BULK_TYPES,
            Subject::Folders => FOLDER_TYPES,
        };
        let kind = asked.kind.as_deref().unwrap_or_default();
        if !types.split(", ").any(|known| known == kind) {
            return Err(one_of("type", types));
        }
        let name = without_controls("name", asked.name.as_deref())?;
        let value = without_controls("value", asked.value.as_deref())?;
        let needed = |part: &str, text: Option<&str>| {
            let text = text.filter(|text| !text.is_empty());
            text.map(str::to_owned).ok_or_else(|| invalid(part))
        };
        Ok(match kind {
            "Date" => date(value.ok_or_else(|| invalid("value"))?)?,
            "Attribute" => Self::attribute(
                needed("name", name)?,
                value.ok_or_else(|| invalid("value"))?,
            ),
            "AllTextAttributes" => {
                Self::AllTextAttributes(folded(value.ok_or_else(|| invalid("value"))?))
            }
            "WholeWord" => Self::WholeWord(folded(&needed("value", value)?)),
            "Flag" => {
                let flag = Flag::parse(&needed("name", name)?).map_err(|_| invalid("name"))?;
                Self::Flag(flag, truth(value)?)
            }
            "CreatedObjects" => match value.filter(|value| !value.is_empty()) {
                None => Self::CreatedObjects(None),
                Some(text) => {
                    let snapshot =
                        Snapshot::read(rules.seal, text).ok_or_else(|| invalid("value"))?;
                    Self::CreatedObjects(Some(snapshot))
                }
            },
            "PresetSearch" => {
                Self::preset(&needed("name", name)?, value.unwrap_or_default(), rules)?
            }
            // Whoever asks for what is gone asks for nothing else.
            _ => return Err(invalid("criterion")),
        })
    }

    fn attribute(name: String, value: &str) -> Self {
        let any_case = ["Direction", "Message-Context"]
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known));
        Self::Attribute {
            name,
            value: value.to_owned(),
            any_case,
        }
    }

    fn preset(name: &str, value: &str, rules: Rules<'_>) -> Result<Self, Error> {
        Ok(match name {
            "UPOneDotO" => Self::Everything,
            // Nothing is all there is: in a selection that has to be said with a slash, and a scope.
            "path" if value.is_empty() && rules.subject == Subject::Selection => {
                return Err(invalid("value"));
            }
            "path" => Self::Below(value.trim_end_matches('/').to_owned()),
            "RemoteParty" => Self::Party(
                value
                    .split(',')
                    .map(|party| party.trim().to_owned())
                    .filter(|party| !party.is_empty())
                    .collect(),
            ),
            _ if rules.subject == Subject::Selection => {
                return Err(one_of("name", PRESETS));
            }
            unknown => match rules.unknown_preset {
                UnknownPreset::MatchAll => Self::Everything,
                UnknownPreset::Refuse => return Err(Error::Unsupported(unknown.to_owned())),
            },
        })
    }
}

impl Sort {
    fn read(asked: &SortCriterion) -> Result<Self, Error> {
        let name = without_controls("name", asked.name.as_deref())?;
        let kind = match asked.kind.as_deref() {
            Some("Date") => SortKind::Date,
            Some("Attribute") => match name.map(str::to_ascii_lowercase).as_deref() {
                None | Some("") => return Err(invalid("name")),
                // As it is shown, text and time have the same order.
                Some("date") => SortKind::Date,
                Some(name) => SortKind::Attribute(name.to_owned()),
            },
            Some(_) | None => return Err(one_of("type", "Date, Attribute")),
        };
        let descending = match asked.order.as_deref() {
            None | Some("" | "Descending") => true,
            Some("Ascending") => false,
            Some(_) => return Err(one_of("order", "Ascending, Descending")),
        };
        Ok(Self { kind, descending })
    }
}

fn invalid(part: &str) -> Error {
    Error::InvalidInput(part.to_owned())
}

fn one_of(part: &str, valid: &str) -> Error {
    Error::InvalidValue(part.to_owned(), valid.to_owned())
}

fn without_controls<'a>(part: &str, text: Option<&'a str>) -> Result<Option<&'a str>, Error> {
    if text.is_some_and(|text| text.contains(char::is_control)) {
        return Err(invalid(part));
    }
    Ok(text)
}

fn truth(value: Option<&str>) -> Result<bool, Error> {
    match value.unwrap_or_default() {
        "" => Ok(true),
        value if value.eq_ignore_ascii_case("true") => Ok(true),
        value if value.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(invalid("value")),
    }
}

/// `minDate=…&maxDate=…`, either of them or both.
fn date(value: &str) -> Result<Criterion, Error> {
    let (mut from, mut until) = (None, None);
    for bound in value.split('&') {
        let (name, stamp) = bound.split_once('=').ok_or_else(|| invalid("value"))?;
        let second = second(stamp).ok_or_else(|| invalid("value"))?;
        let slot = match name.trim() {
            "minDate" => &mut from,
            "maxDate" => &mut until,
            _ => return Err(invalid("value")),
        };
        if slot.replace(second).is_some() {
            return Err(invalid("value"));
        }
    }
    Ok(Criterion::Date(from, until))
}

/// The first whole second that is not before a dateTimeStamp: what is shown has none but whole ones.
fn second(stamp: &str) -> Option<i64> {
    let stamp = stamp.trim();
    let instant = DateTime::parse_from_rfc3339(stamp)
        .map(|instant| instant.with_timezone(&Utc))
        .ok()
        .or_else(|| without_seconds(stamp))?;
    let whole = instant.trunc_subsecs(0);
    let up = if whole < instant {
        whole.checked_add_signed(TimeDelta::seconds(1))?
    } else {
        whole
    };
    Some(up.timestamp())
}

/// `2024-05-04T12:00Z`, as an example of the contract's has it.
fn without_seconds(stamp: &str) -> Option<DateTime<Utc>> {
    let stamp = stamp
        .strip_suffix(['Z', 'z'])
        .map_or_else(|| stamp.to_owned(), |start| format!("{start}+00:00"));
    DateTime::parse_from_str(&stamp, "%Y-%m-%dT%H:%M%:z")
        .map(|instant| instant.with_timezone(&Utc))
        .ok()
}

/// The second that an attribute `Date` shows.
pub(super) fn shown_second(value: &str) -> Option<i64> {
    let stamp = NaiveDateTime::parse_from_str(value, "%Y-%m-%dT%H:%M:%SZ").ok()?;
    Some(stamp.and_utc().timestamp())
}

/// Lower case, character by character. What is not ASCII never becomes ASCII, so that text found here is text that a store finds.
pub(super) fn folded(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii() {
            folded.push(character.to_ascii_lowercase());
        } else if character.to_lowercase().any(|lower| lower.is_ascii()) {
            folded.push(character);
        } else {
            folded.extend(character.to_lowercase());
        }
    }
    folded
}
