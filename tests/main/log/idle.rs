//! An idle replica stays small. Measured in a process of its own: other tests' memory would count too.

use super::support::*;

/// The design's bound.
const MOST_BYTES: usize = 15 * 1024;

#[test]
fn an_idle_log_costs_less_than_15_kb_of_memory() {
    let me = std::env::current_exe().expect("this binary");
    let measured = std::process::Command::new(me)
        .args(["--exact", "log::idle::measures_idle_logs", "--ignored", "--nocapture"])
        .output()
        .expect("it runs");
    assert!(measured.status.success(), "{}", String::from_utf8_lossy(&measured.stderr));
}

#[tokio::test]
#[ignore = "run by an_idle_log_costs_less_than_15_kb_of_memory, alone in its process"]
async fn measures_idle_logs() {
    let bed = Bed::real();
    let resident = || {
        // anonymous pages only: those of the binary are not a log's
        let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = text.lines().find_map(|l| l.strip_prefix("RssAnon:")).unwrap_or_default();
        line.split_whitespace().next().and_then(|n| n.parse::<usize>().ok()).unwrap_or(0) * 1024
    };
    append(&bed.open("warm-0", &new_log(small())), batch(1, 100, now())).await;
    let before = resident();
    let mut logs = Vec::new();
    for i in 0..300 {
        let log = bed.open(&format!("t-{i}"), &new_log(small()));
        append(&log, batch(1, 100, now())).await;
        logs.push(log);
    }
    let each = resident().saturating_sub(before) / logs.len();
    println!("{each} bytes each");
    assert!(each < MOST_BYTES, "{each} bytes each");
}
