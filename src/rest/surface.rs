//! The whole surface on one screen (contract §1.2).

/// A resource of the surface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// Row 1.
    Objects,
    /// Row 2.
    Object,
    /// Row 3.
    ObjectFlags,
    /// Row 4.
    ObjectFlag,
    /// Row 5.
    Payload,
    /// Row 6.
    PayloadPart,
    /// Row 7.
    ObjectSearch,
    /// Row 8.
    ObjectPathToId,
    /// Row 9.
    BulkCreation,
    /// Row 10.
    BulkUpdate,
    /// Row 11.
    BulkDelete,
    /// Row 12.
    Folders,
    /// Row 13.
    Folder,
    /// Row 14.
    FolderName,
    /// Row 15.
    FolderSearch,
    /// Row 16.
    FolderPathToId,
    /// Row 17.
    CopyToFolder,
    /// Row 18.
    MoveToFolder,
    /// Row 19.
    Subscriptions,
    /// Row 20.
    Subscription,
    /// Row N1.
    Channels,
    /// Row N2.
    Channel,
    /// Row N3.
    ChannelLifetime,
    /// Row N4.
    Notifications,
    /// The `channelURL` of a channel that is no poll (contract §8.4).
    WebSocket,
}

/// Path below the box, resource, name in logs, methods.
pub type Resource = (&'static str, Route, &'static str, &'static [&'static str]);

/// The resources of a box of a store; HEAD is there where GET is, OPTIONS everywhere.
#[rustfmt::skip] // A line for each resource, to be read as the table it is.
pub const SURFACE: [Resource; 20] = [
    ("/objects", Route::Objects, "objects", &["POST"]),
    ("/objects/operations/search", Route::ObjectSearch, "object_search", &["POST"]),
    ("/objects/operations/pathToId", Route::ObjectPathToId, "object_path_to_id", &["GET", "POST"]),
    ("/objects/{object}", Route::Object, "object", &["GET", "DELETE"]),
    ("/objects/{object}/flags", Route::ObjectFlags, "object_flags", &["GET", "PUT"]),
    ("/objects/{object}/flags/{flag}", Route::ObjectFlag, "object_flag", &["GET", "PUT", "DELETE"]),
    ("/objects/{object}/payload", Route::Payload, "payload", &["GET"]),
    ("/objects/{object}/payloadParts/{part}", Route::PayloadPart, "payload_part", &["GET"]),
    ("/objects/operations/bulkCreation", Route::BulkCreation, "bulk_creation", &["POST"]),
    ("/objects/operations/bulkUpdate", Route::BulkUpdate, "bulk_update", &["POST"]),
    ("/objects/operations/bulkDelete", Route::BulkDelete, "bulk_delete", &["POST", "DELETE"]),
    ("/folders", Route::Folders, "folders", &["POST"]),
    ("/folders/operations/search", Route::FolderSearch, "folder_search", &["POST"]),
    ("/folders/operations/pathToId", Route::FolderPathToId, "folder_path_to_id", &["GET", "POST"]),
    ("/folders/operations/copyToFolder", Route::CopyToFolder, "copy_to_folder", &["POST"]),
    ("/folders/operations/moveToFolder", Route::MoveToFolder, "move_to_folder", &["POST"]),
    ("/folders/{folder}", Route::Folder, "folder", &["GET", "DELETE"]),
    ("/folders/{folder}/folderName", Route::FolderName, "folder_name", &["GET", "PUT"]),
    ("/subscriptions", Route::Subscriptions, "subscriptions", &["GET", "POST"]),
    ("/subscriptions/{subscription}", Route::Subscription, "subscription", &["GET", "POST", "DELETE"]),
];

/// The same below a box of the notification channel API (contract §1.3).
#[rustfmt::skip] // As above.
pub const CHANNEL_SURFACE: [Resource; 5] = [
    ("/channels", Route::Channels, "channels", &["GET", "POST"]),
    ("/channels/{channel}", Route::Channel, "channel", &["GET", "DELETE"]),
    ("/channels/{channel}/channelLifetime", Route::ChannelLifetime, "channel_lifetime", &["GET", "PUT"]),
    ("/channels/{channel}/notifications", Route::Notifications, "notifications", &["POST"]),
    ("/channels/{channel}/websocket", Route::WebSocket, "websocket", &["GET"]),
];
