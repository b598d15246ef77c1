//! What operators' machines ask: whether the process lives, and whether it should get requests.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tokio::{sync::Mutex, time::Instant};

use crate::{rest::Body, store::Store};

/// How long an answer about the stores is good: probes come often, and each costs the store a connection.
const FRESH: Duration = Duration::from_secs(1);

/// `/livez` and `/readyz`.
#[derive(Debug)]
pub struct Admin {
    stores: Vec<Arc<Store>>,
    draining: Arc<AtomicBool>,
    last: Mutex<Option<(Instant, Report)>>,
}

/// A line per store, and whether any of them answers.
#[derive(Debug, Clone)]
struct Report {
    lines: String,
    any: bool,
}

impl Admin {
    /// `draining` is set on SIGTERM: from then on nobody should send more.
    #[must_use]
    pub fn new(stores: Vec<Arc<Store>>, draining: Arc<AtomicBool>) -> Self {
        Self {
            stores,
            draining,
            last: Mutex::new(None),
        }
    }

    /// Answers one request.
    pub async fn handle(&self, request: Request<Incoming>) -> Response<Body> {
        let (status, text) = match (request.uri().path(), request.method()) {
            ("/livez" | "/readyz", method) if method != Method::GET && method != Method::HEAD => {
                (StatusCode::METHOD_NOT_ALLOWED, "GET only\n".to_owned())
            }
            ("/livez", _) => (StatusCode::OK, "ok\n".to_owned()),
            ("/readyz", _) => self.ready().await,
            _ => (StatusCode::NOT_FOUND, "not found\n".to_owned()),
        };
        let body = Full::new(Bytes::from(text))
            .map_err(|never| match never {})
            .boxed_unsync();
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            header::HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        headers.insert(
            header::CACHE_CONTROL,
            header::HeaderValue::from_static("no-store"),
        );
        if status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(header::ALLOW, header::HeaderValue::from_static("GET, HEAD"));
        }
        response
    }

    /// 503 only while draining, or when no store answers.
    async fn ready(&self) -> (StatusCode, String) {
        let report = self.report().await;
        if self.draining.load(Ordering::Relaxed) {
            return (
                StatusCode::SERVICE_UNAVAILABLE,
                format!("draining\n{}", report.lines),
            );
        }
        let status = if report.any {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        (status, report.lines)
    }

    async fn report(&self) -> Report {
        // Held over the question on purpose: whoever comes meanwhile gets the same answer.
        let mut last = self.last.lock().await;
        if let Some((_, report)) = last.as_ref().filter(|(at, _)| at.elapsed() < FRESH) {
            return report.clone();
        }
        let answers = futures_util::future::join_all(
            self.stores.iter().map(|store| Box::pin(store.health())),
        )
        .await;
        let mut report = Report {
            lines: String::new(),
            any: false,
        };
        for (store, answer) in self.stores.iter().zip(answers) {
            report.any |= answer.is_ok();
            let state = answer.map_or_else(|reason| format!("down: {reason}"), |_| "ok".to_owned());
            report
                .lines
                .push_str(&format!("store/{} {state}\n", store.name()));
        }
        *last = Some((Instant::now(), report.clone()));
        report
    }
}
