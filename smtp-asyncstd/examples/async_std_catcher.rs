//! Takes all mail and prints who sent it to whom: `cargo run -p smtp-asyncstd --example async_std_catcher`, then send to
//! 127.0.0.1:1025, or the address given as the only argument.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use smtp_asyncstd::{Server, ServerConfig};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    async_std::task::block_on(catch())
}

async fn catch() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:1025".to_string());
    let mut server = Server::bind(address, ServerConfig::new("catch.example")?).await?;
    println!("listening on {}", server.local_addr()?);
    while let Some(mail) = server.next_message().await? {
        println!("{} -> {:?}, {} octets", mail.from(), mail.recipients(), mail.content().len());
        mail.accept();
    }
    Ok(())
}
