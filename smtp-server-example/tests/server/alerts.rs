//! docs/alerts.yml, by Prometheus's own tool: that it can be read, and what each alert fires at.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::check::{certificate, far};
use crate::daemon::program;
use crate::harness::Server;
use crate::metrics::{SETTINGS, figures};
use crate::peers::succeed;
use crate::run_a_domain::blocks;

/// Figures, one each minute for hours, in place of those that a server has on which all is well: a first one, and what is
/// added to it each time. "_x100" are a hundred minutes in which there is none.
type Row = (&'static str, &'static [(&'static str, &'static str)], &'static str);

const ROWS: &[Row] = &[
    ("MailServerDown", &[("up{job=\"mail\"}", "0+0x300")], "nobody answers"),
    ("MailQueueUnreadable", &[("smtp_queue_up", "0+0x300")], "SQLite can't"),
    ("MailQueueFailed", &[("smtp_queue_failed", "1+0x300")], "a sync failed"),
    ("MailQueueStands", &[("smtp_queue_overdue_seconds", "0+60x300")], "nobody tries what is due"),
    (
        "MailDeliveryStalled",
        &[("smtp_events_total{event=\"stalled\"}", "0+0x160 1+0x139")],
        "once, twenty minutes ago",
    ),
    ("MailWaitsLong", &[("smtp_queue_oldest_seconds", "14400+60x300")], "for four hours"),
    ("MailHeld", &[("smtp_queue_deliveries{state=\"hold\"}", "1+0x300")], "one"),
    (
        "MailQueueGrows",
        &[("smtp_queue_waiting{age=\"0s\"}", "600+0x300"), ("smtp_queue_waiting{age=\"1h\"}", "600+0x300")],
        "of two ages",
    ),
    (
        "MailNotStored",
        &[("smtp_events_total{event=\"not-stored\"}", "0+0x175 1+0x124")],
        "once, five minutes ago",
    ),
    (
        "MailNotStored",
        &[("smtp_events_total{event=\"failed\"}", "0+0x175 1+0x124")],
        "a session, five minutes ago",
    ),
    (
        "MailCommitsSlow",
        &[
            ("smtp_queue_commit_seconds_bucket{le=\"0.5\"}", "0+9x300"),
            ("smtp_queue_commit_seconds_bucket{le=\"2.5\"}", "0+9x300"),
            ("smtp_queue_commit_seconds_bucket{le=\"+Inf\"}", "0+9x300"),
        ],
        "none within a tenth of a second",
    ),
    (
        "MailRefusedMuch",
        &[("smtp_replies_total{listener=\"mx\",class=\"5xx\",enhanced=\"5.7.8\"}", "0+100x300")],
        "passwords, two a second",
    ),
    (
        "MailFailsElsewhere",
        &[
            ("smtp_deliveries_total{via=\"local\",outcome=\"delivered\"}", "_x300"),
            ("smtp_deliveries_total{via=\"remote\",outcome=\"refused\"}", "0+1x300"),
        ],
        "nothing ever arrived",
    ),
    (
        "MailFailsElsewhere",
        &[("smtp_deliveries_total{via=\"remote\",outcome=\"refused\"}", "0+1x300")],
        "whatever is sent",
    ),
    (
        "MailFailsElsewhere",
        &[
            ("smtp_deliveries_total{via=\"remote\",outcome=\"expired\"}", "0+3x300"),
            ("smtp_deliveries_total{via=\"remote\",outcome=\"relayed\"}", "0+2x300"),
        ],
        "more than half",
    ),
    (
        "MailCorrupt",
        &[("smtp_deliveries_total{via=\"local\",outcome=\"corrupt\"}", "_x170 1+0x129")],
        "since ten minutes",
    ),
    ("MailPressure", &[("smtp_pressure_ratios{resource=\"descriptors\"}", "0.81+0x300")], "descriptors"),
    (
        "MailPressure",
        &[("smtp_pressure_ratios{resource=\"group\"}", "0.9+0x300")],
        "what was not there before",
    ),
    ("MailShed", &[("smtp_pressure_level", "2+0x300")], "shed"),
    ("MailDiskShort", &[("smtp_disk_has_room", "0+0x300")], "no room"),
    (
        "MailCertificateEnds",
        &[("smtp_certificate_end_seconds", "1800000+0x300")],
        "20 days from 1970 on, which is now there",
    ),
    ("", &[("smtp_pressure_level", "1+0x300")], "lean"),
    (
        "",
        &[
            ("smtp_queue_deliveries{state=\"ready\"}", "900+0x300"),
            ("smtp_queue_waiting{age=\"0s\"}", "900+0x300"),
        ],
        "busy",
    ),
    ("", &[("smtp_queue_overdue_seconds", "200+0x300")], "a host that is slow"),
    ("", &[("smtp_events_total{event=\"failed\"}", "7+0x300")], "long ago"),
    (
        "",
        &[
            ("smtp_deliveries_total{via=\"remote\",outcome=\"refused\"}", "0+1x300"),
            ("smtp_deliveries_total{via=\"local\",outcome=\"delivered\"}", "0+2x300"),
        ],
        "less than half",
    ),
    ("", &[("smtp_certificate_end_seconds", "4000000+0x300")], "46 days"),
    ("", &[], "all is well"),
];

/// Each figure of a server that has done a little, as it stays.
fn calm() -> Vec<(String, String)> {
    let folder = TempDir::new().unwrap();
    let tls = certificate(folder.path(), "mx.example.test", 2020, far());
    let server = Server::serve(folder.path(), &SETTINGS.replace("[metrics]", &format!("{tls}[metrics]")));
    let mut client = server.connect();
    client.begin_content();
    client.say_all(&["x\r\n."]);
    assert!(client.say("NONSENSE").starts_with("500 "));
    server.settle();
    let text = figures(&server);
    let of = |line: &str| {
        let (series, value) = line.rsplit_once(' ').unwrap();
        (series.to_owned(), format!("{value}+0x300"))
    };
    let all = text.lines().filter(|line| !line.starts_with('#')).map(of);
    all.chain([("up{job=\"mail\"}".to_owned(), "1+0x300".to_owned())]).collect()
}

/// A row as the tool's tests have them: what fires after three hours.
fn test(calm: &[(String, String)], (alert, figures, why): &Row) -> Value {
    let stays = |(series, _): &&(String, String)| !figures.iter().any(|(other, _)| other == series);
    let stay = calm.iter().filter(stays).map(|(series, values)| (series.as_str(), values.as_str()));
    let series: Vec<_> = stay
        .chain(figures.iter().copied())
        .map(|(series, values)| json!({ "series": series, "values": values }))
        .collect();
    let fires = match *alert {
        "" => json!([]),
        alert => json!([{ "labels": format!("{{alertname=\"{alert}\"}}"), "value": 1 }]),
    };
    json!({
        "name": format!("{alert}: {why}"),
        "interval": "1m",
        "input_series": series,
        "promql_expr_test": [{
            "expr": "count by (alertname) (ALERTS{alertstate=\"firing\"})", "eval_time": "3h", "exp_samples": fires,
        }],
    })
}

#[test]
fn each_alert_fires_at_what_it_is_about_and_none_where_all_is_well() {
    let (Some(mut config), Some(mut tests)) = (program("promtool"), program("promtool")) else { return };
    let folder = TempDir::new().unwrap();
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/alerts.yml");
    let text = fs::read_to_string(&rules).unwrap();
    let alerts: BTreeSet<_> = text.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    let tried: BTreeSet<_> =
        ROWS.iter().map(|(alert, ..)| *alert).filter(|alert| !alert.is_empty()).collect();
    assert_eq!(tried, alerts, "each alert has its row");
    fs::write(folder.path().join("alerts.yml"), &text).unwrap();
    // What the operators' page has Prometheus read.
    let page = blocks("operating.md").into_iter().find(|block| block.info == "yaml prometheus.yml").unwrap();
    fs::write(folder.path().join("prometheus.yml"), page.text).unwrap();
    let said = succeed(config.args(["check", "config", "prometheus.yml"]).current_dir(&folder));
    assert!(said.contains(&format!("SUCCESS: {} rules found", alerts.len())), "{said}");

    let calm = calm();
    let rows: Vec<_> = ROWS.iter().map(|row| test(&calm, row)).collect();
    let rows = json!({ "rule_files": ["alerts.yml"], "evaluation_interval": "1m", "tests": rows });
    fs::write(folder.path().join("tests.yml"), rows.to_string()).unwrap();
    succeed(tests.args(["test", "rules", "tests.yml"]).current_dir(&folder));
}
