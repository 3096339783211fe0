//! The real binary, on a free port of the loopback interface, with a mail folder of its own.

mod after_dot;
mod alerts;
mod backup;
mod bad_input;
mod blocklists;
mod catcher;
mod certificates;
mod check;
mod check_dns;
mod crashes;
#[allow(dead_code, reason = "not everything there is used here")]
#[path = "../../../smtp-tokio/tests/peer_servers/daemon.rs"]
mod daemon;
mod descriptors;
mod dns;
#[allow(dead_code, reason = "not everything there is used here")]
#[path = "../../../smtp-tokio/tests/peer_servers/dovecot.rs"]
mod dovecot;
mod durable;
mod exchange;
#[allow(dead_code, reason = "not everything there is used here")]
#[path = "../../../smtp-tokio/tests/peer_servers/exim.rs"]
mod exim;
mod full_disk;
mod hangs;
mod harness;
mod json;
mod kills;
mod lifecycle;
mod listeners;
mod lmtp;
mod login;
mod mailboxes;
mod metrics;
mod neighbours;
mod nine_steps;
mod octets;
mod opensmtpd;
mod operating;
mod outages;
mod peers;
#[allow(dead_code, reason = "not everything there is used here")]
#[path = "../../../smtp-tokio/tests/peer_servers/postfix.rs"]
mod postfix;
mod pressure;
mod queue;
mod relay;
mod relay_faults;
mod relay_tls;
mod reload;
mod reports;
mod routes;
mod routes_dns;
mod run_a_domain;
mod scanners;
mod security;
mod security_paths;
mod security_relay;
mod security_tls;
mod sending;
mod sending_by_hand;
mod settings;
mod starts;
mod strace;
mod submission;
mod systemd;
mod threats;
mod transcripts;
mod users;
