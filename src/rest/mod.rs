//! HTTP: the only layer that knows status codes.
//!
//! * The whole surface is one table, matched on the raw path; parameters are percent-decoded once, after matching.
//! * A box is authorized before the store is asked anything.
//! * Every failure is a `requestError` document, made in `error`, with the offending part named.
//! * Nothing that names a box, a folder or an object is logged.

mod acknowledgement;
mod base_url;
mod bulk;
mod channels;
mod conditions;
mod cors;
mod creation;
mod error;
mod folders;
mod http;
mod measure;
mod multipart;
mod negotiation;
mod objects;
mod openapi;
mod payload;
mod relocation;
mod representation;
mod search;
mod subscriptions;
mod surface;
mod upload;
mod web_socket;

use std::{collections::HashMap, net::SocketAddr, panic::AssertUnwindSafe, sync::Arc};

use ::http::{HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use hyper::body::{Body as _, Incoming};
use percent_encoding::percent_decode_str;
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::Instant;
use tracing::{Instrument, error, error_span, info};

pub use self::{
    acknowledgement::{Connection, Conversation},
    http::{Body, BodyError},
    surface::{CHANNEL_SURFACE, Resource, Route, SURFACE},
};
use self::{
    conditions::Conditions, creation::Posted, error::Failure, representation::Wanted, upload::Form,
};
use crate::{
    auth::{self, Access},
    config::{CorsConfig, LimitsConfig, Network},
    identity::{BoxId, BoxRules, Credentials},
    nms::{ChannelUrls, Urls, encode::Format},
    notify::Notifications,
    spool::Spool,
    store::{Account, Relocating, Store},
};

/// What the service is told about its surroundings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Base of every URL sent out.
    pub public_url: Option<String>,
    /// Prefix of all paths.
    pub base_path: String,
    /// Proxies whose Forwarded and X-Forwarded-* are believed.
    pub trusted_proxies: Vec<Network>,
    /// Web applications that may ask.
    pub cors: CorsConfig,
    /// What a client can run into.
    pub limits: LimitsConfig,
    /// Where uploads wait.
    pub spool: Spool,
    /// Name of the store whose credentials open notification channels.
    pub channel_store: String,
}

/// The REST service.
#[derive(Debug)]
pub struct Service {
    settings: Settings,
    stores: HashMap<String, (Arc<Store>, BoxRules)>,
    notifications: Arc<Notifications>,
    router: matchit::Router<(Resource, Option<&'static str>)>,
    /// Path of the surface's description.
    description: String,
}

/// One request that may reach the store.
#[derive(Debug)]
pub(crate) struct Call {
    account: Account,
    notifications: Arc<Notifications>,
    /// Name of the store.
    store: String,
    /// Id of the box, in its one spelling.
    box_id: String,
    urls: Urls,
    channel_urls: ChannelUrls,
    method: Method,
    query: Vec<(String, String)>,
    body: Bytes,
    /// What the body is in.
    sent: Format,
    /// What the client wants to be answered in; without a wish it is what it has sent.
    wanted: Option<Format>,
    conditions: Conditions,
    limits: LimitsConfig,
}

impl Call {
    /// The body.
    ///
    /// # Errors
    /// 400 with the member to blame, or the root.
    fn read<T: DeserializeOwned>(&self, root: &str) -> Result<T, Failure> {
        Ok(self.sent.read(root, &self.body)?)
    }

    /// The body, which is one text.
    ///
    /// # Errors
    /// 400 with the root.
    fn read_text(&self, root: &str) -> Result<String, Failure> {
        Ok(self.sent.read_text(root, &self.body)?)
    }

    /// Says what the document of a form is in.
    fn body_is(&mut self, format: Format) {
        self.sent = format;
    }

    /// A document for the client.
    fn answer<T: Serialize>(&self, status: StatusCode, root: &str, value: &T) -> Response<Body> {
        http::document(self.wanted.unwrap_or(self.sent), status, root, value)
    }

