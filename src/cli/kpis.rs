//! `engkpi kpis`: the registry.

use clap::ValueEnum;
use comfy_table::Table;
use serde_json::json;

use super::{Failure, print};
use crate::kpi::{self, Kpi};

/// List the KPIs that are computed: id, title, unit, default window and target.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// How to print it.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Json,
    Table,
}

impl Arguments {
    pub(super) fn run(&self) -> Result<(), Failure> {
        match self.format {
            Format::Json => {
                let kpis: Vec<_> = kpi::ALL.iter().map(|kpi| described(kpi)).collect();
                print(&format!("{:#}\n", json!(kpis)))
            }
            Format::Table => {
                let mut table = Table::new();
                table.load_style(comfy_table::presets::NOTHING);
                table.set_header(["KPI", "TITLE", "METRIC", "WINDOW", "MIN N"]);
                for kpi in kpi::ALL {
                    let family = kpi.families.first().map_or("", |family| family.name);
                    table.add_row([
                        kpi.id,
                        kpi.title,
                        family,
                        kpi.default_window,
                        &kpi.min_n.to_string(),
                    ]);
                }
                print(&format!("{table}\n"))
            }
        }
    }
}

fn described(kpi: &Kpi) -> serde_json::Value {
    let families: Vec<&str> = kpi.families.iter().map(|family| family.name).collect();
    json!({
        "id": kpi.id,
        "title": kpi.title,
        "definition": kpi.definition,
        "families": families,
        "window": kpi.default_window,
        "min_n": kpi.min_n,
    })
}
