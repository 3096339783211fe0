use super::limits::*;
use super::*;

fn limits() -> Limits {
    Limits {
        memory_octets: (1 << 20) + (1 << 14),
        disk_reserve_percent: 0,
        inode_reserve_percent: 0,
        ..Limits::default()
    }
}

fn pressure(places: usize) -> Arc<Pressure> {
    Pressure::new(
        Path::new("/"),
        Budget { limit: 0, sessions: places, deliveries: places },
        Groups::default(),
    )
}

#[test]
fn room_is_judged_by_what_would_be_left() {
    let limits = Limits { disk_reserve_percent: 5, inode_reserve_percent: 5, ..Limits::default() };
    for (free, promised, free_files, all_files, want, why) in [
        (100, 0, 100, 100, true, "an empty disk"),
        (5, 0, 100, 100, true, "the reserve exactly"),
        (4, 0, 100, 100, false, "less than the reserve"),
        (50, 45, 100, 100, true, "the message fits above the reserve"),
        (50, 46, 100, 100, false, "it does not"),
        (100, u64::MAX, 100, 100, false, "whatever a client announces"),
        (100, 0, 5, 100, true, "files, the reserve exactly"),
        (100, 0, 4, 100, false, "too few files"),
        (100, 0, 0, 0, true, "their number has no bound"),
    ] {
        let space = Space { free, all: 100, free_files, all_files };
        assert_eq!(space.has_room(promised, &limits), want, "{why}");
    }
}

#[test]
fn memory_is_promised_until_there_is_none_and_given_back() {
    let (pressure, limits) = (pressure(10), limits());
    let mut shares = Vec::new();
    while let Ok(share) = pressure.begin(None, &limits) {
        shares.push(share);
    }
    // 128 KiB for content and 16.5 KiB besides.
    assert_eq!(shares.len(), 7);
    assert_eq!(pressure.begin(None, &limits).unwrap_err(), NO_MEMORY);
    assert!(pressure.begin(Some(100), &limits).is_ok(), "a small one that says so finds place");
    // Whoever is here goes on, whatever comes.
    shares[0].grow(1 << 30, 1_000);
    assert!(pressure.memory() > limits.memory_octets - (1 << 17));
    drop(shares);
    assert_eq!(pressure.memory(), 0);
    assert!(pressure.begin(None, &limits).is_ok());
}

#[test]
fn what_was_announced_or_sent_is_counted_as_written() {
    let (pressure, limits) = (pressure(10), limits());
    let space = pressure.space().unwrap();
    assert_eq!(pressure.begin(Some(space.all), &limits).unwrap_err(), NO_ROOM);
    let half = pressure.begin(Some(space.free / 2), &limits).unwrap();
    assert_eq!(pressure.begin(Some(space.free / 3 * 2), &limits).unwrap_err(), NO_ROOM, "not both");
    drop(half);
    let mut sending = pressure.begin(None, &limits).unwrap();
    sending.grow(space.free / 2, 1);
    assert_eq!(pressure.begin(Some(space.free / 3 * 2), &limits).unwrap_err(), NO_ROOM, "nor then");
    drop(sending);
    assert!(pressure.begin(Some(space.free / 3 * 2), &limits).is_ok());
}

#[test]
fn levels_rise_at_once_and_fall_when_it_has_been_calm() {
    let mut gauge = Gauge::default();
    let sessions = |sessions| Readings { sessions, ..Readings::default() };
    let rows = [
        (sessions(0.69), Level::Normal, "below"),
        (sessions(0.7), Level::Lean, "at once"),
        (sessions(0.6), Level::Lean, "not below what it is left at"),
        (sessions(0.95), Level::Shed, "at once"),
        (sessions(0.75), Level::Shed, "above what it is left at"),
        (Readings { memory: 0.95, ..Readings::default() }, Level::Shed, "whatever it is"),
        (Readings { group: 0.95, ..Readings::default() }, Level::Shed, "what others use of the same"),
    ];
    for (readings, want, why) in rows {
        assert_eq!(gauge.see(readings), want, "{why}");
    }
    for _ in 1..CALM_LOOKS {
        assert_eq!(gauge.see(sessions(0.6)), Level::Shed, "calm, but not for long");
    }
    assert_eq!(gauge.see(sessions(0.6)), Level::Lean, "it is lean that stays then");
    for _ in 1..CALM_LOOKS {
        assert_eq!(gauge.see(sessions(0.0)), Level::Lean);
    }
    assert_eq!(gauge.see(sessions(0.0)), Level::Normal);
    let slow = |commit| Readings { commit, ..Readings::default() };
    assert_eq!(gauge.see(slow(LEAN_COMMIT)), Level::Lean);
    assert_eq!(gauge.see(slow(SHED_COMMIT)), Level::Shed);
}

