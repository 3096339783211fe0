//! `GET /metrics` over HTTP, by hyper: what asks is a program on this machine.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::encoding::text::encode;
use smtp_tokio::Handle;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use super::figures::{Now, Use, descriptors};
use super::registry;
use crate::config::Kind;
use crate::failure::{Failure, Kind as FailureKind};
use crate::people::People;
use crate::pressure::Pressure;
use crate::queue::Queue;
use crate::serve::Shown;

/// Questions at a time. One program asks, now and then; where there are more, the oldest is given up for the newest, so
/// that whoever asks nothing keeps nobody out.
const AT_ONCE: usize = 8;

/// How long a question may take to arrive, and an answer to be read.
const PATIENCE: Duration = Duration::from_secs(10);

/// What Prometheus and OpenMetrics take for this text.
const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What is asked when somebody asks.
pub(crate) struct Sources {
    pub(crate) people: Arc<People>,
    pub(crate) queue: Queue,
    pub(crate) doors: Vec<(Kind, Handle)>,
    pub(crate) shown: Arc<Shown>,
    pub(crate) pressure: Arc<Pressure>,
}

/// Binds the address.
pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        let what = format!("can't listen on {address} for metrics: {error}");
        Failure::new(FailureKind::Unavailable, what).help("choose another address: `listen` below [metrics]")
    })
}

/// Answers for as long as it is polled.
pub(crate) async fn serve(listener: TcpListener, sources: Arc<Sources>) {
    let mut open: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let sources = Arc::clone(&sources);
                open.retain(|question| !question.is_finished());
                if open.len() == AT_ONCE {
                    open.pop_front().inspect(AbortHandle::abort);
                }
                let question = tokio::spawn(async move {
                    let service = service_fn(move |request| answer(Arc::clone(&sources), request));
                    let connection = http1::Builder::new()
                        .timer(TokioTimer::new())
                        .header_read_timeout(PATIENCE)
                        .keep_alive(false)
                        .serve_connection(TokioIo::new(stream), service);
                    // Who goes away before the answer is there did not want it.
                    let _ = tokio::time::timeout(PATIENCE * 2, connection).await;
                });
                open.push_back(question.abort_handle());
            }
            // Descriptors are short: others end meanwhile.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn answer<B>(sources: Arc<Sources>, request: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
    let plain = |status, text: &'static str| {
        let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
        *response.status_mut() = status;
        response
    };
    if request.uri().path() != "/metrics" {
        return Ok(plain(StatusCode::NOT_FOUND, "there is /metrics\n"));
    }
    if request.method() != Method::GET {
        return Ok(plain(StatusCode::METHOD_NOT_ALLOWED, "GET it\n"));
    }
    let mut registry = registry();
    registry.register_collector(Box::new(sources.now().await));
    let mut text = String::new();
    if encode(&mut text, &registry).is_err() {
        return Ok(plain(StatusCode::INTERNAL_SERVER_ERROR, "it can't be written\n"));
    }
    let mut response = Response::new(Full::new(Bytes::from(text)));
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(TEXT));
    Ok(response)
}

impl Sources {
    async fn now(&self) -> Now {
        let config = self.people.config();
        let mut open: Vec<(&'static str, usize)> = Vec::new();
        for (kind, door) in &self.doors {
            match open.iter_mut().find(|(known, _)| *known == kind.word()) {
                Some((_, count)) => *count += door.connections(),
                None => open.push((kind.word(), door.connections())),
            }
        }
        let fullest = self.doors.iter().map(|(_, door)| door.connections()).max().unwrap_or_default();
        let connections =
            Use { resource: "connections", used: fullest as u64, most: config.limits.connections as u64 };
        let descriptors = tokio::task::spawn_blocking(descriptors).await.unwrap_or_default();
        let (pressure, places) = (&self.pressure, &self.pressure.places);
        let sessions = Use { resource: "sessions", used: places.open() as u64, most: places.most() as u64 };
        let memory = Use { resource: "memory", used: pressure.memory(), most: config.limits.memory_octets };
        let group = pressure.group(&config.limits);
        let group = group.map(|(used, most)| Use { resource: "group", used, most });
        let uses = [Some(connections), Some(sessions), Some(memory), group, descriptors];
        Now {
            open,
            queue: self.queue.figures().await.ok(),
            uses: uses.into_iter().flatten().collect(),
            level: pressure.level(),
            has_room: pressure.has_room(&config.limits),
            in_flight: self.queue.in_flight(),
            failed: self.queue.trouble().is_some(),
            certificate: self.shown.ends(),
        }
    }
}