    /// The document that says nothing (contract §2.2).
    fn empty(&self, status: StatusCode) -> Response<Body> {
        self.answer(status, "empty", &())
    }

    /// A parameter of the query that can be said once.
    ///
    /// # Errors
    /// 400 with its name when it is said again with another value: which one counts would be a guess.
    fn parameter(&self, name: &str) -> Result<Option<String>, Failure> {
        let mut values = self.parameters(name);
        values.dedup();
        if values.len() > 1 {
            return Err(Failure::invalid(name));
        }
        Ok(values.pop())
    }

    /// All values of a parameter.
    fn parameters(&self, name: &str) -> Vec<String> {
        self.query
            .iter()
            .filter(|(key, _)| key == name)
            .map(|(_, value)| value.clone())
            .collect()
    }
}

/// A request's resource, with the decoded parameters of its path.
#[derive(Debug)]
struct Matched {
    route: Route,
    methods: &'static [&'static str],
    /// What the notification channel API is called, if this is of it.
    channel_api: Option<&'static str>,
    store: String,
    /// As the client spelled it.
    box_segment: String,
    parameters: HashMap<String, String>,
}

impl Service {
    /// Puts the table together.
    ///
    /// # Errors
    /// When the base path cannot be matched.
    pub fn new(
        settings: Settings,
        stores: Vec<(Arc<Store>, BoxRules)>,
        notifications: Arc<Notifications>,
    ) -> Result<Self, matchit::InsertError> {
        let mut router = matchit::Router::new();
        let base = &settings.base_path;
        for resource in SURFACE {
            let path = format!("{base}/nms/v1/{{store}}/{{box}}{}", resource.0);
            router.insert(path, (resource, None))?;
        }
        for api in ChannelUrls::APIS {
            for resource in CHANNEL_SURFACE {
                let path = format!("{base}/{api}/v1/{{box}}{}", resource.0);
                router.insert(path, (resource, Some(api)))?;
            }
        }
        let stores = stores
            .into_iter()
            .map(|(store, rules)| (store.name().to_owned(), (store, rules)))
            .collect();
        Ok(Self {
            description: format!("{}{}", settings.base_path, openapi::PATH),
            settings,
            stores,
            notifications,
            router,
        })
    }

    /// Answers one request. A panic is a fault of ours, answered as such.
    pub async fn handle(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
        secure: bool,
    ) -> Response<Body> {
        let started = Instant::now();
        let id = http::request_id(request.headers());
        let method = request.method().clone();
        let wanted = Wanted::read(request.headers());
        let asking = cors::Asking::read(&method, request.headers());
        let (operation, name) = self.names(request.uri().path(), &method);
        let connection = request.extensions().get::<Connection>().cloned();
        // As loud as a line can be: the id is on each, whatever the level.
        let span = error_span!("request", request.id = id.to_str().unwrap_or_default());
        let answer = AssertUnwindSafe(self.answer(request, peer, secure))
            .catch_unwind()
            .instrument(span.clone())
            .await;
        let answer = answer.unwrap_or_else(|_| {
            span.in_scope(|| error!("a handler panicked"));
            Err(Failure::service(StatusCode::INTERNAL_SERVER_ERROR))
        });
        let response = answer.unwrap_or_else(|failure| http::failure(&failure, wanted.format));
        let finishing = representation::finished(response, &wanted);
        let mut response = finishing.instrument(span.clone()).await;
        // Not before the last await: what else runs on this thread meanwhile is none of this request.
        let _entered = span.enter();
        if method == Method::HEAD {
            response = http::without_body(response);
        }
        if !self.settings.cors.origins.is_empty() {
            cors::tell(&self.settings.cors, &asking, &mut response);
        }
        response.headers_mut().insert(http::REQUEST_ID, id);
        let response = acknowledgement::receipted(response, connection.as_ref());
        let duration = started.elapsed();
        measure::answered(operation, response.status(), duration);
        info!(
            target: "access",
            %method,
            route = name,
            status = response.status().as_u16(),
            duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
        );
        response
    }

