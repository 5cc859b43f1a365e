//! The table of keys, printed: what `ottla config` shows and the documentation holds. Pure.

use std::fmt::Write;

use super::not_built;
use super::table::{self, Check, Effect, Key};
use super::topic;

/// Plain text: a line a key, a line of documentation under it.
pub fn text() -> String {
    let mut out = String::new();
    for (title, keys) in table::SECTIONS {
        let _ = writeln!(out, "{title}\n");
        for key in *keys {
            let _ =
                writeln!(out, "  {} ({}, {}) = {}", key.name, type_name(key), key.mode.name(), default(key.default));
            let _ = writeln!(out, "      {}{}", key.doc, plain(not_built::effect(key)));
        }
        out.push('\n');
    }
    out.push_str("Topics\n\n");
    for key in topic::KEYS {
        let source = key.broker.map_or_else(|| default(key.default), |broker| format!("that of {broker}"));
        let ty = key.ty.name().to_lowercase();
        let _ =
            writeln!(out, "  {} ({ty}) = {source}\n      {}{}", key.name, key.doc, plain(not_built::topic_effect(key)));
    }
    out.push_str("\nBrokers, only while running\n\n");
    for key in table::DYNAMIC_ONLY {
        let (ty, default, effect) = (type_name(key), default(key.default), plain(not_built::effect(key)));
        let _ = writeln!(out, "  {} ({ty}) = {default}\n      {}{effect}", key.name, key.doc);
    }
    out
}

/// The same as Markdown tables.
pub fn markdown() -> String {
    let mut out = String::new();
    for (title, keys) in table::SECTIONS {
        let _ = writeln!(out, "## {title}\n\n| Key | Type | Default | Valid | Mode | Effect | What it is |");
        out.push_str("|---|---|---|---|---|---|---|\n");
        for key in *keys {
            let cells = [
                format!("`{}`", key.name),
                type_name(key),
                default(key.default),
                valid(key.check),
                key.mode.name().into(),
                effect(not_built::effect(key)),
                key.doc.into(),
            ];
            row(&mut out, &cells);
        }
        out.push('\n');
    }
    out.push_str("## Topics\n\n| Key | Type | Default | Valid | Effect | What it is |\n|---|---|---|---|---|---|\n");
    for key in topic::KEYS {
        let source = key.broker.map_or_else(|| default(key.default), |broker| format!("`{broker}`"));
        let cells = [
            format!("`{}`", key.name),
            key.ty.name().to_lowercase(),
            source,
            valid(key.check),
            effect(not_built::topic_effect(key)),
            key.doc.to_owned(),
        ];
        row(&mut out, &cells);
    }
    out.push_str("\n## Brokers, only while running\n\n| Key | Type | Default | Valid | Effect | What it is |\n|---|---|---|---|---|---|\n");
    for key in table::DYNAMIC_ONLY {
        let cells = [
            format!("`{}`", key.name),
            type_name(key),
            default(key.default),
            valid(key.check),
            effect(not_built::effect(key)),
            key.doc.to_owned(),
        ];
        row(&mut out, &cells);
    }
    out
}

fn row(out: &mut String, cells: &[String]) {
    for cell in cells {
        let _ = write!(out, "| {} ", cell.replace('|', "\\|"));
    }
    out.push_str("|\n");
}

fn type_name(key: &Key) -> String {
    let internal = if key.internal { ", internal" } else { "" };
    format!("{}{internal}", key.ty.name().to_lowercase())
}

fn default(text: Option<&str>) -> String {
    match text {
        None => "null".into(),
        Some("") => "(empty)".into(),
        Some(text) => text.into(),
    }
}

fn valid(check: Check) -> String {
    match check {
        Check::Any => String::new(),
        Check::AtLeast(min) => format!("≥ {min}"),
        Check::Between(min, max) => format!("{min} to {max}"),
        Check::Ratio => "0 to 1".into(),
        Check::OneOf(allowed) => allowed.join(", "),
        Check::ListOf(allowed) => format!("any of {}", allowed.join(", ")),
        Check::GzipLevel => "1 to 9, -1".into(),
        Check::MetadataVersion => "2.8 to 3.9".into(),
        Check::ReleaseName => "a Kafka release".into(),
        Check::ThrottledReplicas => "`*` or `partition:broker,...`".into(),
    }
}

fn effect(effect: Effect) -> String {
    match effect {
        Effect::Works => "works".into(),
        Effect::NoEffect(why) => format!("none: {why}"),
        Effect::Refused(missing) => format!("refused when set: no {missing}"),
    }
}

/// Only what is worth a word in plain text.
fn plain(what: Effect) -> String {
    match what {
        Effect::Works => String::new(),
        _ => format!(" [{}]", effect(what)),
    }
}
