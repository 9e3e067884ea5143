use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::domain::fact::FindingPlace;
use crate::kpi::Need;
use crate::setting::{Complaint, Moment, Period};

/// Files that people and other programs keep: cost exports, surveys, registers.
///
/// `files` is everywhere a list of files, folders (their `.csv`, `.csv.gz` and `.toml` files) and
/// patterns (`*` = any text within a name, `**` = any folders). Each must match something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The files are complete from here on.
    pub history_start: Moment,
    /// How often the files are looked at. One that did not change is not read. Default: 1m.
    #[serde(default = "default_poll_every")]
    pub poll_every: Period,
    /// How often each file is read again although it seems unchanged. Default: 1d.
    #[serde(default = "default_reconcile_every")]
    pub reconcile_every: Period,
    /// While a file cannot be read for longer than this, the KPIs that need these files are stale.
    /// Default: 1d.
    #[serde(default = "default_stale_after")]
    pub stale_after: Period,
    /// Cost exports in the FOCUS format (CSV, CSV.gz): `unit_cost`.
    #[serde(default)]
    pub costs: Option<CostSettings>,
    /// Units of demand per day (columns `date`, `service`, `unit`, `count`): `unit_cost`.
    #[serde(default)]
    pub units: Option<RegisterSettings>,
    /// Surveys by name: `developer_experience`, `stakeholder_satisfaction`.
    #[serde(default)]
    pub surveys: BTreeMap<String, SurveySettings>,
    /// What helped people to grow (columns `date`, `person`, `evidence`, `team`, `what`). Of the
    /// person only a hash is kept: `mentorship`.
    #[serde(default)]
    pub mentorship: Option<RegisterSettings>,
    /// Escalations of stakeholders (columns `date`, `team`, `service`, `group`, `link`, `id`):
    /// `stakeholder_satisfaction`.
    #[serde(default)]
    pub escalations: Option<RegisterSettings>,
    /// Critical API boundaries (columns `name`, `service`, `repository`, `test`, `since`, `until`).
    #[serde(default)]
    pub boundaries: Option<RegisterSettings>,
    /// Technical debt (columns `id`, `opened`, `closed`, `outcome`, `major`, `service`, `team`,
    /// `link`).
    #[serde(default)]
    pub debt: Option<RegisterSettings>,
    /// Reports of security scanners by name: `finding_closure`.
    #[serde(default)]
    pub findings: BTreeMap<String, FindingSettings>,
    /// What post-mortems found out (columns `incident`, `fault_at`, `root_cause`, `problem`,
    /// `category`, `customer_impact`, `link`), for the incidents of an incident tool.
    #[serde(default)]
    pub incidents: Option<RegisterSettings>,
}

/// A register: files with one entry a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterSettings {
    /// CSV or TOML files.
    pub files: Vec<String>,
}

/// Cost exports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CostSettings {
    /// FOCUS exports. No row may be in two of them.
    pub files: Vec<String>,
    /// The tag whose value names the service. Exclusive with `service_column`. Default: `service`.
    #[serde(default)]
    pub service_tag: Option<String>,
    /// The column that names the service, for example `x_Service`, instead of a tag.
    #[serde(default)]
    pub service_column: Option<String>,
}

/// Reports of security scanners about one service or repository, in SARIF or Trivy's JSON. Each is
/// all that its tool found; of several of one tool the later one counts, and what is not in it any
/// more is fixed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FindingSettings {
    /// The reports: one file that is written over, or one for each scan with names in the order of
    /// time.
    pub files: Vec<String>,
    /// The service that was scanned. Exclusive with `repository`.
    #[serde(default)]
    pub service: Option<String>,
    /// The repository that was scanned, `owner/name`. Exclusive with `service`.
    #[serde(default)]
    pub repository: Option<String>,
}

impl FindingSettings {
    /// Where the findings are.
    pub(super) fn place(&self) -> FindingPlace {
        match (&self.service, &self.repository) {
            (Some(service), _) => FindingPlace::Service(service.as_str().into()),
            (None, name) => FindingPlace::Named(name.clone().unwrap_or_default()),
        }
    }
}