    /// What a request is called in metrics and in logs.
    fn names(&self, path: &str, method: &Method) -> (&'static str, &'static str) {
        if path == self.description {
            return (openapi::operation(method), openapi::NAME);
        }
        let matched = self.matched(path);
        let (route, name) = matched.map_or((None, "unmatched"), |(matched, name)| {
            (Some(matched.route), name)
        });
        (measure::operation(route, method), name)
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
        secure: bool,
    ) -> Result<Response<Body>, Failure> {
        let (parts, body) = request.into_parts();
        if parts.uri.path() == self.description {
            let refused = unsupported(&parts, openapi::METHODS);
            return Ok(refused.unwrap_or_else(openapi::answer));
        }
        let unknown = || Failure::not_found("Request-URI");
        let (matched, _) = self.matched(parts.uri.path()).ok_or_else(unknown)?;
        let (store, rules) = self.stores.get(&matched.store).ok_or_else(unknown)?;
        if let Some(response) = unsupported(&parts, matched.methods) {
            return Ok(response);
        }
        let box_text = decoded(&matched.box_segment).ok_or_else(unknown)?;
        if matched.route == Route::ChannelLifetime
            && parts.method == Method::PUT
            && !parts.headers.contains_key(header::AUTHORIZATION)
        {
            let id = matched.parameters.get("channel").ok_or_else(unknown)?;
            return self.keep_alive(&parts, body, &box_text, id).await;
        }
        let explicit = if matched.route == Route::WebSocket {
            web_socket::explicit_authorization(&parts)?
        } else {
            None
        };
        let authorization = explicit.as_ref();
        let authorization = authorization.or_else(|| parts.headers.get(header::AUTHORIZATION));
        let (box_id, credentials) = match auth::authorize(authorization, &box_text, rules) {
            Access::Own {
                box_id,
                credentials,
            } => (box_id, credentials),
            Access::Other => return Err(Failure::forbidden("NotAuthorized")),
            Access::Refused => return Err(Failure::unauthenticated()),
        };
        let raw = matches!(matched.route, Route::Payload | Route::PayloadPart);
        let wanted = match negotiation::wanted(&parts.headers) {
            Err(_) if raw => None,
            wanted => wanted?,
        };
        let base = base_url::base_url(&self.settings, &parts, peer, secure)?;
        let api = matched.channel_api.unwrap_or(ChannelUrls::APIS[0]);
        let arriving = Arriving {
            settings: &self.settings,
            notifications: &self.notifications,
            store,
            box_id,
            credentials,
            urls: Urls::new(&base, store.name(), &matched.box_segment).spelled_alike(box_name),
            channel_urls: ChannelUrls::new(&base, api, &matched.box_segment),
            wanted,
            conditions: Conditions::read(&parts.headers)?,
            parts,
        };
        dispatch(arriving, body, matched.route, matched.parameters).await
    }

    /// A channel kept alive by who only knows its id.
    async fn keep_alive(
        &self,
        parts: &Parts,
        body: Incoming,
        box_text: &str,
        id: &str,
    ) -> Result<Response<Body>, Failure> {
        let wanted = negotiation::wanted(&parts.headers)?;
        let sent = match body.is_end_stream() {
            true => None,
            false => negotiation::sent(&parts.headers)?,
        };
        let limits = &self.settings.limits;
        let body = http::read_body(body, limits.body, limits.body_timeout).await?;
        let sent = sent.unwrap_or_else(|| Format::of(&body));
        let box_id = box_name(box_text).ok_or_else(|| Failure::not_found("Request-URI"))?;
        let granted = channels::lifetime_of_id(&self.notifications, &box_id, id, sent, &body)?;
        let root = "notificationChannelLifetime";
        Ok(http::document(
            wanted.unwrap_or(sent),
            StatusCode::OK,
            root,
            &granted,
        ))
    }

