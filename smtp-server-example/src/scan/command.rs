//! `scan`: what scanners say to a message, without a session.

use std::fs;
use std::io;
use std::time::Duration;

use super::{About, OnError, ScanSettings, Scanners, Verdict};
use crate::cli;
use crate::failure::{Failure, Kind};
use crate::log::Log;

/// How much is handed on at a time, about as it comes from a network.
const SLICE: usize = 16 * 1024;

/// Returns the lines that the message would get.
pub(crate) fn scan(command: &cli::Scan, log: &Log) -> Result<String, Failure> {
    if command.clamav.0.is_none() && command.rspamd.0.is_none() {
        return Err(Failure::new(Kind::Usage, "no scanner is named").help("give --clamav, --rspamd or both"));
    }
    let message = fs::read(&command.message).map_err(|error| unreadable(command, &error))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Kind::System, format!("can't start: {error}")))?;
    let settings = ScanSettings {
        clamav: command.clamav.clone(),
        rspamd: command.rspamd.clone(),
        on_error: OnError::Defer,
        timeout_seconds: command.timeout,
    };
    let scanners = Scanners::new(settings, log.clone());
    let verdict = runtime.block_on(async {
        let mut scan = scanners.begin(About { id: "scan".to_owned(), ..About::default() });
        for slice in message.chunks(SLICE) {
            scan.write(slice).await;
        }
        scan.finish().await
    });
    runtime.shutdown_timeout(Duration::ZERO);
    match verdict {
        Verdict::Take(headers) => Ok(String::from_utf8_lossy(&headers).replace("\r\n", "\n")),
        Verdict::Refuse(refusal) => {
            let kind = if refusal.is_permanent() { Kind::Refused } else { Kind::TryLater };
            Err(Failure::new(kind, refusal.to_string()))
        }
    }
}

fn unreadable(command: &cli::Scan, error: &io::Error) -> Failure {
    Failure::new(Kind::NoInput, format!("can't read {}: {error}", command.message.display()))
}
