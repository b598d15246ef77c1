//! What the log never shows, whatever its level.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use cpm_bridge::{
    config::{LogConfig, LogFormat, LogLevel},
    serve,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tracing::Subscriber;
use tracing_subscriber::util::SubscriberInitExt;

const PASSWORD: &str = "hunter2-hunter2";

#[tokio::test]
async fn no_log_shows_what_async_imap_logs_at_login() {
    for format in [LogFormat::Text, LogFormat::Json] {
        let config = LogConfig {
            format,
            level: LogLevel::Trace,
        };
        let written = Written::default();
        let log = log_of_a_login(serve::log_subscriber(&config, written.writer()), &written).await;
        assert!(log.contains("the log works"), "{log}");
        assert!(!log.contains(PASSWORD), "{log}");
    }
}

/// Without it the test above would also hold for a library that logs nothing.
#[tokio::test]
async fn async_imap_does_log_passwords_at_trace() {
    let written = Written::default();
    let open = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(written.writer())
        .finish();
    let log = log_of_a_login(open, &written).await;
    assert!(log.contains(PASSWORD), "{log}");
}

/// What is logged while async-imap logs in to a server that accepts it.
async fn log_of_a_login(subscriber: impl Subscriber + Send + Sync, written: &Written) -> String {
    let _installed = subscriber.set_default();
    let (ours, mut server) = duplex(4096);
    let client = async_imap::Client::new(ours);
    let login = async {
        client
            .login("+15550100", PASSWORD)
            .await
            .map(|_| ())
            .map_err(|(error, _)| error)
    };
    let serve = async {
        let mut command = [0; 256];
        let length = server.read(&mut command).await.unwrap();
        let text = String::from_utf8_lossy(&command[..length]).into_owned();
        let tag = text.split(' ').next().unwrap();
        server
            .write_all(format!("{tag} OK done\r\n").as_bytes())
            .await
            .unwrap();
    };
    let (outcome, ()) = tokio::join!(login, serve);
    outcome.unwrap();
    tracing::trace!("the log works");
    String::from_utf8(written.0.lock().unwrap().clone()).unwrap()
}

/// Log lines in memory.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn writer(&self) -> impl Fn() -> Self + Send + Sync + 'static {
        let written = self.clone();
        move || written.clone()
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
