//! Bodies of the two searches, and of what selects objects for a bulk operation (contract §2.9, §4).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    folder::Folder,
    object::Object,
    tolerant::{list_of_members, members_if_any, number_if_any, scalar_if_any, truth_if_any},
};

/// What is looked for, where, in which order, and how much of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct SelectionCriteria {
    /// Where to go on.
    #[serde(rename = "fromCursor", default)]
    pub from_cursor: Option<String>,
    /// Most entries of this answer; as written, so that a number that makes no sense can be refused by its name.
    #[serde(rename = "maxEntries", default, deserialize_with = "number_if_any")]
    pub max_entries: Option<i64>,
    /// What is looked for; absent: everything in the scope.
    #[serde(
        rename = "searchCriteria",
        default,
        deserialize_with = "members_if_any"
    )]
    pub search_criteria: Option<SearchCriteria>,
    /// The folder to look in; absent: the whole box.
    #[serde(rename = "searchScope", default, deserialize_with = "members_if_any")]
    pub search_scope: Option<Scope>,
    /// Whether what is below the scope is left out.
    #[serde(
        rename = "nonRecursiveScope",
        default,
        deserialize_with = "truth_if_any"
    )]
    pub non_recursive_scope: Option<bool>,
    #[serde(rename = "sortCriteria", default, deserialize_with = "members_if_any")]
    sort_criteria: Option<SortCriteria>,
    #[serde(
        rename = "sortCriterion",
        default,
        deserialize_with = "list_of_members"
    )]
    sort_criterion: Vec<SortCriterion>,
}

impl SelectionCriteria {
    /// The first member of criteria, as they were sent, that is none of theirs. Elsewhere such a one is ignored (contract §2.2); what
    /// selects objects for something to be done to them could mean many more without it.
    #[must_use]
    pub fn unknown_member(sent: &Value) -> Option<String> {
        const CRITERIA: [&str; 7] = [
            "fromCursor",
            "maxEntries",
            "searchCriteria",
            "searchScope",
            "nonRecursiveScope",
            "sortCriteria",
            "sortCriterion",
        ];
        let search = sent.get("searchCriteria");
        let unknown = unknown_in(Some(sent), &CRITERIA)
            .or_else(|| unknown_in(search, &["criterion", "operator"]))
            .or_else(|| unknown_in(sent.get("searchScope"), &["resourceURL", "path"]));
        unknown.or_else(|| {
            let criteria = search?.get("criterion")?;
            let list = criteria.as_array().map(|criteria| &criteria[..]);
            let mut criteria = list.unwrap_or(std::slice::from_ref(criteria)).iter();
            criteria.find_map(|one| unknown_in(Some(one), &["type", "name", "value"]))
        })
    }

    /// The member that asks for an order.
    #[must_use]
    pub fn sort_member(&self) -> Option<&'static str> {
        if self.sort_criteria.is_some() {
            Some("sortCriteria")
        } else {
            (!self.sort_criterion.is_empty()).then_some("sortCriterion")
        }
    }

    /// The order asked for, most significant first, in whichever of the two spellings (contract §13.2).
    #[must_use]
    pub fn sort(&self) -> &[SortCriterion] {
        match &self.sort_criteria {
            Some(criteria) if !criteria.criterion.is_empty() => &criteria.criterion,
            Some(_) | None => &self.sort_criterion,
        }
    }
}

/// A folder, as the client names it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Scope {
    /// Its URL.
    #[serde(rename = "resourceURL", default)]
    pub resource_url: Option<String>,
    /// Its path, where there is no URL.
    #[serde(default)]
    pub path: Option<String>,
}

/// Criteria and how they are combined; there is no nesting (contract §4.3).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SearchCriteria {
    /// At least one.
    #[serde(default, deserialize_with = "list_of_members")]
    pub criterion: Vec<SearchCriterion>,
    /// `And` (also when absent), `Or`, `Not`: as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
}

