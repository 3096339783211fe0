//! What every store must do, whatever it is made of. Each store's tests run [`all`] on a bench of its own.

use std::io;
use std::sync::Arc;

use jiff::Timestamp;

use super::{Before, Delivery, Incoming, Receipt, Store, commit_all};
use crate::directory::User;
use crate::queue_id::QueueIds;

/// A store and the reader's view of it.
pub(super) trait Bench {
    fn store(&self) -> &dyn Store;

    /// The octets of every message that `user` would find, in no order.
    fn delivered(&self, user: &User) -> Vec<Vec<u8>>;

    /// The octets that a reader of this store gets for a message given to it in wire form.
    fn as_read(&self, wire: &[u8]) -> Vec<u8>;

    /// Whether nothing at all is left of messages that were given up.
    fn is_clean(&self, user: &User) -> bool;
}

/// Runs every rule, each on a fresh bench.
pub(super) fn all<B: Bench + Sync>(fresh: impl Fn() -> B) {
    nothing_is_seen_before_the_commit(&fresh());
    a_message_given_up_leaves_nothing(&fresh());
    every_recipient_gets_the_same_octets(&fresh());
    octets_survive_any_cut(&fresh());
    an_empty_message_is_a_message(&fresh());
    deliveries_at_once_do_not_disturb_each_other(&fresh());
}

pub(crate) fn user(name: &str) -> Arc<User> {
    Arc::new(User { name: name.to_owned(), mailbox: name.into(), ..User::default() })
}

pub(super) fn delivery(ids: &QueueIds, to: &[Arc<User>]) -> Delivery {
    let now = Timestamp::now();
    Delivery { id: ids.next(now), arrived: now, to: to.to_vec(), rcpt: 7, before: Before::Nothing }
}

/// Delivers one message.
pub(crate) fn commit(store: &dyn Store, incoming: Box<dyn Incoming>) -> io::Result<Receipt> {
    commit_all(store, vec![incoming]).remove(0)
}

fn deliver(store: &dyn Store, delivery: &Delivery, slices: &[&[u8]]) -> io::Result<()> {
    let mut incoming = store.begin(delivery)?;
    for slice in slices {
        incoming.write(slice)?;
    }
    assert_eq!(commit(store, incoming)?.places.len(), delivery.to.len(), "the receipt names every copy");
    Ok(())
}

fn nothing_is_seen_before_the_commit(bench: &impl Bench) {
    let (alice, ids) = (user("alice"), QueueIds::new());
    let mut incoming = bench.store().begin(&delivery(&ids, &[Arc::clone(&alice)])).unwrap();
    incoming.write(b"A: 1\r\n\r\n").unwrap();
    assert!(bench.delivered(&alice).is_empty(), "seen while it is written");
    commit(bench.store(), incoming).unwrap();
    assert_eq!(bench.delivered(&alice).len(), 1);
    assert!(bench.is_clean(&alice), "the commit leaves litter");
}

fn a_message_given_up_leaves_nothing(bench: &impl Bench) {
    let (alice, bob, ids) = (user("alice"), user("bob"), QueueIds::new());
    let mut incoming = bench.store().begin(&delivery(&ids, &[Arc::clone(&alice), Arc::clone(&bob)])).unwrap();
    incoming.write(&[b'x'; 100_000]).unwrap();
    drop(incoming);
    for user in [alice, bob] {
        assert!(bench.delivered(&user).is_empty());
        assert!(bench.is_clean(&user), "litter in the mailbox of {}", user.name);
    }
}

fn every_recipient_gets_the_same_octets(bench: &impl Bench) {
    let (everybody, ids) = (["alice", "bob", "carol"].map(user), QueueIds::new());
    let wire: Vec<u8> = (0..20_000).flat_map(|i| format!("line {i}\r\n").into_bytes()).collect();
    deliver(bench.store(), &delivery(&ids, &everybody), &[&wire]).unwrap();
    for user in &everybody {
        assert!(bench.delivered(user) == [bench.as_read(&wire)], "the copy of {}", user.name);
    }
}

fn octets_survive_any_cut(bench: &impl Bench) {
    let (alice, ids) = (user("alice"), QueueIds::new());
    let wire = b"A: b\r\n\r\n.\r\n..x\r\n\r\n\xFF\x80\r\r\n\n\rx\r";
    for at in 0..=wire.len() {
        let (head, tail) = wire.split_at(at);
        deliver(bench.store(), &delivery(&ids, &[Arc::clone(&alice)]), &[head, b"", tail]).unwrap();
    }
    let single: Vec<_> = wire.chunks(1).collect();
    deliver(bench.store(), &delivery(&ids, &[Arc::clone(&alice)]), &single).unwrap();
    let found = bench.delivered(&alice);
    assert_eq!(found.len(), wire.len() + 2);
    for message in found {
        assert_eq!(message.escape_ascii().to_string(), bench.as_read(wire).escape_ascii().to_string());
    }
}

fn an_empty_message_is_a_message(bench: &impl Bench) {
    let (alice, ids) = (user("alice"), QueueIds::new());
    deliver(bench.store(), &delivery(&ids, &[Arc::clone(&alice)]), &[]).unwrap();
    assert_eq!(bench.delivered(&alice), [b""]);
}

fn deliveries_at_once_do_not_disturb_each_other(bench: &(impl Bench + Sync)) {
    const EACH: usize = 20;
    let (alice, ids) = (user("alice"), QueueIds::new());
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (alice, ids) = (&alice, &ids);
            scope.spawn(move || {
                for n in 0..EACH {
                    let text = format!("message {thread}.{n}\r\n");
                    deliver(bench.store(), &delivery(ids, &[Arc::clone(alice)]), &[text.as_bytes()]).unwrap();
                }
            });
        }
    });
    let mut found = bench.delivered(&alice);
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 8 * EACH, "each message is there, and none twice");
}
