//! A mail server on smtp-proto: takes mail for its own domains, and sends its users' to others.
#![forbid(unsafe_code)]

mod after_dot;
mod backup;
mod blocklists;
mod check;
mod cli;
mod config;
mod demo;
mod directory;
mod dns;
mod failed;
mod failure;
mod fixups;
mod gate;
mod held;
mod homes;
mod listen;
mod live;
mod log;
mod login;
mod mailroom;
mod metrics;
mod people;
mod pressure;
mod publish;
mod queue;
mod queue_id;
mod recipients;
mod refusal;
mod relay;
mod scan;
mod send;
mod serve;
mod session;
mod store;
mod systemd;
mod tls;
mod trace;
mod users;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::config::Config;
use crate::failure::{Failure, Kind};
use crate::log::Log;
use crate::mailroom::Waiting;
use crate::people::People;
use crate::systemd::Sockets;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come as "errors" too, with 0 as their code.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { Kind::Usage as u8 } else { 0 });
        }
    };
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(io::stderr(), "{failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Demo(demo) => with_log(|log| demo::run(demo, log)),
        Command::Serve(serve) => {
            // First, as there is one thread yet.
            let sockets = Sockets::from_environment()?;
            let config = Config::read_to_serve(&serve.config)?;
            sockets.check(&config)?;
            let tls = tls::load(&config.tls)?;
            let people = People::open(&config)?;
            let waiting = if serve.hold_all { Waiting::Held } else { Waiting::Tried };
            with_log(|log| {
                if tls::is_key_exposed(&config.tls) {
                    let warning = log.event("warning").field("file", config.tls.key.display());
                    warning.field("what", "others can read the private key").field("hint", "chmod 600");
                }
                serve::run(people, waiting, log, tls, sockets, Some(&serve.config), |_, _| None)
            })
        }
        Command::Check(command) => {
            let (text, result) = check::run(&command)?;
            print(&text).and(result)
        }
        Command::Queue(command) => print(&queue::command::run(command)?),
        Command::Backup(command) => print(&backup::save(&command)?),
        Command::Restore(command) => print(&backup::restore(&command)?),
        Command::Trace(trace) => print(&queue::trace::run(&trace)?),
        Command::User(command) => print(&users::run(command)?),
        Command::Config(cli::Config::Show { config: None }) => print(&config::defaults()),
        Command::Config(cli::Config::Show { config: Some(file) }) => {
            print(&config::render(&Config::read(&file)?))
        }
        Command::Scan(scan) => print(&with_log_to(io::stderr(), |log| scan::command::scan(&scan, log))?),
        Command::Send(send) => send::run(&send),
        Command::Route(route) => print(&dns::command::route(route)?),
        Command::Dns(cli::Dns::Print(command)) => print(&publish::print(&command)?),
        Command::Config(cli::Config::Example) => print(&config::example()),
    }
}

fn with_log<T>(run: impl FnOnce(&Log) -> Result<T, Failure>) -> Result<T, Failure> {
    with_log_to(io::stdout(), run)
}

fn with_log_to<T>(
    out: impl Write + Send + 'static,
    run: impl FnOnce(&Log) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let (log, writer) = Log::start(out)
        .map_err(|error| Failure::new(Kind::System, format!("can't start a thread: {error}")))?;
    let result = run(&log);
    drop(log);
    writer.finish();
    result
}

fn print(text: &str) -> Result<(), Failure> {
    match io::stdout().write_all(text.as_bytes()) {
        // `config show | head` has read what it wanted.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failure::new(Kind::Io, format!("can't write to standard output: {error}"))),
        Ok(()) => Ok(()),
    }
}
