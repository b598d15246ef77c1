//! The filter of a subscription: criteria held against what has changed (contract §7.2).
//!
//! What is gone can no longer be held against what criteria ask of it: it passes unless it is said not to matter. `CreatedObjects` and
//! `VanishedObjects` are about the change and not about what has changed.

use super::{
    criteria::{Criterion, Operator, Rules, Subject, listed, operator},
    matching::{Known, all, any, holds_of},
};
use crate::{
    config::UnknownPreset,
    message::Attribute,
    nms::{SearchCriteria, SearchCriterion},
    store::{
        Account, Error,
        id::{MailboxKey, ObjectId, Seal},
        watch::{Change, ObjectNow},
    },
};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    operator: Operator,
    terms: Vec<Term>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Term {
    /// The change is the creation of an object.
    Created,
    /// The change is an end.
    Vanished,
    /// What has changed is so.
    Is(Criterion),
}

impl Filter {
    /// Reads criteria.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] with the member, [`Error::InvalidValue`] with the member and what it may be, [`Error::Unsupported`] with
    /// a preset.
    pub fn read(
        asked: &SearchCriteria,
        unknown_preset: UnknownPreset,
        seal: &Seal,
    ) -> Result<Self, Error> {
        let rules = Rules {
            subject: Subject::Objects,
            unknown_preset,
            seal,
        };
        let terms = listed(asked)?.iter().map(|asked| Term::read(asked, rules));
        Ok(Self {
            operator: operator(asked)?,
            terms: terms.collect::<Result<_, _>>()?,
        })
    }

    /// Whether creations are told as such.
    #[must_use]
    pub fn asks_for_created(&self) -> bool {
        self.terms.contains(&Term::Created)
    }

    fn passes(&self, each: impl Iterator<Item = Option<bool>>) -> Option<bool> {
        match self.operator {
            Operator::And => all(each),
            Operator::Or => any(each),
            Operator::Not => all(each).map(|all| !all),
        }
    }

    /// What can be said from the change alone.
    fn judge(&self, change: &Change, created: bool, known: Option<&Known<'_>>) -> Option<bool> {
        let ends = matches!(change, Change::ObjectGone(_) | Change::FolderGone(_));
        self.passes(self.terms.iter().map(|term| match term {
            Term::Created => Some(created),
            Term::Vanished => Some(ends),
            Term::Is(criterion) => holds_of(criterion, known?),
        }))
    }
}

impl Term {
    fn read(asked: &SearchCriterion, rules: Rules<'_>) -> Result<Self, Error> {
        let says_nothing = asked.value.as_deref().unwrap_or_default().is_empty();
        match asked.kind.as_deref() {
            // Contract §7.2: from when on is for the subscription to say.
            Some("CreatedObjects" | "VanishedObjects") if !says_nothing => {
                Err(Error::InvalidInput("value".to_owned()))
            }
            Some("CreatedObjects") => Ok(Self::Created),
            Some("VanishedObjects") => Ok(Self::Vanished),
            Some(_) | None => Criterion::read(asked, rules).map(Self::Is),
        }
    }
}

impl Account {
    /// Whether a subscriber with this filter is told of a change; `created` when it is to be told of as a creation. The store is asked
    /// only for what the change does not tell.
    ///
    /// # Errors
    /// What the store's answers mean.
    pub async fn passes(
        &self,
        filter: &Filter,
        change: &Change,
        created: bool,
    ) -> Result<bool, Error> {
        match change {
            Change::Object(now) => self.object_passes(filter, change, now, created).await,
            Change::Folder(now) => {
                let name = |value: &str| Attribute {
                    name: "Name".to_owned(),
                    values: vec![value.to_owned()],
                };
                let attributes = [name(&now.name)];
                let key = MailboxKey::UidValidity(0);
                let mut known = Known::new("", &key, 0);
                known.attributes = Some(&attributes);
                known.flags = Some(&[]);
                known.texts = Some(&[]);
                known.date = Some(None);
                Ok(filter.judge(change, false, Some(&known)).unwrap_or(true))
            }
            Change::ObjectGone(_) | Change::FolderGone(_) => {
                Ok(filter.judge(change, false, None).unwrap_or(true))
            }
        }
    }

    async fn object_passes(
        &self,
        filter: &Filter,
        change: &Change,
        now: &ObjectNow,
        created: bool,
    ) -> Result<bool, Error> {
        if let Some(passes) = filter.judge(change, created, None) {
            return Ok(passes);
        }
        let Some(id) = ObjectId::from_bytes(&now.id) else {
            return Ok(true);
        };
        let read = self.structure(&self.seal.object(&id)).await;
        let (mut located, structure, _) = match read {
            Ok(read) => read,
            // Its end will be told.
            Err(Error::NotFound) => return Ok(true),
            Err(error) => return Err(error),
        };
        let (path, key, uid) = (located.path.clone(), located.key.clone(), located.uid);
        let mut known = Known::new(&path, &key, uid);
        known.attributes = Some(&structure.attributes);
        known.flags = Some(&now.flags);
        if let Some(passes) = filter.judge(change, created, Some(&known)) {
            return Ok(passes);
        }
        let texts = self.texts(&mut located, &structure).await?;
        known.texts = Some(&texts);
        Ok(filter.judge(change, created, Some(&known)).unwrap_or(true))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{nms::encode::Format, store::watch::Gone};

    fn filter(criteria: &Value) -> Result<Filter, Error> {
        let bytes = criteria.to_string().into_bytes();
        let asked: SearchCriteria = Format::Json.read("filter", &bytes).unwrap();
        let seal = Seal::new("cpm", "tel:+1");
        Filter::read(&asked, UnknownPreset::MatchAll, &seal)
    }

    fn object() -> Change {
        Change::Object(ObjectNow {
            id: vec![1],
            parent: vec![0],
            flags: vec!["\\Seen".to_owned()],
            last_mod_seq: 1,
            correlation_id: None,
            correlation_tag: None,
            created: true,
        })
    }

    fn gone() -> Change {
        Change::ObjectGone(Gone {
            id: vec![1],
            last_mod_seq: 1,
            correlation_id: None,
            correlation_tag: None,
        })
    }

    #[test]
    fn what_is_gone_passes_unless_that_is_said_not_to_matter() {
        let judge = |criteria: &Value, change: &Change, created| {
            filter(criteria).unwrap().judge(change, created, None)
        };
        let flag = json!({"type": "Flag", "name": "\\Seen"});
        let created = json!({"type": "CreatedObjects", "value": ""});
        let vanished = json!({"type": "VanishedObjects"});
        assert_eq!(judge(&json!({"criterion": flag}), &gone(), false), None);
        assert_eq!(
            judge(&json!({"criterion": [flag, created]}), &gone(), false),
            Some(false)
        );
        let either = json!({"criterion": [created, vanished], "operator": "Or"});
        assert_eq!(judge(&either, &gone(), false), Some(true));
        assert_eq!(judge(&either, &object(), true), Some(true));
        assert_eq!(judge(&either, &object(), false), Some(false));
    }

    #[test]
    fn from_when_on_is_not_said_in_a_filter() {
        let dated = json!({"criterion": [{"type": "CreatedObjects", "value": "x"}]});
        assert_eq!(filter(&dated), Err(Error::InvalidInput("value".to_owned())));
        let unknown = json!({"criterion": [{"type": "Colour"}]});
        assert!(matches!(filter(&unknown), Err(Error::InvalidValue(part, _)) if part == "type"));
        let none = json!({"criterion": []});
        assert_eq!(
            filter(&none),
            Err(Error::InvalidInput("criterion".to_owned()))
        );
    }
}
