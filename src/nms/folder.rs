//! Folders, references to folders and objects, and the lists of references (contract §2.7, §2.8).

use serde::{Deserialize, Serialize};

use super::object::AttributeList;

/// A folder with as many of its children as were asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Folder {
    /// URL of the folder above; absent on a root.
    #[serde(rename = "parentFolder", skip_serializing_if = "Option::is_none")]
    pub parent_folder: Option<String>,
    /// Attributes; `Name` and, on a root, `Root`.
    #[serde(default)]
    pub attributes: AttributeList,
    /// URL of the folder itself.
    #[serde(rename = "resourceURL", skip_serializing_if = "Option::is_none")]
    pub resource_url: Option<String>,
    /// Path, when asked for; `Some(None)` is the `null` of a root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Option<String>>,
    /// Name; empty for a root that is the whole box.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Rises with every change of name, parent or existence.
    #[serde(rename = "lastModSeq", skip_serializing_if = "Option::is_none")]
    pub last_mod_seq: Option<u64>,
    /// Present when more children follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Child folders, when asked for.
    #[serde(rename = "subFolders", skip_serializing_if = "Option::is_none")]
    pub sub_folders: Option<FolderReferenceList>,
    /// Objects, when asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objects: Option<ObjectReferenceList>,
}

/// What a client sends to create a folder (contract §6.2).
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct NewFolder {
    /// URL of the parent; exactly one of this and `parent_folder_path`.
    #[serde(rename = "parentFolder", default)]
    pub parent_folder: Option<String>,
    /// Path of the parent.
    #[serde(rename = "parentFolderPath", default)]
    pub parent_folder_path: Option<String>,
    /// Name of the new folder.
    #[serde(default)]
    pub name: Option<String>,
}

/// References to folders.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FolderReferenceList {
    /// Zero or more references.
    #[serde(rename = "folderReference", default)]
    pub folder_reference: Vec<Reference>,
}

/// References to objects.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ObjectReferenceList {
    /// Zero or more references.
    #[serde(rename = "objectReference", default)]
    pub object_reference: Vec<Reference>,
}

/// A resource and, where asked for, its path.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Reference {
    /// Absolute URL.
    #[serde(rename = "resourceURL")]
    pub resource_url: String,
    /// Path; `Some(None)` is the `null` of a root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Option<String>>,
}