    /// The resource of a raw path, and its name in logs; `None` when there is none, or a parameter does not decode.
    fn matched(&self, path: &str) -> Option<(Matched, &'static str)> {
        let found = self.router.at(path).ok()?;
        let ((_, route, name, methods), channel_api) = *found.value;
        let box_segment = found.params.get("box")?.to_owned();
        let mut parameters = HashMap::new();
        for (key, value) in found.params.iter() {
            let value = decoded(value)?;
            // Reserved: never an id (contract §1.1).
            let is_id = matches!(key, "object" | "folder" | "subscription" | "channel");
            if value.is_empty() || (is_id && value == "operations") {
                return None;
            }
            parameters.insert(key.to_owned(), value);
        }
        let store = match channel_api {
            Some(_) => self.settings.channel_store.clone(),
            None => parameters.remove("store")?,
        };
        Some((
            Matched {
                route,
                methods,
                channel_api,
                store,
                box_segment,
                parameters,
            },
            name,
        ))
    }
}

/// A request of somebody who may ask; its body has still to come.
struct Arriving<'a> {
    settings: &'a Settings,
    notifications: &'a Arc<Notifications>,
    store: &'a Arc<Store>,
    box_id: BoxId,
    credentials: Credentials,
    urls: Urls,
    channel_urls: ChannelUrls,
    wanted: Option<Format>,
    conditions: Conditions,
    parts: Parts,
}

impl<'a> Arriving<'a> {
    /// With its body, if that means anything: it does not to GET, HEAD and DELETE.
    async fn with_document(self, body: Incoming) -> Result<Call, Failure> {
        if !matches!(self.parts.method, Method::POST | Method::PUT) {
            return self.without_document(body).await;
        }
        self.with_any_document(body).await
    }

    /// With its body, whatever the method.
    async fn with_any_document(self, body: Incoming) -> Result<Call, Failure> {
        let sent = if body.is_end_stream() {
            None
        } else {
            negotiation::sent(&self.parts.headers)?
        };
        let body = self.read(body).await?;
        self.call(sent.unwrap_or_else(|| Format::of(&body)), body)
            .await
    }

    /// With a body that is the same as none, whatever it is.
    async fn without_document(self, body: Incoming) -> Result<Call, Failure> {
        let body = self.read(body).await?;
        self.call(Format::Json, body).await
    }

    /// As a form, of which the head alone is read: what it forbids is said before the body is asked for.
    async fn with_form(self, body: Incoming) -> Result<Posted<'a>, Failure> {
        let Settings { limits, spool, .. } = self.settings;
        let form = Form::new(&self.parts.headers, body, limits, spool)?;
        let idempotency_key = creation::idempotency_key(&self.parts.headers)?;
        Ok(Posted {
            call: self.call(Format::Json, Bytes::new()).await?,
            form,
            spool,
            idempotency_key,
        })
    }

    async fn read(&self, body: Incoming) -> Result<Bytes, Failure> {
        let limits = &self.settings.limits;
        http::read_body(body, limits.body, limits.body_timeout).await
    }

    async fn call(self, sent: Format, body: Bytes) -> Result<Call, Failure> {
        let opening = self.store.open(&self.box_id, self.credentials);
        Ok(Call {
            account: Box::pin(opening).await?,
            notifications: Arc::clone(self.notifications),
            store: self.store.name().to_owned(),
            box_id: self.box_id.as_str().to_owned(),
            urls: self.urls,
            channel_urls: self.channel_urls,
            query: http::query(&self.parts),
            method: self.parts.method,
            body,
            sent,
            wanted: self.wanted,
            conditions: self.conditions,
            limits: self.settings.limits.clone(),
        })
    }
}

/// 204 to OPTIONS, 405 to what the resource does not have; `None` for what it has.
fn unsupported(request: &Parts, methods: &[&str]) -> Option<Response<Body>> {
    let method = &request.method;
    let has =
        methods.contains(&method.as_str()) || (method == Method::HEAD && methods.contains(&"GET"));
    if has {
        return None;
    }
    let mut allow: Vec<&str> = methods.to_vec();
    if methods.contains(&"GET") {
        allow.push("HEAD");
    }
    allow.push("OPTIONS");
    let mut response = if method == Method::OPTIONS {
        http::no_content()
    } else {
        let failure = Failure::service(StatusCode::METHOD_NOT_ALLOWED);
        http::failure(&failure, negotiation::for_failures(&request.headers))
    };
    if let Ok(value) = HeaderValue::from_str(&allow.join(", ")) {
        response.headers_mut().insert(header::ALLOW, value);
    }
    Some(response)
}

