//! Takes all mail and throws it away, for measuring: `cargo run --profile dist -p smtp-tokio --example sink`, then send
//! to 127.0.0.1:1025, or to the address given as the first argument. The second is how many threads serve (1).
#![allow(clippy::print_stdout, reason = "the address has to be told")]

use smtp_tokio::{Connection, Server, ServerConfig};
use tokio::runtime::Builder;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:1025".to_string());
    let threads = arguments.next().map_or(Ok(1), |threads| threads.parse())?;
    let runtime = match threads {
        1 => Builder::new_current_thread().enable_all().build()?,
        threads => Builder::new_multi_thread().worker_threads(threads).enable_all().build()?,
    };
    runtime.block_on(async {
        let config = ServerConfig::new("sink.example")?;
        // Load comes from one machine, so the limit for each address must not stand in its way.
        let server =
            Server::builder(config).max_connections(100_000).max_per_address(100_000).bind(address).await?;
        println!("listening on {}", server.local_addr()?);
        server.serve(discard).await?;
        Ok(())
    })
}

async fn discard(mut connection: Connection) {
    while let Ok(Some(step)) = connection.next().await {
        step.accept();
    }
}
