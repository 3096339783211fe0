//! Who gets a message, by which way, and what its sender is told of each (RFC 3461 §5.2.7).
//!
//! | the address | NOTIFY of those behind it | the sender is told |
//! |---|---|---|
//! | is somebody's, or stands for one other | as it was | what becomes of that one (§5.2.7.2) |
//! | stands for several | without SUCCESS | `expanded`, where SUCCESS was asked for; failures and delays of each (§5.2.7.3 c) |
//! | is a list: an alias with a `sender` | none: a new envelope | `delivered`, where SUCCESS was asked for (§5.2.7.1) |
//!
//! But to those behind a list, ENVID, RET and ORCPT go on to each. Where no ORCPT came, one that leads elsewhere says which address was
//! written to (§5.2.1 d): a report about an address that its sender never heard of would be a riddle.
//!
//! Reports about mailboxes here name the address that was written to, and so no alias shows who is behind it. Where one
//! leads elsewhere, what comes back names the address there, to whoever wrote or to the list's owner (§5.2.7.4).

use std::sync::Arc;

use smtp_proto::limits;
use smtp_proto::wire::params::Notify;
use smtp_proto::wire::path::Mailbox;
use smtp_proto::wire::xtext;

use crate::directory::{Targets, User};
use crate::people::People;
use crate::queue::{NewDelivery, NewRcpt, RouteKey};
use crate::relay::route_key;

/// The recipients of one message by way, each place once.
#[derive(Debug, Default)]
pub(crate) struct Recipients {
    deliveries: Vec<NewDelivery>,
    /// The mailboxes among them: of which way, the how-manieth there.
    mailboxes: Vec<(RouteKey, Arc<User>, usize)>,
    lists: Vec<Arc<Targets>>,
}

impl Recipients {
    pub(crate) fn into_deliveries(self) -> Vec<NewDelivery> {
        self.deliveries
    }

    /// Adds whom an address here stands for.
    pub(crate) fn add_here(
        &mut self,
        people: &People,
        sender: &str,
        targets: &Arc<Targets>,
        given: &NewRcpt,
    ) {
        if targets.sender.is_some() {
            // By whatever names the same people are written to, they get it once.
            if !self.lists.contains(targets) {
                self.lists.push(Arc::clone(targets));
                self.put(RouteKey::list(), given.clone());
            }
            return;
        }
        let mut each = given.clone();
        if targets.users.len() + targets.remote.len() > 1
            && given.notify.is_some_and(|notify| notify.contains(Notify::SUCCESS))
        {
            // A delivery of its own: what is told and that it was told is stored and listed as for any other.
            self.put(RouteKey::alias(), NewRcpt { notify: Some(Notify::SUCCESS), ..given.clone() });
            each.notify = given.notify.map(without_success);
        }
        self.add_users(people, targets, &each);
        each.orcpt = each.orcpt.or_else(|| orcpt_of(&given.address));
        for elsewhere in &targets.remote {
            self.add_elsewhere(people, sender, elsewhere.as_mailbox(), each.clone());
        }
    }

    /// Adds whom a list stands for.
    pub(crate) fn add_behind(&mut self, people: &People, targets: &Targets, list: &NewRcpt) {
        let sender = targets.sender.as_deref().unwrap_or_default();
        self.add_users(people, targets, list);
        for elsewhere in &targets.remote {
            self.add_elsewhere(people, sender, elsewhere.as_mailbox(), list.clone());
        }
    }

    fn add_users(&mut self, people: &People, targets: &Targets, each: &NewRcpt) {
        for user in &targets.users {
            let way = people.way_home(&each.address, user);
            self.add_mailbox(way, user, NewRcpt { user: Some(user.name.clone()), ..each.clone() });
        }
    }

    /// Adds a recipient elsewhere.
    pub(crate) fn add_elsewhere(
        &mut self,
        people: &People,
        sender: &str,
        mailbox: Mailbox<'_>,
        given: NewRcpt,
    ) {
        let address = mailbox.as_str();
        let way = route_key(&people.config().route, sender, address);
        let known = self.deliveries.iter_mut().find(|delivery| delivery.route == way);
        match known.and_then(|known| known.rcpts.iter_mut().find(|rcpt| rcpt.address == address)) {
            Some(known) => join(known, given),
            None => {
                self.put(way, NewRcpt { address: address.to_owned(), user: None, ..given });
            }
        }
    }

    /// Adds a recipient by a way. Returns the how-manieth it is there.
    pub(crate) fn put(&mut self, way: RouteKey, rcpt: NewRcpt) -> usize {
        match self.deliveries.iter_mut().find(|delivery| delivery.route == way) {
            Some(delivery) => {
                delivery.rcpts.push(rcpt);
                delivery.rcpts.len() - 1
            }
            None => {
                self.deliveries.push(NewDelivery { route: way, warn: None, rcpts: vec![rcpt] });
                0
            }
        }
    }

    fn add_mailbox(&mut self, way: RouteKey, user: &Arc<User>, rcpt: NewRcpt) {
        let same = |(known, other, _): &&(_, Arc<User>, _)| *known == way && other.mailbox == user.mailbox;
        let known = self.mailboxes.iter().find(same).map(|(_, _, at)| *at);
        match known {
            Some(at) => {
                let delivery = self.deliveries.iter_mut().find(|delivery| delivery.route == way);
                if let Some(known) = delivery.and_then(|delivery| delivery.rcpts.get_mut(at)) {
                    join(known, rcpt);
                }
            }
            None => {
                let at = self.put(way.clone(), rcpt);
                self.mailboxes.push((way, Arc::clone(user), at));
            }
        }
    }
}

/// The same place was named again. It gets one copy; if success is to be told of the second only, it goes by that name.
fn join(known: &mut NewRcpt, again: NewRcpt) {
    let wants = |rcpt: &NewRcpt| rcpt.notify.is_some_and(|notify| notify.contains(Notify::SUCCESS));
    if wants(&again) && !wants(known) {
        let both = known.notify.unwrap_or(Notify::FAILURE.with(Notify::DELAY));
        *known = NewRcpt { notify: again.notify.map(|notify| notify.with(both)), ..again };
    }
}

fn without_success(notify: Notify) -> Notify {
    let rest = [Notify::FAILURE, Notify::DELAY].into_iter().filter(|one| notify.contains(*one));
    rest.fold(Notify::NEVER, Notify::with)
}

/// An address as ORCPT has it; none for one beyond ASCII, which xtext can't say, and for one that is too long so.
fn orcpt_of(address: &str) -> Option<String> {
    let mut text = b"rfc822;".to_vec();
    xtext::encode(address.as_bytes(), &mut text);
    let fits = address.is_ascii() && text.len() <= limits::ORCPT;
    String::from_utf8(text).ok().filter(|_| fits)
}
