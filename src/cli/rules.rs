//! `engkpi rules`: SLOs and KPIs as rules of Prometheus.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::{Failure, print, print_text};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Notice, Objectives};
use crate::output::rules::{self, Group, Kubernetes, Length, Options, Slo};

/// Write recording and alerting rules of Prometheus: of the SLOs in specifications of sloth's and
/// `OpenSLO`'s formats, or about the KPIs and their sources. One document, for one file.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Specifications: files, folders, or patterns with `*` and `**`. Default: those of
    /// `[slos]` in the configuration.
    #[arg(value_name = "SPECIFICATION")]
    files: Vec<String>,
    /// A configuration file; given several times, the later ones go over the earlier ones.
    #[arg(long, env = "ENGKPI_CONFIG", value_name = "FILE")]
    config: Vec<PathBuf>,
    /// Alerts about the KPIs that the configured sources can feed, and about these sources, instead
    /// of the rules of SLOs.
    #[arg(long, conflicts_with = "files")]
    kpis: bool,
    /// The window of SLOs that name none that rolls: alerts are about 28 days if it is 28d or 4w,
    /// and about 30 days otherwise. Default: `window` of `[slos]`, else 30d.
    #[arg(long, value_name = "LENGTH", value_parser = length)]
    period: Option<Length>,
    /// Write unit tests for `promtool test rules` into this folder, beside the rules of each SLO:
    /// healthy, fast and slow burns with the minute of the alert, an idle hour, nothing that ever
    /// failed, other labels before.
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["kpis", "kubernetes"])]
    tests: Option<PathBuf>,
    /// Write `PrometheusRule` objects of Kubernetes, one for each service.
    #[arg(long)]
    kubernetes: bool,
    /// The namespace of these objects.
    #[arg(long, requires = "kubernetes")]
    namespace: Option<String>,
    /// A label of these objects, by which an operator selects them; may be given several times.
    #[arg(long = "label", value_name = "NAME=VALUE", requires = "kubernetes", value_parser = label)]
    labels: Vec<(String, String)>,
}

fn length(text: &str) -> Result<Length, String> {
    let length = Length::parse(text).filter(|it| *it >= Length::days(1));
    length.ok_or_else(|| "write a day at least, such as 28d, 4w or 30d".to_owned())
}

fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

impl Arguments {
    pub(super) fn run(&self) -> Result<(), Failure> {
        if self.kpis {
            let groups = rules::kpis(&self.configured()?.params);
            return print(&self.rendered(&BTreeMap::from([("engkpi", groups)])));
        }
        let objectives = self.objectives()?;
        let slos = objectives.slos();
        if slos.is_empty() {
            return Err(Failure::Usage(
                "error: no SLO is specified: name files, or [slos] in the configuration".to_owned(),
            ));
        }
        let options = objectives.options(self.period);
        warn(&objectives.notices(&options));
        if let Some(folder) = &self.tests {
            return write_tests(folder, &slos, &options);
        }
        let mut services: BTreeMap<&str, Vec<Group>> = BTreeMap::new();
        for slo in slos {
            services.entry(&slo.service).or_default().extend(slo.groups(&options));
        }
        print(&self.rendered(&services))
    }

    fn objectives(&self) -> Result<Objectives, Failure> {
        if self.files.is_empty() {
            return Ok(self.configured()?.objectives);
        }
        let (objectives, notices) = Objectives::read(&self.files)?;
        warn(&notices);
        Ok(objectives)
    }

    fn configured(&self) -> Result<Config, Failure> {
        if self.config.is_empty() {
            let rule = "error: name specifications, or a configuration with --config";
            return Err(Failure::Usage(rule.to_owned()));
        }
        let config = Config::load(&self.config, std::env::vars_os(), SystemClock.now())?;
        warn(&config.notices);
        Ok(config)
    }

    fn rendered(&self, named: &BTreeMap<&str, Vec<Group>>) -> String {
        if !self.kubernetes {
            let groups: Vec<Group> = named.values().flatten().cloned().collect();
            return rules::render(&groups);
        }
        let how = Kubernetes {
            namespace: self.namespace.clone(),
            labels: self.labels.iter().cloned().collect(),
        };
        let named: Vec<_> = named.iter().map(|(name, groups)| (*name, groups.clone())).collect();
        rules::objects(&named, &how)
    }
}

/// Two files for each SLO. A test evaluates every rule of the files that it names, so all SLOs in
/// one file would be tested in the square of their number.
fn write_tests(folder: &Path, slos: &[&Slo], options: &Options) -> Result<(), Failure> {
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    for slo in slos {
        let sign =
            |it: char| if it.is_ascii_alphanumeric() || "-_.".contains(it) { it } else { '_' };
        let name: String = slo.id.chars().map(sign).collect();
        let rules_file = format!("{name}.rules.yml");
        write(&rules_file, &rules::render(&slo.groups(options)))?;
        write(&format!("{name}.test.yml"), &slo.unit_tests(options, &rules_file))?;
    }
    print_text(&format!("promtool test rules {}/*.test.yml\n", folder.display()))
}

/// What works and may not be meant goes where no rule is.
#[expect(clippy::print_stderr, reason = "a command line speaks to people on stderr")]
fn warn(notices: &[Notice]) {
    for notice in notices {
        eprintln!("{}: warning: {}", notice.place, notice.rule);
    }
}
