//! How long operations take, as operators see it.

use std::time::Duration;

use http::{Method, StatusCode};
use metrics::histogram;

use super::Route;

/// A request was answered.
pub(super) fn answered(operation: &'static str, status: StatusCode, duration: Duration) {
    histogram!("http_request_duration_seconds", "op" => operation, "code" => status.as_str().to_owned())
        .record(duration);
}

/// What a request asks for, in one word; `None` when there is no such resource. Methods that a resource does not have
/// are one operation, since clients may make them up.
pub(super) fn operation(route: Option<Route>, method: &Method) -> &'static str {
    let Some(route) = route else {
        return "unmatched";
    };
    let [get, put, post, delete] = match route {
        Route::Objects => [OTHER, OTHER, "create_object", OTHER],
        Route::BulkCreation => [OTHER, OTHER, "bulk_creation", OTHER],
        Route::BulkUpdate => [OTHER, OTHER, "bulk_update", OTHER],
        Route::BulkDelete => [OTHER, OTHER, "bulk_delete", "bulk_delete"],
        Route::Object => ["get_object", OTHER, OTHER, "delete_object"],
        Route::ObjectFlags => ["get_flags", "put_flags", OTHER, OTHER],
        Route::ObjectFlag => ["get_flag", "put_flag", OTHER, "delete_flag"],
        Route::Payload => ["get_payload", OTHER, OTHER, OTHER],
        Route::PayloadPart => ["get_payload_part", OTHER, OTHER, OTHER],
        Route::ObjectSearch => [OTHER, OTHER, "search_objects", OTHER],
        Route::FolderSearch => [OTHER, OTHER, "search_folders", OTHER],
        Route::ObjectPathToId => ["object_path_to_id", OTHER, "object_path_to_id", OTHER],
        Route::Folders => [OTHER, OTHER, "create_folder", OTHER],
        Route::Folder => ["get_folder", OTHER, OTHER, "delete_folder"],
        Route::FolderName => ["get_folder_name", "put_folder_name", OTHER, OTHER],
        Route::CopyToFolder => [OTHER, OTHER, "copy_to_folder", OTHER],
        Route::MoveToFolder => [OTHER, OTHER, "move_to_folder", OTHER],
        Route::FolderPathToId => ["folder_path_to_id", OTHER, "folder_path_to_id", OTHER],
        Route::Subscriptions => ["list_subscriptions", OTHER, "create_subscription", OTHER],
        Route::Subscription => [
            "get_subscription",
            OTHER,
            "update_subscription",
            "delete_subscription",
        ],
        Route::Channels => ["list_channels", OTHER, "create_channel", OTHER],
        Route::Channel => ["get_channel", OTHER, OTHER, "delete_channel"],
        Route::ChannelLifetime => ["get_channel_lifetime", "put_channel_lifetime", OTHER, OTHER],
        Route::Notifications => [OTHER, OTHER, "poll", OTHER],
        Route::WebSocket => ["open_websocket", OTHER, OTHER, OTHER],
    };
    match *method {
        Method::GET | Method::HEAD => get,
        Method::PUT => put,
        Method::POST => post,
        Method::DELETE => delete,
        _ => OTHER,
    }
}

/// OPTIONS, and methods that are answered with those there are.
const OTHER: &str = "other";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rest::{CHANNEL_SURFACE, SURFACE};

    #[test]
    fn every_method_of_the_surface_is_an_operation_and_no_other_is() {
        for (_, route, _, methods) in SURFACE.into_iter().chain(CHANNEL_SURFACE) {
            for method in [Method::GET, Method::PUT, Method::POST, Method::DELETE] {
                let named = operation(Some(route), &method) != OTHER;
                assert_eq!(
                    named,
                    methods.contains(&method.as_str()),
                    "{route:?} {method}"
                );
            }
            let made_up = Method::from_bytes(b"BREW").unwrap();
            assert_eq!(operation(Some(route), &made_up), OTHER);
        }
    }
}
