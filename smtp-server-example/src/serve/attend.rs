//! A listener's clients.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use smtp_tokio::Server;
use tokio::task::JoinSet;

use crate::config::Kind;
use crate::metrics;
use crate::session::Service;

/// Accepts whenever there is a place, until it is told to stop. Returns when all sessions are done, or when the drain
/// limit has passed and the rest was cut off: how many is the result.
pub(super) async fn attend(kind: Kind, mut server: Server, service: Arc<Service>) -> io::Result<usize> {
    let places = Arc::clone(&service.pressure.places);
    let mut sessions = JoinSet::new();
    while places.room(kind).await {
        let Some(connection) = server.accept().await? else { break };
        metrics::session(kind);
        let (service, place) = (Arc::clone(&service), places.take());
        sessions.spawn(async move {
            service.serve(connection, kind).await;
            drop(place);
        });
        while sessions.try_join_next().is_some() {}
    }
    // Nobody connects from here on.
    drop(server);
    let drain = Duration::from_secs(service.people.config().limits.drain_seconds);
    let drained = async { while sessions.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(drain, drained).await;
    let cut_off = sessions.len();
    sessions.shutdown().await;
    Ok(cut_off)
}
