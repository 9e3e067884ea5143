//! `engkpi snapshot`: a quarter for the record.

mod folder;

use std::path::{Path, PathBuf};

use super::evaluate::open;
use super::which::{Moment, quarter};
use super::{Failure, configured, print_text, runtime};
use crate::clock::{Clock, SystemClock};
use crate::kpi::window::Period;
use crate::output::human;
use crate::output::snapshot::{self, Asked, Snapshot};
use folder::Folder;

/// Write a snapshot of a quarter: every KPI for the organisation, teams and services with the change
/// to the quarter before, as JSON, CSV, Markdown and HTML. From the store alone. What was written is
/// never changed: a correction is another revision, which says what it corrects.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: configured::Configured,
    /// The quarter, for example `2026-Q3`; quarters are fiscal ones if the calendar says so. Default:
    /// the last one that is over.
    #[arg(long, value_name = "QUARTER", value_parser = quarter)]
    quarter: Option<Period>,
    /// Where snapshots are kept, in a folder for each quarter.
    #[arg(long, value_name = "FOLDER", default_value = "snapshots")]
    folder: PathBuf,
    /// Write what would have been written at this instant (RFC 3339) or the start of this UTC day, by
    /// what is known now; default now. Some weeks after the end of the quarter nothing depends on it
    /// any more.
    #[arg(long, value_name = "TIME")]
    as_of: Option<Moment>,
}

impl Arguments {
    pub(super) fn run(self) -> Result<(), Failure> {
        let clock = SystemClock;
        let config = self.config.read(&clock)?;
        let now = self.as_of.map_or_else(|| clock.now(), |it| it.0);
        let calendar = &config.params.calendar;
        let quarter = self.quarter.unwrap_or_else(|| Period::last_quarter(now, calendar));
        let end = quarter.whole(calendar).end;
        if now < end {
            return Err(Failure::Usage(format!(
                "error: {quarter} is not over before {}: take its snapshot then, or look at it now with \
                 `engkpi evaluate --window quarter:{quarter}`",
                human::instant(end)
            )));
        }
        let asked = Asked { quarter, now };
        let taken = runtime::run(async |_| {
            let evaluator = open(config).await?;
            let take = move |timeline: &_, params: &_, freshness: &_| {
                snapshot::take(timeline, params, freshness, asked)
            };
            Ok(evaluator.read(take).await?)
        })?;
        let folder = Folder::open(&self.folder, &taken.quarter)?;
        let snapshot = match folder.last()? {
            None => taken,
            Some(earlier) => match taken.correcting(&earlier) {
                Some(correction) => correction,
                None => return print_text(&stands(&earlier)),
            },
        };
        let path = folder.add(&snapshot)?;
        print_text(&written(&path, &snapshot))
    }
}

fn stands(earlier: &Snapshot) -> String {
    format!("{}: revision {} stands, nothing differs\n", earlier.quarter, earlier.revision)
}

fn written(path: &Path, snapshot: &Snapshot) -> String {
    let as_of = human::instant(snapshot.as_of);
    let mut text = format!("{}: written, as of {as_of}\n", path.display());
    if snapshot.provisional {
        text += &format!("provisional: {}\n", snapshot.provisional_because.join("; "));
    }
    if let Some((because, count)) = snapshot.corrected() {
        let earlier = snapshot.revision - 1;
        let because = because.join("; ");
        text += &format!("corrects revision {earlier} in {count} numbers: {because}\n");
    }
    text
}
