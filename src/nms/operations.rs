//! Bodies of the operations on many things, and the list each of them answers with (contract §2.7, §2.8, §5, §6.4, §6.5).

use serde::{Deserialize, Serialize};

use super::{
    fault::RequestError,
    folder::Reference,
    object::NewFlagList,
    search::SelectionCriteria,
    tolerant::{list, list_of_members, members_if_any},
};

/// Paths to be resolved.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct PathList {
    /// At least one.
    #[serde(default, deserialize_with = "list")]
    pub path: Vec<String>,
}

/// One answer per item of the request, in its order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct BulkResponseList {
    /// The answers.
    pub response: Vec<BulkResponse>,
}

/// What became of one item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BulkResponse {
    /// HTTP status of the item.
    pub code: u16,
    /// Its reason phrase.
    pub reason: String,
    /// The resource, when it went well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success: Option<Reference>,
    /// The content of a `requestError`, when it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<RequestError>,
}

/// One of many objects or folders.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Named {
    /// As the client named it; `None` for an entry without a URL.
    #[serde(rename = "resourceURL", default)]
    pub resource_url: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
struct NamedObjects {
    #[serde(
        rename = "objectReference",
        default,
        deserialize_with = "list_of_members"
    )]
    object_reference: Vec<Named>,
}

impl NamedObjects {
    fn all(member: Option<&Self>) -> Option<&[Named]> {
        member.map(|objects| &objects.object_reference[..])
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
struct NamedFolders {
    #[serde(
        rename = "folderReference",
        default,
        deserialize_with = "list_of_members"
    )]
    folder_reference: Vec<Named>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
struct NamedSources {
    #[serde(default, deserialize_with = "members_if_any")]
    folders: Option<NamedFolders>,
    #[serde(default, deserialize_with = "members_if_any")]
    objects: Option<NamedObjects>,
}

/// Where to and what to copy or move (contract §6.4).
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct TargetSourceRef {
    /// The folder.
    #[serde(rename = "targetRef", default, deserialize_with = "members_if_any")]
    pub target: Option<Named>,
    #[serde(rename = "sourceRefs", default, deserialize_with = "members_if_any")]
    sources: Option<NamedSources>,
}

impl TargetSourceRef {
    /// Folders in the order of the request.
    #[must_use]
    pub fn folders(&self) -> &[Named] {
        let folders = self
            .sources
            .as_ref()
            .and_then(|sources| sources.folders.as_ref());
        folders.map_or(&[], |folders| &folders.folder_reference)
    }

    /// Objects in the order of the request.
    #[must_use]
    pub fn objects(&self) -> &[Named] {
        let sources = self.sources.as_ref();
        NamedObjects::all(sources.and_then(|sources| sources.objects.as_ref())).unwrap_or_default()
    }
}

/// A change of flags of many objects (contract §5.1).
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct BulkUpdate {
    /// `AddFlag` or `RemoveFlag`, as written.
    #[serde(default)]
    pub operation: Option<String>,
    /// Which flags.
    #[serde(default, deserialize_with = "members_if_any")]
    pub flags: Option<NewFlagList>,
    #[serde(default, deserialize_with = "members_if_any")]
    objects: Option<NamedObjects>,
    /// Which objects, in place of naming them.
    #[serde(
        rename = "selectionCriteria",
        default,
        deserialize_with = "members_if_any"
    )]
    pub selection_criteria: Option<SelectionCriteria>,
}

impl BulkUpdate {
    /// The objects that are named, in the order of the request; `None` when the member is not there.
    #[must_use]
    pub fn objects(&self) -> Option<&[Named]> {
        NamedObjects::all(self.objects.as_ref())
    }
}

/// A removal of many objects (contract §5.2).
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct BulkDelete {
    #[serde(default, deserialize_with = "members_if_any")]
    objects: Option<NamedObjects>,
    /// Which objects, in place of naming them.
    #[serde(
        rename = "selectionCriteria",
        default,
        deserialize_with = "members_if_any"
    )]
    pub selection_criteria: Option<SelectionCriteria>,
}

impl BulkDelete {
    /// The objects that are named, in the order of the request; `None` when the member is not there.
    #[must_use]
    pub fn objects(&self) -> Option<&[Named]> {
        NamedObjects::all(self.objects.as_ref())
    }
}
