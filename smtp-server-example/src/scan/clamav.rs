//! clamd's INSTREAM: chunks behind their length, an empty one at the end, and one line as the answer.

use std::sync::Arc;

use tokio::sync::mpsc::Receiver;

use super::Finding;
use super::wire::Wire;

/// With z in front, commands and answers end in NUL.
const BEGIN: &[u8] = b"zINSTREAM\0";

pub(super) async fn scan(mut wire: Wire, mut content: Receiver<Arc<[u8]>>) -> Result<Finding, String> {
    if let Err(error) = send(&mut wire, &mut content).await {
        // Over its limit clamd says so and hangs up; that is worth more than "broken pipe".
        return match wire.read(ends).await {
            Ok(answer) if !answer.is_empty() => meaning(&answer),
            _ => Err(error),
        };
    }
    meaning(&wire.read(ends).await?)
}

async fn send(wire: &mut Wire, content: &mut Receiver<Arc<[u8]>>) -> Result<(), String> {
    wire.write(BEGIN).await?;
    while let Some(octets) = content.recv().await {
        if octets.is_empty() {
            continue;
        }
        // INVARIANT: a slice of content is a part of a receive buffer, far below 4 GiB.
        let length = u32::try_from(octets.len()).unwrap_or(u32::MAX);
        wire.write(&length.to_be_bytes()).await?;
        wire.write(&octets).await?;
    }
    wire.write(&[0; 4]).await
}

/// Whether it is clamd, and at work.
pub(super) async fn ping(mut wire: Wire) -> Result<(), String> {
    wire.write(b"zPING\0").await?;
    match &wire.read(ends).await?[..] {
        b"PONG\0" => Ok(()),
        other => Err(format!("clamd says {}", other.escape_ascii())),
    }
}

fn ends(answer: &[u8]) -> bool {
    answer.ends_with(b"\0")
}

/// Only `stream: NAME FOUND`, whole and alone, is a finding.
fn meaning(answer: &[u8]) -> Result<Finding, String> {
    let line = answer.strip_suffix(b"\0").unwrap_or_default();
    let text = std::str::from_utf8(line).unwrap_or_default();
    match text.strip_prefix("stream: ") {
        Some("OK") => Ok(Finding::Nothing),
        Some(found) => match found.strip_suffix(" FOUND") {
            Some(name) if is_name(name) => Ok(Finding::Infected(name.to_owned())),
            _ => Err(format!("clamd says {}", answer.escape_ascii())),
        },
        None => Err(format!("clamd says {}", answer.escape_ascii())),
    }
}

fn is_name(name: &str) -> bool {
    (1..=200).contains(&name.len()) && name.bytes().all(|octet| octet.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_answer_that_names_malware_is_a_finding() {
        for (answer, want, why) in [
            (&b"stream: OK\0"[..], Some(Finding::Nothing), "clean"),
            (
                b"stream: Eicar.UNOFFICIAL FOUND\0",
                Some(Finding::Infected("Eicar.UNOFFICIAL".into())),
                "infected",
            ),
            (b"INSTREAM size limit exceeded. ERROR\0", None, "too large for it"),
            (b"stream: Can't allocate memory ERROR\0", None, "its own trouble"),
            (b"stream: Eicar FOUND", None, "cut off: more might follow"),
            (b"stream: Eicar FOUND\0stream: OK\0", None, "two answers"),
            (b"stream: OK FOUND\n\0", None, "not as it is written"),
            (b"stream:  FOUND\0", None, "no name"),
            (b"stream: a b FOUND\0", None, "no name either"),
            (b"Eicar FOUND\0", None, "for what?"),
            (b"UNKNOWN COMMAND\0", None, "no clamd that we know"),
            (b"HTTP/1.1 400 Bad Request\r\n\r\n", None, "no clamd at all"),
            (b"\xFF\xFE\0", None, "no text"),
            (b"", None, "nothing"),
        ] {
            assert_eq!(meaning(answer).ok(), want, "{}: {why}", answer.escape_ascii());
        }
    }
}
