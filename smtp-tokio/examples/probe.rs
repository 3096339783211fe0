//! Looks at a server: what it offers, what is odd about its replies, whether it takes a bare LF for a line's end:
//! `cargo run -p smtp-tokio --example probe -- 127.0.0.1:1025 postmaster@b.example`. Only to be used on servers of your own:
//! it sends the recipient a message of two lines.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::time::Duration;

use smtp_tokio::{Client, ClientConfig, Command, MailboxBuf};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (host, to) = args.next().zip(args.next()).ok_or("usage: probe HOST:PORT RECIPIENT")?;
    let to: MailboxBuf = to.parse()?;
    let mut smtp = Client::to(host, ClientConfig::new("probe.example")?).connect().await?;
    for extension in smtp.extensions().into_iter().flat_map(|all| all.response().extensions()) {
        println!("offers {}", extension.name().escape_ascii());
    }
    for line in ["NOOP", "VRFY postmaster", "MAIL FROM:<>", &format!("RCPT TO:<{to}>"), "DATA"] {
        println!("{line}: {}", smtp.say(Command::parse(line.as_bytes())?).await?);
    }
    println!("odd: {:?}", smtp.session().deviations());
    // Two servers that disagree about this end see two different messages (smuggling).
    smtp.raw(b"Subject: a probe of the end of data\r\n\r\nx\n.\r\n").await?;
    let ended = smtp.reply_within(Duration::from_secs(2)).await?;
    println!("a bare LF ends a message: {}", if ended.is_some() { "yes" } else { "no" });
    if ended.is_none() {
        smtp.raw(b"\r\n.\r\n").await?;
        println!("the end: {}", smtp.reply().await?);
    }
    smtp.quit().await;
    Ok(())
}
