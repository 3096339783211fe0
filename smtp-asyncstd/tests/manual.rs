//! The tables of `manual::sending` are what this adapter does.
#![cfg(all(feature = "testing", feature = "aws-lc-rs"))]

#[path = "../../smtp-tokio/tests/manual_tables/mod.rs"]
mod manual_tables;

use smtp_asyncstd as adapter;

const PAGE: &str = include_str!("../src/manual/sending.rs");

fn block_on<T>(future: impl Future<Output = T>) -> T {
    async_std::task::block_on(future)
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
