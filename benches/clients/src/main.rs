//! Sends one load over a number of connections and ends: `smtp-clients WHO HOST PORT CONNECTIONS MESSAGES OCTETS`.
//!
//! One thread for each client, as smtp-source has one. Every message has one recipient and the same octets. A message
//! that is not accepted ends the program with an error.

use std::env;
use std::error::Error;

use tokio::task::JoinSet;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const SENDER: &str = "sender@source.example";
const RECIPIENT: &str = "recipient@sink.example";

/// What to send, and over how much.
#[derive(Clone)]
struct Load {
    host: String,
    port: u16,
    connections: usize,
    messages: usize,
    content: Vec<u8>,
}

impl Load {
    /// How many messages the connection of this number sends, where each has its own share.
    fn share(&self, connection: usize) -> usize {
        self.messages / self.connections + usize::from(connection < self.messages % self.connections)
    }
}

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [who, host, port, connections, messages, octets] = arguments.as_slice() else {
        return Err("usage: smtp-clients smtp-tokio|lettre|mail-send HOST PORT CONNECTIONS MESSAGES OCTETS".into());
    };
    let load = Load {
        host: host.clone(),
        port: port.parse()?,
        connections: connections.parse()?,
        messages: messages.parse()?,
        content: content(octets.parse()?),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match who.as_str() {
        "smtp-tokio" => runtime.block_on(ours(load)),
        "lettre" => runtime.block_on(lettre(load)),
        "mail-send" => runtime.block_on(mail_send(load)),
        other => Err(format!("there is no client named {other}").into()),
    }
}

/// A header and lines of 64 octets, as smtp-source sends them, with CR LF.
fn content(octets: usize) -> Vec<u8> {
    let mut content = b"Subject: load\r\n\r\n".to_vec();
    while content.len() < octets {
        let line = (octets - content.len()).clamp(2, 64);
        content.resize(content.len() + line - 2, b'X');
        content.extend_from_slice(b"\r\n");
    }
    content
}

async fn all(mut tasks: JoinSet<Result<()>>) -> Result<()> {
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

/// Its pool, with as many connections at most as there are tasks that send.
async fn lettre(load: Load) -> Result<()> {
    use lettre::address::Envelope;
    use lettre::transport::smtp::PoolConfig;
    use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};

    let pool = PoolConfig::new().max_size(load.connections.try_into()?);
    let transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(load.host.as_str())
        .port(load.port)
        .pool_config(pool)
        .build();
    let envelope = Envelope::new(Some(SENDER.parse()?), vec![RECIPIENT.parse()?])?;
    let mut tasks = JoinSet::new();
    for connection in 0..load.connections {
        let (transport, envelope, load) = (transport.clone(), envelope.clone(), load.clone());
        tasks.spawn(async move {
            for _ in 0..load.share(connection) {
                transport.send_raw(&envelope, &load.content).await?;
            }
            Ok(())
        });
    }
    all(tasks).await
}

/// It has no pool: each task keeps its connection, which is what a pool would come to.
async fn mail_send(load: Load) -> Result<()> {
    use mail_send::SmtpClientBuilder;
    use mail_send::smtp::message::Message;

    // Its builder makes a TLS configuration even for clear text, which needs a process-wide provider.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut tasks = JoinSet::new();
    for connection in 0..load.connections {
        let load = load.clone();
        tasks.spawn(async move {
            let builder = SmtpClientBuilder::new(load.host.clone(), load.port)?.implicit_tls(false);
            let mut client = builder.connect_plain().await?;
            for _ in 0..load.share(connection) {
                client.send(Message::new(SENDER, [RECIPIENT], load.content.as_slice())).await?;
            }
            client.quit().await?;
            Ok(())
        });
    }
    all(tasks).await
}

/// A pool with as many connections as there are tasks that send.
async fn ours(load: Load) -> Result<()> {
    use smtp_tokio::{Client, ClientConfig, Envelope, MailboxBuf, Outcome, Pool};

    let connect = Client::to(format!("{}:{}", load.host, load.port), ClientConfig::new("source.example")?);
    let pool = Pool::to(connect).connections(load.connections).messages_each(u32::MAX).build();
    let (from, to): (MailboxBuf, MailboxBuf) = (SENDER.parse()?, RECIPIENT.parse()?);
    let mut tasks = JoinSet::new();
    for connection in 0..load.connections {
        let (pool, from, to, load) = (pool.clone(), from.clone(), to.clone(), load.clone());
        tasks.spawn(async move {
            for _ in 0..load.share(connection) {
                match pool.send(&Envelope::new(&from).to(&to), &load.content).await.as_slice() {
                    [Outcome::Accepted(_)] => {}
                    other => return Err(format!("{other:?}").into()),
                }
            }
            Ok(())
        });
    }
    all(tasks).await?;
    pool.close_idle().await;
    Ok(())
}
