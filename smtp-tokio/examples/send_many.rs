//! A newsletter: `cargo run -p smtp-tokio --example send_many -- 127.0.0.1:2525 news@client.example < list.txt`, a
//! recipient a line. Messages go to 50 at a time, over at most 20 connections; each recipient's outcome decides what is
//! to be done.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]
use smtp_tokio::{Client, ClientConfig, Envelope, MailboxBuf, Outcome, Pool};
use tokio::task::JoinSet;

const NEWS: &[u8] = b"Subject: News\r\n\r\nThere is none.\r\n";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (server, from) = args.next().zip(args.next()).ok_or("usage: send_many HOST:PORT FROM < LIST")?;
    let from: MailboxBuf = from.parse()?;
    let list = std::io::stdin().lines().map(|line| Ok(line?.parse()?));
    let list = list.collect::<Result<Vec<MailboxBuf>, Box<dyn std::error::Error>>>()?;

    let relay = Client::to(server, ClientConfig::new("client.example")?);
    let pool = Pool::to(relay).connections(20).messages_each(100).build();
    let mut batches = JoinSet::new();
    for batch in list.chunks(50).map(<[MailboxBuf]>::to_vec) {
        let (pool, from) = (pool.clone(), from.clone());
        batches.spawn(async move {
            let outcomes = pool.send(&Envelope::new(&from).to(&batch), NEWS).await;
            for (to, outcome) in batch.iter().zip(outcomes) {
                match outcome {
                    Outcome::Accepted(_) => println!("done {to}"),
                    Outcome::Refused(reply) if reply.is_permanent() => println!("bounce {to}: {reply}"),
                    Outcome::Refused(_) | Outcome::NotTried(_) => println!("later {to}"),
                    Outcome::Unknown => println!("review {to}"),
                }
            }
        });
    }
    while batches.join_next().await.is_some() {}
    pool.close_idle().await;
    println!("{:?}", pool.stats());
    Ok(())
}
