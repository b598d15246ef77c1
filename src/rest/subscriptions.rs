//! Subscriptions (contract §1.2 rows 19 and 20, §7.2).

use http::{Method, Response, StatusCode};

use super::{
    Call,
    error::Failure,
    http::{Body, located, no_content},
};
use crate::{
    nms::{NewSubscription, SubscriptionList, SubscriptionUpdate},
    notify::{Error, Subscriber},
};

type Answer = Result<Response<Body>, Failure>;

/// Row 19.
pub(super) async fn all(call: Call) -> Answer {
    let subscriber = call.subscriber();
    if call.method == Method::POST {
        let asked: NewSubscription = call.read("nmsSubscription")?;
        let format = call.wanted.unwrap_or(call.sent).into();
        let subscribed = call
            .notifications
            .subscribe(&subscriber, asked, format)
            .await?;
        let response = call.answer(StatusCode::CREATED, "nmsSubscription", &subscribed);
        return Ok(located(response, &subscribed.resource_url));
    }
    let list = SubscriptionList {
        subscription: call.notifications.subscriptions(&subscriber),
        resource_url: call.urls.subscriptions(),
    };
    Ok(call.answer(StatusCode::OK, "nmsSubscriptionList", &list))
}

/// Row 20.
pub(super) async fn one(call: Call, id: String) -> Answer {
    let subscriber = call.subscriber();
    let notifications = &call.notifications;
    let refused = |error: Error| {
        let unknown = matches!(error, Error::NotFound);
        let failure = Failure::from(error);
        if !unknown {
            return failure;
        }
        failure.linked("NmsSubscription", &call.urls.subscription(&id))
    };
    let subscription = match call.method {
        Method::POST => {
            let asked: SubscriptionUpdate = call.read("nmsSubscriptionUpdate")?;
            let updated = notifications.update_subscription(&subscriber, &id, &asked);
            updated.await
        }
        Method::DELETE => {
            let ended = notifications.unsubscribe(&subscriber, &id).await;
            return ended.map(|()| no_content()).map_err(refused);
        }
        _ => notifications.subscription(&subscriber, &id),
    };
    let subscription = subscription.map_err(refused)?;
    Ok(call.answer(StatusCode::OK, "nmsSubscription", &subscription))
}

impl Call {
    /// Who asks, as who subscribes.
    fn subscriber(&self) -> Subscriber {
        Subscriber {
            account: self.account.clone(),
            store: self.store.clone(),
            box_id: self.box_id.clone(),
            urls: self.urls.clone(),
        }
    }
}
