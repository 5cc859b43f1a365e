//! Log lines in Kafka's form: `[2026-11-20 12:07:22,718] INFO text (logger)`.

use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// What is logged when `OTTLA_LOG` does not say: everything of ours from INFO, the rest from WARN.
const DEFAULT_FILTER: &str = "warn,ottla=info,kafka=info";

/// Logs to standard output, as Kafka's `kafkaServer.out`.
pub fn to_stdout() {
    let filter = EnvFilter::try_from_env("OTTLA_LOG").unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    tracing_subscriber::fmt()
        .with_ansi(false)
        .with_env_filter(filter)
        .event_format(KafkaFormat)
        .with_writer(std::io::stdout)
        .init();
}

struct KafkaFormat;

impl<S, N> FormatEvent<S, N> for KafkaFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let meta = event.metadata();
        write!(out, "[{}] {} ", chrono::Local::now().format("%Y-%m-%d %H:%M:%S,%3f"), meta.level())?;
        ctx.field_format().format_fields(out.by_ref(), event)?;
        writeln!(out, " ({})", meta.target().replace("::", "."))
    }
}
