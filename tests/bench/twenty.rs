//! Twenty brokers on one machine with 20,000 partitions: more than Java machines would fit.

use std::time::Instant;

use crate::broker::{Kind, Plan};
use crate::partitions::Cluster;
use crate::rows::{self, Row};
use crate::{Bench, Result, Work};

const BROKERS: i32 = 20;
const PARTITIONS: u64 = 20_000;

/// One round of the rows, of Ottla alone.
pub fn measure(bench: &Bench, kind: Kind, round: usize, note: &mut impl FnMut(&'static Row, f64)) -> Result<()> {
    if !bench.wants(Work::Twenty) || kind != Kind::Ottla {
        return Ok(());
    }
    let name = format!("twenty-{round}");
    let plans: Vec<Plan> = (0..BROKERS).map(|id| Plan::new(&bench.args, kind, &name, id)).collect::<Result<_>>()?;
    let begin = Instant::now();
    let mut cluster = Cluster::start(plans)?;
    note(&rows::TWENTY_START, begin.elapsed().as_secs_f64());
    let partitions = i32::try_from(bench.scaled(PARTITIONS))?;
    note(&rows::TWENTY_MAKE, cluster.make(partitions)?.as_secs_f64());
    note(&rows::TWENTY_MEMORY, cluster.anonymous_mb()?);
    note(&rows::TWENTY_ROLL, cluster.roll()?.as_secs_f64());
    note(&rows::TWENTY_MEMORY_AFTER, cluster.anonymous_mb()?);
    cluster.end()
}