/// Each resource's work in a box of its own: a poll that waits does not take the room that an upload would.
fn dispatch(
    arriving: Arriving<'_>,
    body: Incoming,
    route: Route,
    mut parameters: HashMap<String, String>,
) -> BoxFuture<'_, Result<Response<Body>, Failure>> {
    let mut take = |name: &str| parameters.remove(name).unwrap_or_default();
    let (object, flag, part) = (take("object"), take("flag"), take("part"));
    let folder = take("folder");
    let (subscription, channel) = (take("subscription"), take("channel"));
    match route {
        Route::Objects => {
            async move { creation::object(arriving.with_form(body).await?).await }.boxed()
        }
        Route::BulkCreation => {
            async move { creation::objects(arriving.with_form(body).await?).await }.boxed()
        }
        // Contract §5.2: to DELETE too.
        Route::BulkDelete => {
            async move { bulk::delete(arriving.with_any_document(body).await?).await }.boxed()
        }
        Route::ObjectFlag => async move {
            // Contract §11.1 row 5: it is the same with any body or none.
            objects::flag(arriving.without_document(body).await?, object, flag).await
        }
        .boxed(),
        Route::Notifications => poll(arriving, body, channel),
        Route::BulkUpdate => with(arriving, body, bulk::update),
        Route::Object => with(arriving, body, |call| objects::object(call, object)),
        Route::ObjectFlags => with(arriving, body, |call| objects::flags(call, object)),
        Route::Payload => with(arriving, body, |call| payload::whole(call, object)),
        Route::PayloadPart => with(arriving, body, |call| payload::part(call, object, part)),
        Route::ObjectSearch => with(arriving, body, search::objects),
        Route::FolderSearch => with(arriving, body, search::folders),
        Route::ObjectPathToId => with(arriving, body, objects::path_to_id),
        Route::Folders => with(arriving, body, folders::folders),
        Route::Folder => with(arriving, body, |call| folders::folder(call, folder)),
        Route::FolderName => with(arriving, body, |call| folders::folder_name(call, folder)),
        Route::FolderPathToId => with(arriving, body, folders::path_to_id),
        Route::CopyToFolder => with(arriving, body, |call| {
            relocation::to_folder(call, Relocating::Copy)
        }),
        Route::MoveToFolder => with(arriving, body, |call| {
            relocation::to_folder(call, Relocating::Move)
        }),
        Route::Subscriptions => with(arriving, body, subscriptions::all),
        Route::Subscription => with(arriving, body, |call| {
            subscriptions::one(call, subscription)
        }),
        Route::Channels => with(arriving, body, channels::all),
        Route::Channel => with(arriving, body, |call| channels::one(call, channel)),
        Route::ChannelLifetime => with(arriving, body, |call| async move {
            channels::lifetime(&call, &channel)
        }),
        Route::WebSocket => async move { web_socket::open(arriving, body, channel).await }.boxed(),
    }
}

/// A poll, of which there may be thousands that wait: each in as little room as it can do with.
fn poll<'a>(
    arriving: Arriving<'a>,
    body: Incoming,
    channel: String,
) -> BoxFuture<'a, Result<Response<Body>, Failure>> {
    // Contract §8.3: any body or none. What it takes to read it is gone when the poll waits.
    let reading = arriving.without_document(body).boxed();
    async move { channels::notifications(reading.await?, channel).await }.boxed()
}

