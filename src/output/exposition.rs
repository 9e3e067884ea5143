//! An evaluation in Prometheus's text format.
//!
//! What changed since the evaluation before is rendered from nothing, so a series whose label set
//! went away cannot linger, and each family is deduplicated before it is written, so a scrape cannot be refused.

#[cfg(test)]
mod budget;
#[cfg(test)]
mod dashboards;
mod draft;
#[cfg(test)]
mod everything;
mod labels;
mod rendering;
mod selection;

use std::borrow::Cow;
use std::sync::LazyLock;
use std::time::Duration;

use super::human;
use crate::kpi::evaluation::Evaluation;
use crate::kpi::{self, Family, Kpi, facts};
pub use rendering::{Block, Rendering};

/// How to render.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How often evaluations happen at least; HELP says it.
    pub every: Duration,
    /// The most series that one family may have.
    pub max_series: usize,
    /// Render everything that was evaluated, also what /metrics leaves out to stay small.
    pub complete: bool,
}

impl Options {
    /// For `engkpi evaluate`: all that was asked for, evaluated just now.
    pub fn complete() -> Self {
        Self { max_series: usize::MAX, complete: true, ..Self::default() }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self { every: Duration::from_secs(60), max_series: 100_000, complete: false }
    }
}

/// A rendered evaluation.
#[derive(Clone, Debug, Default)]
pub struct Rendered {
    /// The text.
    pub text: Vec<u8>,
    /// How many series it has.
    pub series: usize,
    /// Families of which series were left out, and how many: those over the cap, and those that
    /// became equal to another when their labels were cleaned.
    pub dropped: Vec<(String, u64)>,
}

/// Renders `evaluation`, families by name; in each the organisation's series first, then those of
/// teams, then those of services.
pub fn render(evaluation: &Evaluation, options: &Options) -> Rendered {
    let rendering = Rendering::of(evaluation, options, None);
    let mut rendered = Rendered {
        series: rendering.series(),
        dropped: rendering.dropped().map(|(name, count)| (name.to_owned(), count)).collect(),
        ..Rendered::default()
    };
    for text in rendering.texts() {
        rendered.text.extend_from_slice(text);
    }
    rendered
}

/// Everything that is exposed about KPIs.
#[derive(Clone, Copy, Debug)]
enum Exposed {
    /// The values of a family that a KPI names.
    Values(&'static Kpi, &'static Family),
    /// The numerators of such a family of ratios.
    Numerators(&'static Family),
    /// How many items a secondary value is made of; of the KPI's own values [`About::Samples`] says it.
    Samples(&'static Family),
    /// Something about every KPI.
    About(About),
    /// Facts counted by label.
    Facts(&'static Family),
}

/// What is said about every KPI beside its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum About {
    Samples,
    OpenItems,
    ExcludedItems,
    Coverage,
    ConfidenceBound,
    Target,
    Status,
    PreviousRatio,
    BaselineRatio,
    Provisional,
    Info,
}

impl About {
    const ALL: [Self; 11] = [
        Self::Samples,
        Self::OpenItems,
        Self::ExcludedItems,
        Self::Coverage,
        Self::ConfidenceBound,
        Self::Target,
        Self::Status,
        Self::PreviousRatio,
        Self::BaselineRatio,
        Self::Provisional,
        Self::Info,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Samples => "engkpi_kpi_samples",
            Self::OpenItems => "engkpi_kpi_open_items",
            Self::ExcludedItems => "engkpi_kpi_excluded_items",
            Self::Coverage => "engkpi_kpi_coverage_ratio",
            Self::ConfidenceBound => "engkpi_kpi_confidence_bound",
            Self::Target => "engkpi_kpi_target",
            Self::Status => "engkpi_kpi_status",
            Self::PreviousRatio => "engkpi_kpi_previous_ratio",
            Self::BaselineRatio => "engkpi_kpi_baseline_ratio",
            Self::Provisional => "engkpi_kpi_provisional",
            Self::Info => "engkpi_kpi_info",
        }
    }

    fn help(self) -> &'static str {
        match self {
            Self::Samples => "Items that the KPI's value is made of; the denominator of a ratio.",
            Self::OpenItems => {
                "Items still open in the scope; for km_median the censored items of its cohort."
            }
            Self::ExcludedItems => "Items of the window that are in no statistic, by reason.",
            Self::Coverage => "Share of the relevant items that carry what the definition needs.",
            Self::ConfidenceBound => "Ends of the value's 95 % interval, in the value's unit.",
            Self::Target => "The target that decides the status, and a second line for charts.",
            Self::Status => "1 for the present state of the KPI against its target.",
            Self::PreviousRatio => {
                "The value divided by that of the window before; counts are compared per day."
            }
            Self::BaselineRatio => {
                "Hodges-Lehmann ratio of the durations to those of the baseline interval."
            }
            Self::Provisional => "1 while late knowledge may still change the window.",
            Self::Info => "1, labelled with what the KPI is and the version of its definition.",
        }
    }
}

