//! Power cuts at any operation of the disk: what was acknowledged is there afterwards, and nothing is delivered in part.
//!
//! The disk is simulated; a row is durable when its commit has returned, which is SQLite's part.

use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;

use super::model::{Body, Place};
use super::spool::{IN_ROW, Spool};
use crate::queue_id::QueueIds;
use crate::store::simulated::SimulatedDisk;
use crate::store::{Before, Delivery, Maildirs, Store as _};
use crate::store::{test_commit as commit, test_user as user};

const USERS: [&str; 2] = ["alice", "bob"];

/// Operations of a start, about: most make the spool's folders.
const FOLDERS: usize = 270;

/// A message that is committed, and with that acknowledged.
struct Row {
    delivery: Delivery,
    body: Body,
    content: Vec<u8>,
    /// What the delivery brought is committed.
    done: bool,
}

/// What survives a power cut: the disk as it is then, and the rows.
struct World {
    disk: SimulatedDisk,
    ids: QueueIds,
    rows: Vec<Row>,
}

impl World {
    fn spool(&self) -> Spool<SimulatedDisk> {
        Spool::new(Arc::new(self.disk.clone()), "mail/.queue/spool".into())
    }

    fn maildirs(&self) -> Maildirs<SimulatedDisk> {
        Maildirs::new(self.disk.clone(), "mail", "mx.example.test")
    }

    /// What a server does before it takes mail.
    fn start(&self) -> io::Result<()> {
        self.maildirs().prepare(&USERS.map(user)).map_err(|(_, error)| error)?;
        self.spool().prepare()?;
        let named = self.rows.iter().filter(|row| !row.done).filter_map(|row| match &row.body.place {
            Place::File(name) => Some(name.clone()),
            Place::Row(_) => None,
        });
        self.spool().sweep(&named.collect::<Vec<_>>()).map(drop)
    }

    /// Takes a message to its commit, if the disk does its part.
    fn take(&mut self, octets: usize) -> io::Result<()> {
        let arrived = jiff::Timestamp::UNIX_EPOCH;
        let id = self.ids.next(arrived);
        let content: Vec<u8> = (0..octets).map(|i| (i % 251 + self.rows.len()) as u8 | 0x20).collect();
        let mut draft = self.spool().begin(id);
        for slice in content.chunks(20_000) {
            if draft.take(slice) {
                draft.spill()?;
            }
        }
        let body = draft.finish()?;
        draft.keep();
        // The server is gone with the power, and commits nothing more.
        if self.disk.is_dead() {
            return Err(io::Error::other("no power"));
        }
        let to = USERS.map(user).to_vec();
        let delivery = Delivery { id, arrived, to, rcpt: 1, before: Before::Nothing };
        self.rows.push(Row { delivery, body, content, done: false });
        Ok(())
    }

    /// Delivers a message to the mailboxes, commits that, and takes its file away.
    fn deliver(&mut self, at: usize) -> io::Result<()> {
        let Some(row) = self.rows.get(at).filter(|row| !row.done) else { return Ok(()) };
        let maildirs = self.maildirs();
        let mut incoming = maildirs.begin(&row.delivery)?;
        let (mut body, mut slice) = (self.spool().read(&row.body)?, vec![0; 10_000]);
        loop {
            match body.read(&mut slice)? {
                0 => break,
                count => incoming.write(&slice[..count])?,
            }
        }
        commit(&maildirs, incoming)?;
        if self.disk.is_dead() {
            return Err(io::Error::other("no power"));
        }
        self.rows[at].done = true;
        match &self.rows[at].body.place {
            Place::File(name) => self.spool().remove(name),
            Place::Row(_) => Ok(()),
        }
    }

    /// Each mailbox has whole messages only, none twice, and all that are done.
    fn check(&self, all: bool) {
        for user in USERS {
            let found = self.disk.contents(&Path::new("mail").join(user).join("new"));
            for mail in &found {
                let copies = found.iter().filter(|other| *other == mail).count();
                assert!(copies == 1, "{copies} copies for {user}");
                assert!(self.rows.iter().any(|row| row.content == *mail), "a part of a message for {user}");
            }
            for row in self.rows.iter().filter(|row| row.done || all) {
                assert!(found.contains(&row.content), "{} is not there for {user}", row.delivery.id);
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Deed {
    Take(usize),
    Deliver(usize),
}

fn deed() -> impl Strategy<Value = Deed> {
    let octets = prop_oneof![Just(50), Just(IN_ROW), Just(IN_ROW + 20_007)];
    prop_oneof![octets.prop_map(Deed::Take), (0..4_usize).prop_map(Deed::Deliver)]
}

/// Some cuts come while the folders are made, more of them later.
fn operations() -> impl Strategy<Value = usize> {
    prop_oneof![1 => 0..FOLDERS, 9 => FOLDERS..FOLDERS + 150]
}

/// Coins that fall the same for the same seed.
fn coins(mut seed: u64) -> impl FnMut() -> bool {
    move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed >> 63 == 1
    }
}

fn survives_cuts(deeds: &[Deed], cuts: &[(usize, u64)]) {
    let mut world = World { disk: SimulatedDisk::default(), ids: QueueIds::new(), rows: Vec::new() };
    let mut deeds = deeds.iter().cycle().take(3 * deeds.len());
    for (operations, seed) in cuts {
        world.disk.fail_after(*operations);
        let _ = world.start();
        while !world.disk.is_dead() {
            let Some(deed) = deeds.next() else { break };
            // What fails, fails for want of power, or had been taken away.
            let _ = match deed {
                Deed::Take(octets) => world.take(*octets),
                Deed::Deliver(at) => world.deliver(*at),
            };
        }
        world.disk.come_back(coins(*seed));
        world.check(false);
        // From now on nobody knows what has been before.
        world.rows.iter_mut().for_each(|row| row.delivery.before = Before::Perhaps);
    }
    world.start().unwrap();
    for at in 0..world.rows.len() {
        world.deliver(at).unwrap();
    }
    world.check(true);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_power_cut_loses_nothing_acknowledged_and_leaves_nothing_partial(
        deeds in prop::collection::vec(deed(), 1..8),
        cuts in prop::collection::vec((operations(), any::<u64>()), 1..4),
    ) {
        survives_cuts(&deeds, &cuts);
    }
}

#[test]
fn a_power_cut_at_each_operation_of_a_delivery_loses_nothing() {
    let deeds = [Deed::Take(IN_ROW), Deed::Deliver(0), Deed::Take(50), Deed::Deliver(1)];
    for operations in FOLDERS..FOLDERS + 80 {
        for seed in 0..2 {
            survives_cuts(&deeds, &[(operations, seed), (operations - 7, seed + 100)]);
        }
    }
}
