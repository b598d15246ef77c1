//! Event lists posted to a URL of the client's own (contract §1.2 row 21): one at a time and in order, each until it is taken.

use std::{sync::Arc, time::Duration};

use http::StatusCode;
use tokio::time::sleep;
use tracing::{debug, warn};

use super::{Error, Notifications, desk::Desk, subscription::Record};
use crate::{nms::encode::Format, task};

/// How long is waited after the first failure; twice as long after each more.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest of these.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// What has become of a list.
enum Posted {
    /// It was taken.
    Taken,
    /// Nobody is there any more (contract §7.3).
    Over,
    /// Another time.
    Later,
}

impl Notifications {
    /// Posts what a subscription is told, as long as there is one.
    pub(super) fn post_for(self: &Arc<Self>, desk: &Arc<Desk>, id: &str) {
        let Some((ended, wake)) = desk.poster(id) else {
            return;
        };
        let (room, desk, id) = (Arc::clone(self), Arc::clone(desk), id.to_owned());
        task::spawn(async move {
            let posting = async {
                let mut pause = FIRST_PAUSE;
                loop {
                    match room.post_next(&desk, &id).await {
                        Ok(Some(Posted::Taken)) => pause = FIRST_PAUSE,
                        Ok(None) => wake.notified().await,
                        Ok(Some(Posted::Over)) | Err(Error::NotFound) => {
                            debug!("a subscriber is gone");
                            room.end_subscription(&desk, &id);
                            return;
                        }
                        Ok(Some(Posted::Later)) | Err(_) => {
                            sleep(pause).await;
                            pause = (pause * 2).min(LONGEST_PAUSE);
                        }
                    }
                }
            };
            tokio::select! {
                () = ended.cancelled() => {}
                () = room.ending.cancelled() => {}
                () = posting => {}
            }
        });
    }

    /// Posts the next list, if there is one; it is taken when the client says so.
    async fn post_next(&self, desk: &Desk, id: &str) -> Result<Option<Posted>, Error> {
        let next = Box::pin(desk.next_list(self, id)).await;
        let next = next.inspect_err(|error| warn!(%error, "what has changed cannot be told"));
        let Some((list, record)) = next? else {
            return Ok(None);
        };
        let document = list.shown(&record, &desk.seal);
        let posted = self.post(&record, &document).await;
        if let Posted::Taken = posted {
            desk.taken(self, id, list.index);
        }
        Ok(Some(posted))
    }

    async fn post(&self, record: &Record, document: &crate::nms::EventList) -> Posted {
        let format = Format::from(record.format);
        let media_type = match format {
            Format::Json => "application/json",
            Format::Xml => "application/xml",
        };
        let body = format.write("nmsEventList", document);
        let url = &record.callback.notify_url;
        match self.callback.post(url, media_type, body.into()).await {
            Ok(status) if status.is_success() => Posted::Taken,
            Ok(StatusCode::NOT_FOUND | StatusCode::GONE) => Posted::Over,
            Ok(status) => {
                debug!(%status, "a subscriber does not take what it is sent");
                Posted::Later
            }
            Err(error) => {
                debug!(%error, "a subscriber cannot be reached");
                Posted::Later
            }
        }
    }
}
