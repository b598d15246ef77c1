//! What operators' machines ask: whether the process lives, whether it should get requests, and how it does.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{rest::Body, store::Store};

/// How long an answer about the stores is good: probes come often, and each costs the store a connection.
const FRESH: Duration = Duration::from_secs(1);

/// How long a store may take for its greeting: load balancers give up on an answer after a few seconds.
const GREETING: Duration = Duration::from_secs(2);

/// `/livez`, `/readyz` and `/metrics`.
#[derive(Debug)]
pub struct Admin {
    stores: Vec<Arc<Store>>,
    draining: CancellationToken,
    metrics: PrometheusHandle,
    last: Mutex<Option<(Instant, Report)>>,
}

/// A line per store, and whether any of them answers.
#[derive(Debug, Clone, Default)]
struct Report {
    lines: String,
    any: bool,
}

impl Admin {
    /// `draining` is cancelled at the end: from then on nobody should send more.
    #[must_use]
    pub fn new(
        stores: Vec<Arc<Store>>,
        draining: CancellationToken,
        metrics: PrometheusHandle,
    ) -> Self {
        Self {
            stores,
            draining,
            metrics,
            last: Mutex::new(None),
        }
    }

    /// Answers one request.
    pub async fn handle(&self, request: Request<Incoming>) -> Response<Body> {
        let (status, text) = match (request.uri().path(), request.method()) {
            ("/livez" | "/readyz" | "/metrics", method)
                if method != Method::GET && method != Method::HEAD =>
            {
                (StatusCode::METHOD_NOT_ALLOWED, "GET only\n".to_owned())
            }
            ("/livez", _) => (StatusCode::OK, "ok\n".to_owned()),
            ("/readyz", _) => self.ready().await,
            ("/metrics", _) => (StatusCode::OK, self.metrics.render()),
            _ => (StatusCode::NOT_FOUND, "not found\n".to_owned()),
        };
        let body = Full::new(Bytes::from(text))
            .map_err(|never| match never {})
            .boxed_unsync();
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        let content_type = if request.uri().path() == "/metrics" {
            // The version of the Prometheus text format.
            "text/plain; version=0.0.4; charset=utf-8"
        } else {
            "text/plain; charset=utf-8"
        };
        headers.insert(
            header::CONTENT_TYPE,
            header::HeaderValue::from_static(content_type),
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
        if self.draining.is_cancelled() {
            // Asking a store could take longer than the rest of this process: what is known has to do.
            let last = self.last.try_lock().ok();
            let known = last.as_deref().and_then(Option::as_ref);
            let lines = known.map_or("", |(_, report)| &report.lines);
            return (
                StatusCode::SERVICE_UNAVAILABLE,
                format!("draining\n{lines}"),
            );
        }
        let report = self.report().await;
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
        let answers =
            futures_util::future::join_all(self.stores.iter().map(|store| health(store, GREETING)))
                .await;
        let mut report = Report::default();
        for (store, answer) in self.stores.iter().zip(answers) {
            report.any |= answer.is_ok();
            let state =
                answer.map_or_else(|reason| format!("down: {reason}"), |()| "ok".to_owned());
            report.lines += &format!("store/{} {state}\n", store.name());
        }
        *last = Some((Instant::now(), report.clone()));
        report
    }
}

/// Whether a store greets; else the reason in one line, whatever the store put into it.
async fn health(store: &Store, deadline: Duration) -> Result<(), String> {
    match timeout(deadline, Box::pin(store.health())).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(reason)) => Err(reason.replace(char::is_control, " ")),
        Err(_) => Err("no greeting in time".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;
    use tokio::net::TcpListener;

    use super::*;
    use crate::{
        config::{ObjectsConfig, SearchConfig, StoreConfig, TlsMode},
        state::MemoryState,
        store::Budget,
    };

    fn metrics() -> PrometheusHandle {
        PrometheusBuilder::new().build_recorder().handle()
    }

    fn store(name: &str, port: u16) -> Arc<Store> {
        let config = StoreConfig {
            name: name.to_owned(),
            host: "127.0.0.1".to_owned(),
            port,
            tls: TlsMode::Off,
            ..StoreConfig::default()
        };
        Store::new(
            &config,
            &ObjectsConfig::default(),
            &SearchConfig::default(),
            Arc::new(MemoryState::new()),
            Budget::new(0),
        )
        .unwrap()
    }

    #[tokio::test]
    async fn without_any_store_that_answers_it_is_not_ready() {
        let admin = Admin::new(vec![store("cpm", 1)], CancellationToken::new(), metrics());
        let (status, text) = admin.ready().await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(
            text.starts_with("store/cpm down: ") && text.lines().count() == 1,
            "{text}"
        );
    }

    #[tokio::test]
    async fn a_store_that_says_nothing_is_down_at_the_deadline() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let store = store("silent", silent.local_addr().unwrap().port());
        let answer = health(&store, Duration::from_millis(20)).await;
        assert_eq!(answer, Err("no greeting in time".to_owned()));
    }

    #[tokio::test]
    async fn while_draining_it_is_not_ready_and_asks_no_store() {
        let draining = CancellationToken::new();
        let admin = Admin::new(vec![store("cpm", 1)], draining.clone(), metrics());
        draining.cancel();
        assert_eq!(
            admin.ready().await,
            (StatusCode::SERVICE_UNAVAILABLE, "draining\n".to_owned())
        );
        assert!(admin.last.lock().await.is_none());
    }
}