/// Every family, by name.
static FAMILIES: LazyLock<Vec<Exposed>> = LazyLock::new(|| {
    let of_kpi = |kpi: &'static Kpi| {
        kpi.families.iter().flat_map(move |family| {
            let samples = samples_name(family).filter(|_| !is_own(kpi, family));
            [Exposed::Values(kpi, family)]
                .into_iter()
                .chain(numerator_name(family).map(|_| Exposed::Numerators(family)))
                .chain(samples.map(|_| Exposed::Samples(family)))
        })
    };
    let mut families: Vec<Exposed> = kpi::ALL.iter().copied().flat_map(of_kpi).collect();
    families.extend(About::ALL.map(Exposed::About));
    families.extend(facts::FAMILIES.iter().map(Exposed::Facts));
    families.sort_by(|a, b| a.name().cmp(&b.name()));
    families
});

/// Every family that may be exposed about KPIs and facts, by name.
pub fn family_names() -> Vec<String> {
    FAMILIES.iter().map(|family| family.name().into_owned()).collect()
}

fn numerator_name(family: &Family) -> Option<String> {
    family.name.strip_suffix("_ratio").map(|stem| format!("{stem}_numerator_items"))
}

/// Ratios and distributions are made of samples; a count is its own n.
fn samples_name(family: &Family) -> Option<String> {
    let ratio = family.name.strip_suffix("_ratio");
    let distribution = family.name.strip_suffix("_seconds").filter(|_| family.distribution);
    ratio.or(distribution).map(|stem| format!("{stem}_samples"))
}

impl Exposed {
    fn name(self) -> Cow<'static, str> {
        match self {
            Self::Values(_, family) | Self::Facts(family) => family.name.into(),
            Self::Numerators(family) => {
                numerator_name(family).map_or(family.name.into(), Cow::Owned)
            }
            Self::Samples(family) => samples_name(family).map_or(family.name.into(), Cow::Owned),
            Self::About(about) => about.name().into(),
        }
    }

    fn help(self, options: &Options) -> String {
        let cached = if options.complete {
            "(evaluated on demand)".to_owned()
        } else {
            format!("(cached; evaluated every {})", human::every(options.every))
        };
        match self {
            Self::Values(kpi, family) if is_own(kpi, family) => {
                format!("{} {} {cached}", family.help, kpi.definition)
            }
            Self::Values(_, family) | Self::Facts(family) => format!("{} {cached}", family.help),
            Self::Numerators(family) => {
                format!("How many items are in the numerator of {}. {cached}", family.name)
            }
            Self::Samples(family) => {
                format!("How many items {} is made of. {cached}", family.name)
            }
            Self::About(about) => format!("{} {cached}", about.help()),
        }
    }
}

