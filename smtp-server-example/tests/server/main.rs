//! The real binary, on a free port of the loopback interface, with a mail folder of its own.

mod after_dot;
mod bad_input;
mod blocklists;
mod check;
mod dns;
mod harness;
mod lifecycle;
mod listeners;
mod lmtp;
mod login;
mod neighbours;
mod octets;
mod peers;
mod queue;
mod relay;
mod reload;
mod scanners;
mod settings;
mod submission;
mod users;