/// One criterion, as written: what its words mean is for the box to say.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SearchCriterion {
    /// Contract §4.2.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Of an attribute, a flag or a preset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What is looked for.
    #[serde(
        default,
        deserialize_with = "scalar_if_any",
        skip_serializing_if = "Option::is_none"
    )]
    pub value: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(from = "SentSortCriteria")]
struct SortCriteria {
    criterion: Vec<SortCriterion>,
}

/// The same as it is sent: also as the one criterion itself, lest an order be left out unsaid.
#[derive(Deserialize)]
struct SentSortCriteria {
    #[serde(default, deserialize_with = "list_of_members")]
    criterion: Vec<SortCriterion>,
    #[serde(rename = "type", default)]
    kind: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    order: Option<String>,
}

impl From<SentSortCriteria> for SortCriteria {
    fn from(sent: SentSortCriteria) -> Self {
        let SentSortCriteria {
            mut criterion,
            kind,
            name,
            order,
        } = sent;
        if criterion.is_empty() && kind.is_some() {
            criterion.push(SortCriterion { kind, name, order });
        }
        Self { criterion }
    }
}

/// One key of the order (contract §4.4), as written.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct SortCriterion {
    /// `Date` or `Attribute`.
    #[serde(rename = "type", default)]
    pub kind: Option<String>,
    /// Of the attribute.
    #[serde(default)]
    pub name: Option<String>,
    /// `Ascending`, or `Descending` (also when absent).
    #[serde(default)]
    pub order: Option<String>,
}

/// Objects that were found.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct ObjectList {
    /// Zero or more.
    pub object: Vec<Object>,
    /// Present when more may follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// From where a later search for created objects goes on.
    #[serde(rename = "creationCursor", skip_serializing_if = "Option::is_none")]
    pub creation_cursor: Option<String>,
}

/// Folders that were found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct FolderList {
    /// Zero or more.
    pub folder: Vec<Folder>,
    /// Present when more may follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// The first member that is none of these.
fn unknown_in(members: Option<&Value>, known: &[&str]) -> Option<String> {
    let mut names = members?.as_object()?.keys();
    let unknown = names.find(|name| !known.contains(&name.as_str()));
    unknown.cloned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::nms::encode::Format;

    #[test]
    fn an_order_is_read_in_every_spelling() {
        let date = json!({"type": "Date", "order": "Ascending"});
        for sent in [
            json!({"sortCriteria": {"criterion": [date]}}),
            json!({"sortCriteria": {"criterion": date}}),
            json!({"sortCriteria": date}),
            json!({"sortCriterion": [date]}),
            json!({"sortCriterion": date}),
            json!({"sortCriterion": date, "sortCriteria": {"criterion": []}}),
        ] {
            let bytes = sent.to_string().into_bytes();
            let read: SelectionCriteria = Format::Json.read("selectionCriteria", &bytes).unwrap();
            assert_eq!(read.sort().len(), 1, "{sent}");
            assert_eq!(read.sort()[0].order.as_deref(), Some("Ascending"), "{sent}");
        }
    }

    #[test]
    fn a_member_that_is_none_of_the_criteria_is_named() {
        let unknown = |sent: Value| SelectionCriteria::unknown_member(&sent);
        let criterion = json!({"type": "Flag", "name": "a", "value": "true"});
        let all = json!({
            "maxEntries": 1, "searchScope": {"resourceURL": "x"}, "nonRecursiveScope": true,
            "searchCriteria": {"criterion": [criterion], "operator": "Not"},
        });
        assert_eq!(unknown(all), None);
        for (sent, named) in [
            (json!({"searchCriterias": {}}), "searchCriterias"),
            (json!({"searchCriteria": {"Operator": "Not"}}), "Operator"),
            (json!({"searchScope": {"resourceUrl": "x"}}), "resourceUrl"),
            (
                json!({"searchCriteria": {"criterion": {"Value": "x"}}}),
                "Value",
            ),
            (
                json!({"searchCriteria": {"criterion": [{}, {"nam": "x"}]}}),
                "nam",
            ),
        ] {
            assert_eq!(unknown(sent).as_deref(), Some(named));
        }
    }
}
