//! What a running server does about pressure.

use std::sync::Arc;

use tokio::time::MissedTickBehavior;

use super::reload::Running;
use crate::config::Config;
use crate::listen;
use crate::pressure::{self, Gauge};

impl Running {
    /// Looks at what there is enough of, and has listeners and sessions behave by it, for ever.
    pub(super) async fn watch_pressure(self: Arc<Self>) {
        let (pressure, queue) = (&self.service.pressure, &self.service.queue);
        let (mut gauge, mut had_room) = (Gauge::default(), true);
        let mut ticks = tokio::time::interval(pressure::limits::LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let config = self.service.people.config();
            let readings = pressure.readings(&config.limits, queue.longest_commit());
            let level = gauge.see(readings);
            if pressure.set_level(level) {
                // Before the line: who reads it finds it so.
                self.apply(&config);
                let event = self.log().event("pressure").field("level", level);
                let event = event.field("sessions", format!("{:.2}", readings.sessions));
                let event = event.field("memory", format!("{:.2}", readings.memory));
                let event = event.field("group", format!("{:.2}", readings.group));
                event.field("commit-ms", readings.commit.as_millis());
            }
            let has_room = pressure.has_room(&config.limits);
            if std::mem::replace(&mut had_room, has_room) != has_room {
                let event = self.log().event(if has_room { "disk-has-room" } else { "disk-short" });
                let space = pressure.space();
                let event = event.maybe("free-mib", space.map(|space| space.free >> 20));
                event.maybe("free-files", space.map(|space| space.free_files));
            }
        }
    }

    /// Gives connections from now on the bounds of the level.
    fn apply(&self, config: &Config) {
        let (level, mechanisms) = (self.service.pressure.level(), self.service.people.known().mechanisms());
        for (kind, door) in &self.doors {
            let bounds = pressure::bounds(&config.limits, *kind, level);
            door.reload_limits(config.limits.connections, bounds.per_address);
            // These settings were good when they were read.
            if let Ok(sessions) = listen::sessions(config, *kind, &mechanisms, level) {
                door.reload_sessions(sessions);
            }
        }
    }
}