/// The work of a resource whose document is read first.
fn with<'a, F>(
    arriving: Arriving<'a>,
    body: Incoming,
    work: impl FnOnce(Call) -> F + Send + 'a,
) -> BoxFuture<'a, Result<Response<Body>, Failure>>
where
    F: Future<Output = Result<Response<Body>, Failure>> + Send + 'a,
{
    async move { work(arriving.with_document(body).await?).await }.boxed()
}

/// The one spelling of a box (contract §10.2).
fn box_name(decoded: &str) -> Option<String> {
    let id = BoxId::parse(decoded).ok()?;
    Some(id.as_str().to_owned())
}

/// A path segment, percent-decoded once; `None` when that is no UTF-8.
fn decoded(segment: &str) -> Option<String> {
    percent_decode_str(segment)
        .decode_utf8()
        .ok()
        .map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{NotificationsConfig, UnknownPreset},
        notify,
        outbound::Callback,
        state::MemoryState,
    };

    fn service() -> Service {
        let settings = Settings {
            public_url: None,
            base_path: "/phone".to_owned(),
            trusted_proxies: Vec::new(),
            cors: CorsConfig::default(),
            limits: LimitsConfig::default(),
            spool: Spool::new(std::env::temp_dir(), 0).unwrap(),
            channel_store: "cpm".to_owned(),
        };
        let notifications = Notifications::start(
            notify::Settings {
                notifications: NotificationsConfig::default(),
                limits: LimitsConfig::default(),
                unknown_preset: UnknownPreset::default(),
                channel_stores: Vec::new(),
            },
            Arc::new(MemoryState::new()),
            Vec::new(),
            Callback::new(&[], None).unwrap(),
        );
        Service::new(settings, Vec::new(), notifications).unwrap()
    }

    fn route(path: &str) -> Option<Route> {
        service().matched(path).map(|(matched, _)| matched.route)
    }

    #[tokio::test]
    async fn paths_lead_to_resources() {
        let at = |rest: &str| route(&format!("/phone/nms/v1/cpm/tel%3A%2B15550100{rest}"));
        assert_eq!(at("/objects/abc"), Some(Route::Object));
        assert_eq!(
            at("/objects/operations/pathToId"),
            Some(Route::ObjectPathToId)
        );
        assert_eq!(at("/objects/abc/flags/%5CSeen"), Some(Route::ObjectFlag));
        assert_eq!(at("/objects"), Some(Route::Objects));
        assert_eq!(
            at("/objects/operations/bulkCreation"),
            Some(Route::BulkCreation)
        );
        assert_eq!(at("/folders"), Some(Route::Folders));
        for unknown in [
            "",
            "/",
            "/objects/",
            "/objects/operations",
            "/objects/a/b",
            "/folders/%FF",
            "/folders/a/",
            "//folders/a",
        ] {
            assert_eq!(at(unknown), None, "{unknown}");
        }
        assert_eq!(route("/nms/v1/cpm/tel:+15550100/objects/abc"), None);
    }

    #[tokio::test]
    async fn parameters_are_decoded_once_and_the_box_keeps_its_spelling() {
        let service = service();
        let (matched, _) = service
            .matched("/phone/nms/v1/cpm/tel%3A+15550100/objects/a/flags/%2541")
            .unwrap();
        assert_eq!(matched.parameters["flag"], "%41");
        assert_eq!(matched.box_segment, "tel%3A+15550100");
    }

    #[test]
    fn methods_that_are_not_there_are_answered_with_those_that_are() {
        let allow = |method: Method| {
            let (request, ()) = Request::builder()
                .method(method)
                .body(())
                .unwrap()
                .into_parts();
            let response = unsupported(&request, &["GET", "PUT"])?;
            Some((
                response.status().as_u16(),
                response.headers()[header::ALLOW]
                    .to_str()
                    .unwrap()
                    .to_owned(),
            ))
        };
        assert_eq!(
            allow(Method::POST),
            Some((405, "GET, PUT, HEAD, OPTIONS".to_owned()))
        );
        assert_eq!(allow(Method::OPTIONS).map(|(status, _)| status), Some(204));
        assert_eq!(allow(Method::HEAD), None);
    }
}
