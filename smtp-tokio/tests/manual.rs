//! The tables of `manual::sending` are what this adapter does.
#![cfg(all(feature = "testing", feature = "aws-lc-rs"))]

mod manual_tables;

use smtp_tokio as adapter;

const PAGE: &str = include_str!("../src/manual/sending.rs");

/// Each test has one runtime, in which what a call leaves behind goes on.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    }
    RUNTIME.with(|runtime| runtime.block_on(future))
}

#[test]
fn a_pool_sends_again_as_the_manual_says() {
    manual_tables::a_pool_sends_again_as_the_manual_says(PAGE);
}

#[test]
fn the_settings_of_a_pool_are_those_of_the_manual() {
    manual_tables::the_settings_of_a_pool_are_those_of_the_manual(PAGE);
}

#[test]
fn each_policy_does_with_each_server_what_the_manual_says() {
    manual_tables::each_policy_does_with_each_server_what_the_manual_says(PAGE);
}
