//! The server that runs, if one does.

use serde_json::Value;

use super::{Findings, Site};
use crate::failure::Kind;
use crate::{mailroom, queue};

pub(super) fn check(site: &Site, findings: &mut Findings) {
    if let Some(state) = queue::state_of_server(&mailroom::folder(&site.config.data)) {
        tell(&state, findings);
    }
}

fn tell(state: &Value, findings: &mut Findings) {
    let number = |key: &str| state[key].as_u64().unwrap_or_default();
    let level = state["level"].as_str().unwrap_or("unknown");
    let what = format!(
        "pressure is {level}: {} of {} sessions, {} deliveries",
        number("sessions"),
        number("most_sessions"),
        number("deliveries")
    );
    if let Some(error) = state["failed"].as_str() {
        findings.fail(
            Kind::Io,
            "server",
            format!("its queue has failed: {error}"),
            "nothing is taken and nothing delivered, as what is written may not be there",
            "look at the disk, then restart the server: it looks at the whole file",
        );
    } else if state["has_room"] == false {
        let why = "new mail is told 452 until the reserve is free again";
        findings.warn("server", "the disk's reserve is used up", why, "make room");
    } else if level == "shed" {
        findings.warn("server", what, "new clients are told 421", "find out who connects, or raise limits");
    } else {
        findings.ok("server", what);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_worst_is_told_of_a_server_that_runs() {
        for (level, has_room, failed, want, why) in [
            ("normal", true, None, "ok   server: pressure is normal: 3 of 9 sessions", "all is well"),
            ("lean", true, None, "ok   server: pressure is lean", "busy, and nobody is sent away"),
            ("shed", true, None, "warn server: pressure is shed", "strangers are"),
            ("normal", false, None, "warn server: the disk's reserve", "no room"),
            ("shed", false, Some("EIO"), "FAIL server: its queue has failed: EIO", "whatever else there is"),
        ] {
            let mut findings = Findings::default();
            let state = json!({ "level": level, "sessions": 3, "most_sessions": 9, "deliveries": 0,
                "has_room": has_room, "failed": failed });
            tell(&state, &mut findings);
            assert!(findings.lines()[0].starts_with(want), "{why}: {:?}", findings.lines());
        }
    }
}