/// A survey: one row a respondent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SurveySettings {
    /// Who was asked.
    pub kpi: SurveyKpi,
    /// The lowest and the highest answer, for example `[1, 5]`.
    pub scale: (f64, f64),
    /// What answers in words mean, for example `{ "Strongly agree" = 5 }`. Case is ignored.
    #[serde(default)]
    pub words: BTreeMap<String, f64>,
    /// What is asked about, each with the columns (often whole questions) whose mean is its score.
    pub dimensions: BTreeMap<String, Vec<String>>,
    /// The column with the team of the respondent, if there is one.
    #[serde(default)]
    pub team: Option<String>,
    /// The column with the group of the stakeholder, if there is one.
    #[serde(default)]
    pub group: Option<String>,
    /// The column that tells respondents apart: of two answers of one the last counts. It is not
    /// kept.
    #[serde(default)]
    pub respondent: Option<String>,
    /// The waves by name.
    pub waves: BTreeMap<String, WaveSettings>,
}

/// Who is asked by a survey.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SurveyKpi {
    /// Developers.
    DeveloperExperience,
    /// Stakeholders.
    StakeholderSatisfaction,
}

/// One wave of a survey.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WaveSettings {
    /// CSV files with its answers.
    pub files: Vec<String>,
    /// When it closed. Nothing is shown of it before.
    pub closed: Moment,
    /// How many were asked: without it there is no response rate, and no status.
    #[serde(default)]
    pub invited: Option<u64>,
    /// How many were asked of each team.
    #[serde(default)]
    pub invited_by_team: BTreeMap<String, u64>,
    /// How many were asked of each group of stakeholders.
    #[serde(default)]
    pub invited_by_group: BTreeMap<String, u64>,
    /// The scale of this wave, where it was another one.
    #[serde(default)]
    pub scale: Option<(f64, f64)>,
}

impl SurveyKpi {
    /// The id of the KPI that it feeds.
    pub fn id(self) -> &'static str {
        match self {
            Self::DeveloperExperience => "developer_experience",
            Self::StakeholderSatisfaction => "stakeholder_satisfaction",
        }
    }

    fn need(self) -> Need {
        match self {
            Self::DeveloperExperience => Need::DeveloperSurveys,
            Self::StakeholderSatisfaction => Need::StakeholderSurveys,
        }
    }
}

impl Settings {
    /// What it feeds.
    pub fn feeds(&self) -> Vec<Need> {
        let surveys = self.surveys.values().map(|it| it.kpi.need());
        let registers = [
            (self.costs.is_some(), Need::Costs),
            (self.units.is_some(), Need::Units),
            (self.mentorship.is_some(), Need::Mentorship),
            (self.escalations.is_some(), Need::Escalations),
            (self.boundaries.is_some(), Need::Boundaries),
            (self.debt.is_some(), Need::Debt),
            (self.incidents.is_some(), Need::IncidentNotes),
            (!self.findings.is_empty(), Need::Findings),
        ];
        let registers = registers.into_iter().filter_map(|(given, need)| given.then_some(need));
        let mut feeds: Vec<Need> = registers.chain(surveys).collect();
        feeds.sort_unstable();
        feeds.dedup();
        feeds
    }

    /// Files have no pages: what is in them names its own addresses.
    #[expect(clippy::expect_used, reason = "a constant address")]
    pub fn web_base() -> Url {
        Url::parse("file:///").expect("a constant address is an address")
    }