#[test]
fn a_reading_at_the_edge_does_not_flap() {
    let mut gauge = Gauge::default();
    let mut changes = 0;
    let mut before = Level::Normal;
    for look in 0..1_000 {
        let sessions = if look % 2 == 0 { LEAN_SHARE } else { LEAN_SHARE - 0.01 };
        let level = gauge.see(Readings { sessions, ..Readings::default() });
        changes += u32::from(std::mem::replace(&mut before, level) != level);
    }
    assert_eq!(changes, 1);
}

#[test]
fn descriptors_are_divided_so_that_their_sum_is_within_the_limit() {
    for (limit, listeners, wanted, sessions, deliveries, why) in [
        (1_024, 3, 200, 185, 200, "the usual soft limit"),
        (256, 1, 200, 32, 47, "few: half of what is left each"),
        (256, 1, 10, 57, 10, "few deliveries leave more for sessions"),
        (20_000, 3, 200, 6_511, 200, "many"),
        (64, 1, 200, 4, 4, "none to speak of"),
        (u64::MAX, 3, 200, 65_536, 200, "no limit"),
    ] {
        let budget = Budget::of(limit, listeners, wanted);
        assert_eq!((budget.sessions, budget.deliveries), (sessions, deliveries), "{why}");
        let used = sessions as u64 * SESSION_DESCRIPTORS + deliveries as u64 * DELIVERY_DESCRIPTORS;
        assert!(limit < 128 || used + OWN_DESCRIPTORS + listeners as u64 <= limit, "{why}");
    }
}

#[tokio::test]
async fn strangers_wait_for_a_place_and_the_last_are_for_users() {
    let places = Arc::new(Places::new(8));
    let held: Vec<_> = (0..7).map(|_| places.take()).collect();
    let waits = {
        let places = Arc::clone(&places);
        tokio::spawn(async move { places.room(Kind::Mx).await })
    };
    assert!(places.room(Kind::Submission).await, "one is left for a user");
    tokio::task::yield_now().await;
    assert!(!waits.is_finished());
    drop(held);
    assert!(waits.await.unwrap(), "there is room again");
    assert_eq!(places.open(), 0);
    let all: Vec<_> = (0..8).map(|_| places.take()).collect();
    let closed = {
        let places = Arc::clone(&places);
        tokio::spawn(async move { places.room(Kind::Submission).await })
    };
    places.close();
    assert!(!closed.await.unwrap(), "who waits learns that it is over");
    drop(all);
}

#[tokio::test(start_paused = true)]
async fn an_idle_session_makes_room_only_while_others_want_it() {
    let pressure = pressure(10);
    let wanted = {
        let pressure = Arc::clone(&pressure);
        tokio::spawn(async move { pressure.wants_idle_place().await })
    };
    tokio::time::sleep(LEAN_IDLE * 100).await;
    assert!(!wanted.is_finished(), "nobody wants it");
    pressure.set_level(Level::Lean);
    tokio::time::sleep(LEAN_IDLE / 2).await;
    pressure.set_level(Level::Normal);
    tokio::time::sleep(LEAN_IDLE * 2).await;
    assert!(!wanted.is_finished(), "it was over before");
    pressure.set_level(Level::Shed);
    tokio::time::sleep(LEAN_IDLE / 2).await;
    pressure.set_level(Level::Lean);
    tokio::time::sleep(LEAN_IDLE * 2).await;
    assert!(wanted.is_finished());
}

#[test]
fn strangers_get_less_before_users_do() {
    let limits = Limits::default();
    let usual = Bounds { idle: Duration::from_secs(300), per_address: 50, faults: None };
    let lean = Bounds { idle: LEAN_IDLE, per_address: 10, faults: Some((LEAN_ERRORS, LEAN_JUNK)) };
    for (kind, at_lean, at_shed) in [
        (Kind::Mx, lean, lean),
        (Kind::Submission, usual, lean),
        (Kind::Submissions, usual, lean),
        (Kind::Lmtp, usual, usual),
    ] {
        assert_eq!(bounds(&limits, kind, Level::Normal), usual, "{kind}");
        assert_eq!(bounds(&limits, kind, Level::Lean), at_lean, "{kind}");
        assert_eq!(bounds(&limits, kind, Level::Shed), at_shed, "{kind}");
    }
    let pressure = pressure(10);
    pressure.set_level(Level::Shed);
    assert!(pressure.turns_away(true, &limits) && !pressure.turns_away(false, &limits));
    pressure.set_level(Level::Lean);
    assert!(!pressure.turns_away(true, &limits));
    let _all = pressure.begin(None, &limits).unwrap();
    assert!(pressure.turns_away(false, &Limits { memory_octets: 1, ..limits }), "no memory for anybody");
}