fn is_own(kpi: &Kpi, family: &Family) -> bool {
    kpi.families.first().is_some_and(|own| own.name == family.name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use std::sync::Arc;

    use super::super::testing::{STORY, published};
    use super::labels::MAX_LABEL;
    use super::*;
    use crate::kpi::evaluation::{FactCount, Part, Parts};

    fn text(evaluation: &Evaluation) -> String {
        String::from_utf8(render(evaluation, &Options::default()).text).unwrap()
    }

    /// The samples of a family, each a line.
    fn samples<'a>(text: &'a str, family: &str) -> Vec<&'a str> {
        let of = |line: &&str| line.split(['{', ' ']).next() == Some(family);
        text.lines().filter(of).collect()
    }

    #[test]
    fn a_value_comes_with_its_n_its_interval_and_its_status() {
        let text = text(&published(STORY));
        let month = |family: &str| {
            let lines = samples(&text, family).into_iter();
            let lines = lines.filter(|it| {
                it.contains(r#"scope="org""#)
                    && it.contains(r#"window="30d""#)
                    && (!it.contains("kpi=") || it.contains(r#"kpi="incident_frequency""#))
            });
            lines.collect::<Vec<_>>().join("\n")
        };
        expect_test::expect![[r#"
            engkpi_incident_frequency_incidents{scope="org",window="30d"} 3
            engkpi_kpi_samples{kpi="incident_frequency",scope="org",window="30d"} 3
            engkpi_kpi_confidence_bound{bound="lower",kpi="incident_frequency",scope="org",window="30d"} 0.618672122895602
            engkpi_kpi_confidence_bound{bound="upper",kpi="incident_frequency",scope="org",window="30d"} 8.767273069742323
            engkpi_kpi_status{kpi="incident_frequency",scope="org",state="insufficient",window="30d"} 1
            engkpi_kpi_previous_ratio{kpi="incident_frequency",scope="org",window="30d"} 3"#]]
        .assert_eq(
            &[
                month("engkpi_incident_frequency_incidents"),
                month("engkpi_kpi_samples"),
                month("engkpi_kpi_confidence_bound"),
                month("engkpi_kpi_status"),
                month("engkpi_kpi_previous_ratio"),
            ]
            .join("\n"),
        );
    }

    #[test]
    fn a_team_has_a_team_label_and_a_service_both() {
        let text = text(&published(STORY));
        let of = |needle: &str| {
            let all = samples(&text, "engkpi_incident_frequency_incidents");
            let found = all.into_iter().find(|it| it.contains(needle));
            found.unwrap_or_else(|| panic!("no series with {needle} in\n{text}")).to_owned()
        };
        let team = of(r#"scope="team",team="blue",window="90d""#);
        assert!(team.ends_with(" 2"), "{team}");
        let service = of(r#"scope="service",service="web",team="blue",window="30d""#);
        assert!(service.ends_with(" 2"), "{service}");
    }

    #[test]
    fn what_is_undefined_has_no_series_and_an_n_of_zero() {
        let text = text(&published(STORY));
        let of = |family: &str, stat: &str| {
            let all = samples(&text, family).into_iter();
            let www = all.filter(|it| it.contains(r#"service="www""#) && it.contains(stat));
            www.map(str::to_owned).collect::<Vec<_>>()
        };
        let median = r#"stat="median""#;
        assert_eq!(of("engkpi_incident_recovery_time_seconds", median), Vec::<String>::new());
        let n = of("engkpi_kpi_samples", r#"kpi="incident_recovery_time""#);
        assert!(!n.is_empty() && n.iter().all(|it| it.ends_with(" 0")), "{n:?}");
        assert!(!text.contains("NaN"), "nothing undefined is written");
    }

    #[test]
    fn only_history_has_periods_and_it_reaches_back_a_year() {
        let text = text(&published(STORY));
        let all = samples(&text, "engkpi_incident_frequency_incidents");
        let history: Vec<_> = all.iter().filter(|it| it.contains("period=")).collect();
        assert!(history.iter().all(|it| it.contains("_history\"")), "{history:?}");
        let of = |needle: &str| history.iter().filter(|it| it.contains(needle)).count();
        assert_eq!(of(r#"scope="org",window="month_history""#), 13);
        assert_eq!(of(r#"scope="org",window="quarter_history""#), 8);
        assert_eq!(of(r#"scope="service""#), 0, "services have history only by configuration");
        assert_eq!(of(r#"period="2026-03",scope="org""#), 1);
    }

    #[test]
    fn what_is_about_the_present_has_no_window() {
        let text = text(&published(STORY));
        let open = samples(&text, "engkpi_incidents_open");
        assert!(!open.is_empty() && open.iter().all(|it| !it.contains("window=")), "{open:?}");
    }

    #[test]
    fn services_and_the_history_of_teams_have_only_the_value_that_the_target_names() {
        let text = text(&published(STORY));
        let recovery = "engkpi_incident_recovery_time_seconds";
        for (family, own) in [(recovery, ""), ("engkpi_kpi_samples", "incident_recovery_time")] {
            let all = samples(&text, family);
            let of = |needles: [&str; 2]| {
                let found = all.iter().filter(|it| it.contains(own));
                let found = found.filter(|it| needles.iter().all(|needle| it.contains(needle)));
                let medians = found.clone().filter(|it| it.contains(r#"stat="median""#)).count();
                (medians > 0, found.count() > medians)
            };
            assert_eq!(of([r#"scope="service""#, ""]), (true, false), "{family}");
            assert_eq!(of([r#"scope="team""#, "period="]), (true, false), "{family}");
            assert_eq!(of([r#"scope="team""#, r#"window="90d""#]), (true, true), "{family}");
            assert_eq!(of([r#"scope="org""#, "period="]), (true, true), "{family}");
        }
        for family in
            ["engkpi_kpi_previous_ratio", "engkpi_kpi_coverage_ratio", "engkpi_kpi_excluded_items"]
        {
            let all = samples(&text, family);
            assert!(all.iter().all(|it| !it.contains(r#"scope="service""#)), "{all:?}");
        }
        let open = samples(&text, "engkpi_kpi_open_items");
        assert!(!open.is_empty() && open.iter().all(|it| !it.contains("period=")), "{open:?}");
    }

    #[test]
    fn a_complete_rendering_leaves_nothing_out() {
        let evaluation = published(STORY);
        let rendered = render(&evaluation, &Options::complete());
        let text = String::from_utf8(rendered.text).unwrap();
        let of = |family: &str, needle: &str| {
            samples(&text, family).into_iter().filter(|it| it.contains(needle)).count()
        };
        let service = r#"scope="service""#;
        assert!(of("engkpi_kpi_previous_ratio", service) > 0);
        assert!(of("engkpi_incident_frequency_incidents_by_severity", "period=") > 0);
        let counted: usize = family_names().iter().map(|name| samples(&text, name).len()).sum();
        assert_eq!(counted, rendered.series);
        promtool(&text);
    }

    #[test]
    fn help_says_that_values_are_cached() {
        let evaluation = published(STORY);
        let options = Options { every: Duration::from_secs(90), ..Options::default() };
        let text = String::from_utf8(render(&evaluation, &options).text).unwrap();
        let help: Vec<_> = text.lines().filter(|it| it.starts_with("# HELP")).collect();
        assert!(help.len() > 10, "{text}");
        for line in help {
            assert!(line.ends_with("(cached; evaluated every 90s)"), "{line}");
        }
    }

    #[test]
    fn a_name_cannot_break_out_of_its_label() {
        let mut evaluation = published(STORY);
        Arc::make_mut(&mut evaluation.names).teams[1] = "blue\"} 1\nevil{x=\"y\u{7}\0".to_owned();
        let text = text(&evaluation);
        assert!(text.lines().all(|line| !line.starts_with("evil")), "no injected series");
        assert!(text.contains(r#"team="blue\"} 1evil{x=\"y""#), "control characters are gone");
        assert!(text.contains(r#"team="\"red\"\\""#), "quotes and backslashes are escaped");
        promtool(&text);
    }

    #[test]
    fn long_names_are_cut_and_those_that_become_equal_are_counted() {
        let mut evaluation = published(STORY);
        let long = |end: &str| format!("{}{end}", "x".repeat(MAX_LABEL));
        for (number, end) in (1..).zip(["a", "b"]) {
            let labels = vec![("repository", long(end)), ("outcome", "accepted".to_owned())];
            Arc::make_mut(&mut evaluation.facts).push(FactCount {
                family: "engkpi_decisions",
                labels,
                count: number,
            });
        }
        let rendered = render(&evaluation, &Options::default());
        assert_eq!(rendered.dropped, [("engkpi_decisions".to_owned(), 1)]);
        let text = String::from_utf8(rendered.text).unwrap();
        let decisions = samples(&text, "engkpi_decisions");
        assert_eq!(decisions.len(), 1, "{decisions:?}");
        assert!(decisions[0].contains(&format!("\"{}\"", "x".repeat(MAX_LABEL))));
        promtool(&text);
    }

    #[test]
    fn a_family_over_its_cap_keeps_the_organisation_and_counts_the_rest() {
        let evaluation = published(STORY);
        let all = text(&evaluation);
        let family = "engkpi_incident_frequency_incidents";
        let org = |text: &str| {
            let lines = samples(text, family).into_iter();
            lines.filter(|it| it.contains(r#"scope="org""#)).count()
        };
        let cap = org(&all);
        let options = Options { max_series: cap, ..Options::default() };
        let rendered = render(&evaluation, &options);
        let dropped = rendered.dropped.iter().find(|(name, _)| name == family).unwrap().1;
        assert_eq!(usize::try_from(dropped).unwrap(), samples(&all, family).len() - cap);
        assert_eq!(org(std::str::from_utf8(&rendered.text).unwrap()), cap);
    }

    #[test]
    fn the_same_evaluation_is_rendered_the_same_whatever_its_order() {
        let mut evaluation = published(STORY);
        let before = text(&evaluation);
        let mut parts: Vec<Arc<Part>> = evaluation.parts.iter().cloned().collect();
        parts.reverse();
        for part in parts.iter_mut().map(Arc::make_mut) {
            Arc::make_mut(&mut part.readings).reverse();
            Arc::make_mut(&mut part.statuses).reverse();
        }
        evaluation.parts = Parts::of(&evaluation.names, parts);
        Arc::make_mut(&mut evaluation.facts).reverse();
        assert_eq!(text(&evaluation), before);
    }

    #[test]
    fn no_series_is_written_twice() {
        let text = text(&published(STORY));
        let mut seen = BTreeSet::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let series = line.rsplit_once(' ').unwrap().0;
            assert!(seen.insert(series), "{series} twice");
        }
        assert!(seen.len() > 200, "{}", seen.len());
    }

    #[test]
    fn promtool_finds_nothing_to_say() {
        promtool(&text(&published(STORY)));
    }

    /// The lints that are wrong about us, as `.ci/run` says too: it counts the days of a week on
    /// which something was deployed and measures no time.
    const ACCEPTED_LINTS: [&str; 1] =
        [r#"engkpi_deployment_days_per_week use base unit "seconds" instead of "days""#];

    /// Fails with what promtool says, if there is one. `.ci/run` sees to it that there is.
    fn promtool(text: &str) {
        let tool = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut tool = match tool {
            Ok(tool) => tool,
            Err(error) => {
                let required = std::env::var_os("ENGKPI_REQUIRE_TOOLS").is_some();
                assert!(!required, "promtool is needed (Debian's package prometheus): {error}");
                return;
            }
        };
        tool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = tool.wait_with_output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let accepted = |line: &str| line.is_empty() || ACCEPTED_LINTS.contains(&line);
        let wrong: Vec<&str> = said.lines().filter(|line| !accepted(line.trim())).collect();
        assert!(wrong.is_empty(), "promtool says:\n{}", wrong.join("\n"));
        assert!(output.status.success() || !said.trim().is_empty(), "promtool failed in silence");
    }
}
