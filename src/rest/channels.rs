//! Notification channels (contract §1.3, §8).

use http::{Method, Response, StatusCode};

use super::{
    Call,
    error::Failure,
    http::{Body, document, located, no_content},
};
use crate::{
    nms::{
        ChannelLifetime, ChannelList, NewChannel, Notification, NotificationList, encode::Format,
    },
    notify::{Error, Notifications, Polled},
};

type Answer = Result<Response<Body>, Failure>;

/// Row N1.
pub(super) async fn all(call: Call) -> Answer {
    let urls = &call.channel_urls;
    if call.method == Method::POST {
        let asked: NewChannel = call.read("notificationChannel")?;
        let channel = call
            .notifications
            .create_channel(&call.box_id, urls, &asked)
            .await?;
        let response = call.answer(StatusCode::CREATED, "notificationChannel", &channel);
        return Ok(located(response, &channel.resource_url));
    }
    let list = ChannelList {
        notification_channel: call.notifications.channels_of(&call.box_id),
        resource_url: urls.channels(),
    };
    Ok(call.answer(StatusCode::OK, "notificationChannelList", &list))
}

/// Row N2.
pub(super) async fn one(call: Call, id: String) -> Answer {
    if call.method == Method::DELETE {
        let deleted = call.notifications.delete_channel(&call.box_id, &id);
        deleted.await?;
        return Ok(no_content());
    }
    let channel = call.notifications.channel(&call.box_id, &id)?;
    Ok(call.answer(StatusCode::OK, "notificationChannel", &channel))
}

/// Row N3.
pub(super) fn lifetime(call: &Call, id: &str) -> Answer {
    let box_id = Some(call.box_id.as_str());
    let seconds = if call.method == Method::PUT {
        let asked = read_lifetime(call.sent, &call.body)?;
        call.notifications.set_lifetime(box_id, id, asked)?
    } else {
        call.notifications.lifetime(&call.box_id, id)?
    };
    Ok(call.answer(
        StatusCode::OK,
        "notificationChannelLifetime",
        &granted(seconds),
    ))
}

/// Row N3 without an `Authorization` header: who knows the id may keep the channel alive (contract §8.2).
pub(super) fn lifetime_of_id(
    notifications: &Notifications,
    box_id: &str,
    id: &str,
    sent: Format,
    body: &[u8],
) -> Result<ChannelLifetime, Failure> {
    let asked = read_lifetime(sent, body)?;
    let seconds = notifications.set_lifetime(Some(box_id), id, asked)?;
    Ok(granted(seconds))
}

/// Row N4. Whatever is sent says nothing (contract §8.3). Who waits keeps nothing of the request.
pub(super) fn notifications(call: Call, id: String) -> impl Future<Output = Answer> {
    let format = call.wanted.unwrap_or(call.sent);
    let (notifications, box_id) = (call.notifications, call.box_id);
    async move {
        let polled = notifications.poll(&box_id, &id).await?;
        let (lists, receipt) = match polled {
            Polled::Lists(lists, receipt) => (lists, Some(receipt)),
            Polled::Nothing => (Vec::new(), None),
        };
        let lists = lists.into_iter().map(Notification::EventList);
        let list = NotificationList(lists.collect());
        let mut response = document(format, StatusCode::OK, "notificationList", &list);
        if let Some(receipt) = receipt {
            response.extensions_mut().insert(receipt);
        }
        Ok(response)
    }
}

fn read_lifetime(sent: Format, body: &[u8]) -> Result<Option<u64>, Failure> {
    if body.is_empty() {
        return Ok(None);
    }
    let asked: ChannelLifetime = sent.read("notificationChannelLifetime", body)?;
    Ok(asked.channel_lifetime)
}

fn granted(seconds: u64) -> ChannelLifetime {
    ChannelLifetime {
        channel_lifetime: Some(seconds),
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        use crate::nms::{ChannelType, Fault};
        match error {
            Error::NotFound => Self::not_found("Request-URI"),
            Error::InvalidInput(part) => Self::invalid(&part),
            Error::Conflict(value, member) => {
                Self::new(StatusCode::CONFLICT, Fault::Duplicate, &[&value, &member])
            }
            Error::TooMany(code) => Self::forbidden(code),
            Error::ChannelType(asked) => Self::new(
                StatusCode::FORBIDDEN,
                Fault::ChannelTypeUnsupported,
                &[&asked, ChannelType::NAMES],
            ),
            Error::Unsupported(feature) => {
                Self::new(StatusCode::FORBIDDEN, Fault::FeatureUnavailable, &[feature])
            }
            Error::Superseded => Self::new(StatusCode::CONFLICT, Fault::SimultaneousRequests, &[]),
            Error::Store(error) => error.into(),
            Error::State(error) => crate::store::Error::from(error).into(),
        }
    }
}