    /// What only several values together show to be wrong.
    pub fn check(&self) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        let mut complain = |key: &str, rule: &str, fix: &str| {
            complaints.push(Complaint::new(key, rule, fix));
        };
        if self.stale_after < self.poll_every {
            let rule = format!("is shorter than poll_every ({})", self.poll_every);
            complain("stale_after", &rule, "make it several times as long");
        }
        if self.lists().is_empty() {
            let fix = "add for example `costs`, `surveys` or `mentorship`";
            complain("", "names no files", fix);
        }
        if let Some(costs) = &self.costs
            && costs.service_tag.is_some()
            && costs.service_column.is_some()
        {
            complain("costs.service_column", "excludes service_tag", "keep one of the two");
        }
        for (key, files) in self.lists() {
            if files.is_empty() {
                complain(&format!("{key}.files"), "is an empty list", "name at least one file");
            }
        }
        for (name, findings) in &self.findings {
            if findings.service.is_some() == findings.repository.is_some() {
                let fix = "name the service or the repository that was scanned";
                complain(&format!("findings.{name}"), "names no place, or two", fix);
            }
        }
        for (name, survey) in &self.surveys {
            for (key, rule, fix) in survey.wrong() {
                complain(&format!("surveys.{name}.{key}"), &rule, fix);
            }
        }
        complaints
    }

    /// What a complete pass vouches for, as [`crate::domain::Extent`] wants it: every list, file by
    /// file.
    pub fn parts(&self) -> BTreeSet<String> {
        let lists = self.lists().into_iter();
        lists.flat_map(|(key, files)| files.iter().map(move |it| format!("{key} {it}"))).collect()
    }

    /// Every list of files with the key of its section.
    fn lists(&self) -> Vec<(String, &[String])> {
        let registers = [
            ("units", &self.units),
            ("mentorship", &self.mentorship),
            ("escalations", &self.escalations),
            ("boundaries", &self.boundaries),
            ("debt", &self.debt),
            ("incidents", &self.incidents),
        ];
        let registers = registers
            .into_iter()
            .filter_map(|(key, it)| Some((key.to_owned(), it.as_ref()?.files.as_slice())));
        let costs = self.costs.iter().map(|it| ("costs".to_owned(), it.files.as_slice()));
        let waves = self.surveys.iter().flat_map(|(name, survey)| {
            let key = move |wave: &String| format!("surveys.{name}.waves.\"{wave}\"");
            survey.waves.iter().map(move |(wave, it)| (key(wave), it.files.as_slice()))
        });
        let findings = self.findings.iter();
        let findings = findings.map(|(name, it)| (format!("findings.{name}"), it.files.as_slice()));
        registers.chain(costs).chain(waves).chain(findings).collect()
    }
}

impl SurveySettings {
    /// The scale of a wave.
    pub(super) fn scale_of(&self, wave: &WaveSettings) -> (f64, f64) {
        wave.scale.unwrap_or(self.scale)
    }

    fn wrong(&self) -> Vec<(String, String, &'static str)> {
        let mut wrong = Vec::new();
        let is_scale = |(low, high): (f64, f64)| low.is_finite() && high.is_finite() && low < high;
        let fix = "write the lowest and the highest answer, for example [1, 5]";
        if !is_scale(self.scale) {
            wrong.push(("scale".to_owned(), "is no scale".to_owned(), fix));
        }
        for (word, value) in &self.words {
            if !value.is_finite() {
                let rule = format!("{value} is no score");
                wrong.push((format!("words.\"{word}\""), rule, "write a number of the scale"));
            }
        }
        if self.dimensions.is_empty() {
            let fix = "add what is asked about, for example { flow = [\"I can focus\"] }";
            wrong.push(("dimensions".to_owned(), "is empty".to_owned(), fix));
        }
        for (name, columns) in &self.dimensions {
            if columns.is_empty() {
                let key = format!("dimensions.\"{name}\"");
                wrong.push((key, "names no column".to_owned(), "name its questions"));
            }
        }
        match self.kpi {
            SurveyKpi::DeveloperExperience if self.group.is_some() => {
                let fix = "remove it, or split the survey by team";
                wrong.push(("group".to_owned(), "is for surveys of stakeholders".to_owned(), fix));
            }
            SurveyKpi::StakeholderSatisfaction if self.dimensions.len() > 1 => {
                let fix = "put all its questions into one dimension";
                let rule = "has more than one, and the score of stakeholders is one number";
                wrong.push(("dimensions".to_owned(), rule.to_owned(), fix));
            }
            _ => {}
        }
        if self.waves.is_empty() {
            wrong.push(("waves".to_owned(), "is empty".to_owned(), "add its waves"));
        }
        for (name, wave) in &self.waves {
            if wave.scale.is_some_and(|scale| !is_scale(scale)) {
                wrong.push((format!("waves.\"{name}\".scale"), "is no scale".to_owned(), fix));
            }
        }
        wrong
    }
}

fn default_poll_every() -> Period {
    Period::from_seconds(60)
}

fn default_reconcile_every() -> Period {
    Period::from_seconds(86_400)
}

fn default_stale_after() -> Period {
    Period::from_seconds(86_400)
}
