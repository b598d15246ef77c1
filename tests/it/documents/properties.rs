//! Whatever is in them, documents come back as they were.

use cpm_bridge::nms::{
    CallbackReference, ChangedFolder, ChangedObject, DeletedFolder, DeletedObject, Event,
    EventList, FlagList, Link, NotificationFormat, SearchCriteria, SearchCriterion, Subscription,
    encode::Format,
};
use proptest::{collection::vec, option, prelude::*};

use super::text;
use crate::support::xml::is_allowed;

/// Text that XML can hold.
fn any_text() -> impl Strategy<Value = String> {
    any::<String>().prop_map(|text| text.chars().filter(|one| is_allowed(*one)).collect())
}

fn any_url() -> impl Strategy<Value = String> {
    "https://[a-z]{1,9}/[a-zA-Z0-9/%._~?&=;-]{0,30}"
}

fn any_number() -> impl Strategy<Value = u64> {
    0..=i64::MAX.unsigned_abs()
}

fn any_event() -> impl Strategy<Value = Event> {
    let flags = vec("[\\\\$]?[A-Za-z<&-]{1,9}", 0..4);
    let ids = (option::of(any_text()), option::of(any_text()));
    (
        any_url(),
        any_url(),
        flags,
        any_number(),
        ids,
        any_text(),
        0..5,
    )
        .prop_map(
            |(parent, url, flag, last_mod_seq, (correlation_id, correlation_tag), name, which)| {
                let resource_url = url;
                match which {
                    0 => Event::ChangedObject(ChangedObject {
                        parent_folder: parent,
                        flags: FlagList {
                            flag,
                            resource_url: None,
                        },
                        resource_url,
                        last_mod_seq,
                        correlation_id,
                        correlation_tag,
                    }),
                    1 => Event::DeletedObject(DeletedObject {
                        resource_url,
                        last_mod_seq,
                        correlation_id,
                        correlation_tag,
                    }),
                    2 => Event::ChangedFolder(ChangedFolder {
                        parent_folder: correlation_id.map(|_| parent),
                        resource_url,
                        name,
                        last_mod_seq,
                    }),
                    3 => Event::DeletedFolder(DeletedFolder {
                        resource_url,
                        last_mod_seq,
                    }),
                    _ => Event::ResetBox {},
                }
            },
        )
}

proptest! {
    #[test]
    fn any_list_of_events_comes_back(
        nms_event in vec(any_event(), 0..5), callback_data in option::of(any_text()), index in any_number(),
        restart_token in any_text(), hrefs in vec(any_url(), 0..3),
    ) {
        let link = hrefs.into_iter().map(|href| Link { rel: "NmsSubscription".to_owned(), href }).collect();
        let list = EventList { nms_event, callback_data, index, restart_token, link };
        for format in [Format::Json, Format::Xml] {
            let document = format.write("nmsEventList", &list);
            prop_assert_eq!(format.root(&document), text("nmsEventList"));
            prop_assert_eq!(&format.read::<EventList>("nmsEventList", &document).unwrap(), &list);
        }
        // As state keeps it.
        let kept = serde_json::to_string(&list).unwrap();
        prop_assert_eq!(serde_json::from_str::<EventList>(&kept).unwrap(), list);
    }

    #[test]
    fn any_subscription_comes_back(
        callback_data in option::of(any_text()), is_json in option::of(any::<bool>()), duration in any_number(),
        values in option::of(vec((option::of(any_text()), any_text()), 1..4)), client_correlator in option::of(any_text()),
        urls in (any_url(), any_url()), restart_token in any_text(),
    ) {
        let format = |is_json| if is_json { NotificationFormat::Json } else { NotificationFormat::Xml };
        let criterion = |(name, value)| SearchCriterion { kind: text("Attribute"), name, value: Some(value) };
        let criteria = |values: Vec<_>| SearchCriteria {
            criterion: values.into_iter().map(criterion).collect(), operator: None,
        };
        let (notify_url, resource_url) = urls;
        let subscription = Subscription {
            callback_reference: CallbackReference { notify_url, callback_data, notification_format: is_json.map(format) },
            duration, filter: values.map(criteria), client_correlator, resource_url, index: duration, restart_token,
        };
        for format in [Format::Json, Format::Xml] {
            let document = format.write("nmsSubscription", &subscription);
            let read: Subscription = format.read("nmsSubscription", &document).unwrap();
            prop_assert_eq!(&read, &subscription);
        }
    }
}
