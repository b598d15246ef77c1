//! Objects made: one (contract §1.2 row 1), or many (row 9).

use std::sync::{Arc, OnceLock};

use http::{HeaderMap, Response, StatusCode};

use super::{
    Call,
    error::Failure,
    http::{Body, located},
    multipart::Fields,
    objects::failed_item,
    upload::{Attachment, Content, Form, Observer, Received, Upload},
};
use crate::{
    nms::{BulkResponse, BulkResponseList, NewObject, NewObjectList, Reference, encode::Format},
    spool::Spool,
    store::{self, AttachmentBytes, Creation, EntityScan, FoundOf, needs_scan},
};

type Answer = Result<Response<Body>, Failure>;

/// A key for creations without one of their own (product: idempotent create).
const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// A creation of which the head alone has been read.
pub(super) struct Posted<'a> {
    pub(super) call: Call,
    pub(super) form: Form<'a>,
    pub(super) spool: &'a Spool,
    /// Of the request as a whole.
    pub(super) idempotency_key: Option<String>,
}

/// Looks at an attachment's bytes while they come in.
struct Looking(EntityScan);

impl Looking {
    fn at(header: &[(String, String)]) -> Self {
        Self(EntityScan::new(header))
    }
}

impl Observer for Looking {
    fn push(&mut self, octets: &[u8]) {
        self.0.push(octets);
    }
}

/// The request's own key.
///
/// # Errors
/// 400 with the header's name when it is no text, or said twice.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Failure> {
    let invalid = || Failure::invalid(IDEMPOTENCY_KEY);
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(invalid());
    }
    let text = value.to_str().map_err(|_| invalid())?.trim();
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// POST of one object.
pub(super) async fn object(posted: Posted<'_>) -> Answer {
    let Posted {
        mut call,
        form,
        spool,
        idempotency_key,
    } = posted;
    let read = |format: Format, bytes: &[u8]| Ok(format.read::<NewObject>("object", bytes)?);
    let Upload {
        format,
        root: object,
        attachments,
    } = form.receive(read, Looking::at).await?;
    call.body_is(format);
    let keyed = idempotency_key.is_some() || object.client_correlator.is_some();
    let mut broken = None;
    let mut kept = Vec::with_capacity(attachments.len());
    for attachment in attachments {
        match attachment.content {
            Content::Incoming(incoming) if !keyed && !needs_scan(&attachment.header) => {
                let found = FoundOf::Unread(incoming.length());
                let (octets, failure) = incoming.stream();
                broken = Some(failure);
                kept.push(store::Attachment {
                    header: attachment.header,
                    found,
                    digest: [0; 32],
                    bytes: AttachmentBytes::Passing(octets),
                });
            }
            content @ (Content::Received(_) | Content::Incoming(_)) => {
                kept.push(received(attachment.header, content, spool).await?)
            }
        }
    }
    let creation = Creation {
        object,
        attachments: kept,
        idempotency_key,
    };
    let reference = call
        .account
        .create_object(&call.urls, creation)
        .await
        .map_err(|error| what_broke(broken, error))?;
    let response = call.answer(StatusCode::CREATED, "reference", &reference);
    Ok(located(response, &reference.resource_url))
}

/// POST of many objects, one attachment each, in the same order; as many outcomes.
pub(super) async fn objects(posted: Posted<'_>) -> Answer {
    let Posted {
        mut call,
        form,
        spool,
        idempotency_key,
    } = posted;
    if idempotency_key.is_some() {
        // One key for many objects says nothing about each: they have their own, or none.
        return Err(Failure::invalid(IDEMPOTENCY_KEY));
    }
    let bulk = call.limits.bulk;
    let read = |format: Format, bytes: &[u8]| {
        let list = format.read::<NewObjectList>("objectList", bytes)?.object;
        if list.is_empty() || list.len() > bulk {
            return Err(Failure::invalid("object"));
        }
        Ok(list)
    };
    let Upload {
        format,
        root: list,
        attachments,
    } = form.receive(read, Looking::at).await?;
    call.body_is(format);
    // Contract §3.4: to guess which object goes without would put contents into the wrong one.
    if attachments.len() != list.len() {
        return Err(Failure::invalid("attachments"));
    }
    let mut creations = Vec::with_capacity(list.len());
    for (object, Attachment { header, content }) in list.into_iter().zip(attachments) {
        creations.push(Creation {
            object,
            attachments: vec![received(header, content, spool).await?],
            idempotency_key: None,
        });
    }
    let items = call.account.create_objects(&call.urls, creations).await;
    if items.iter().all(Result::is_err)
        && let Some(Err(error)) = items.first()
    {
        return Err(error.clone().into());
    }
    let response = items.into_iter().map(item).collect();
    Ok(call.answer(
        StatusCode::OK,
        "bulkResponseList",
        &BulkResponseList { response },
    ))
}

fn item(outcome: Result<Reference, store::Error>) -> BulkResponse {
    match outcome {
        Ok(reference) => BulkResponse {
            code: StatusCode::CREATED.as_u16(),
            reason: "Created".to_owned(),
            success: Some(reference),
            failure: None,
        },
        Err(error) => failed_item(error.into()),
    }
}

/// An attachment that is all there.
async fn received(
    header: Fields,
    content: Content<Looking>,
    spool: &Spool,
) -> Result<store::Attachment, Failure> {
    let Received { blob, digest, scan } = match content {
        Content::Received(received) => received,
        Content::Incoming(incoming) => incoming.receive(spool, Looking::at(&header)).await?,
    };
    Ok(store::Attachment {
        header,
        found: scan.0.finish(),
        digest,
        bytes: AttachmentBytes::Kept(blob),
    })
}

/// What ended an upload is the reason, not that the store got no more.
fn what_broke(broken: Option<Arc<OnceLock<Failure>>>, error: store::Error) -> Failure {
    let failure = broken.and_then(|failure| failure.get().cloned());
    failure.unwrap_or_else(|| error.into())
}
