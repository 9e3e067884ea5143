//! One source is down for a week: its own KPIs are stale, and nothing else changes by a byte.

use std::collections::{BTreeMap, BTreeSet};

use engkpi::kpi::{self, Kpi, Need, facts};
use engkpi::output::exposition::{self, Options};
use engkpi_fakes::world::Token;
use engkpi_fakes::{GITHUB_TOKEN, PAGERDUTY_TOKEN};

use super::*;

/// Enough of the organisation for every KPI.
const REPOSITORIES: [&str; 3] = ["shop", "mobile-api", "ledger"];

/// Lets a source refuse or miss everything from now on, or lets it be again.
fn switch(site: &Site, source: &str, down: bool) {
    match source {
        "github" => site.fakes.edit(|world| match down {
            true => world.access.github.clear(),
            false => world.access.github.push(Token::full(GITHUB_TOKEN)),
        }),
        "pagerduty" => site.fakes.edit(|world| match down {
            true => world.access.pagerduty.clear(),
            false => world.access.pagerduty.push(PAGERDUTY_TOKEN.to_owned()),
        }),
        "prometheus" => site.fakes.edit(|world| {
            world.metrics.authorization = down.then(|| "another".to_owned());
        }),
        "files" => {
            let (here, away) = (site.path().join("files"), site.path().join("away"));
            let (from, to) = if down { (here, away) } else { (away, here) };
            std::fs::rename(from, to).unwrap();
        }
        other => panic!("say how {other} goes down"),
    }
}

/// The organisation after everything was read once, with a copy of what is stored.
async fn read_once() -> Site {
    let few = |world: &mut World| {
        world.repositories.retain(|it| REPOSITORIES.contains(&it.name.as_str()));
    };
    let site = Site::of(few).await;
    for synced in site.sync(now()).await {
        assert!(synced.result.is_ok(), "{}: {:?}", synced.source, synced.result);
    }
    std::fs::copy(site.path().join("engkpi.db"), site.path().join("copy.db")).unwrap();
    site
}

/// The series of /metrics after another week in which `down` was down.
async fn after_a_week(site: &Site, down: Option<&str>) -> BTreeSet<String> {
    for file in ["engkpi.db-wal", "engkpi.db-shm"] {
        let _ = std::fs::remove_file(site.path().join(file));
    }
    std::fs::copy(site.path().join("copy.db"), site.path().join("engkpi.db")).unwrap();
    if let Some(source) = down {
        switch(site, source, true);
    }
    let end = now() + Duration::days(7);
    for synced in site.sync(end).await {
        let is_down = Some(synced.source.as_str()) == down;
        assert_eq!(synced.result.is_err(), is_down, "{}: {:?}", synced.source, synced.result);
    }
    if let Some(source) = down {
        switch(site, source, false);
    }
    let evaluation = site.evaluate(end).await;
    let text = exposition::render(&evaluation, &Options::default()).text;
    let lines = String::from_utf8(text).unwrap();
    lines.lines().filter(|it| !it.starts_with('#')).map(str::to_owned).collect()
}

/// What a series is about.
enum About {
    /// A KPI's value in one of its families.
    Value(&'static Kpi, &'static kpi::Family),
    /// How a KPI stands, or how sure its value is.
    Kpi(&'static Kpi),
    /// How many facts are known.
    Facts,
}

fn about(line: &str) -> About {
    let name = line.split(['{', ' ']).next().unwrap();
    if facts::FAMILIES.iter().any(|it| it.name == name) {
        return About::Facts;
    }
    let is_beside = |family: &kpi::Family| {
        let stem = name.strip_suffix("_numerator_items").or(name.strip_suffix("_samples"));
        stem.and_then(|stem| family.name.strip_prefix(stem))
            .is_some_and(|end| matches!(end, "_ratio" | "_seconds"))
    };
    for kpi in kpi::ALL {
        let own = kpi.families.iter().find(|family| family.name == name || is_beside(family));
        if let Some(family) = own {
            return About::Value(kpi, family);
        }
        if line.contains(&format!("kpi=\"{}\"", kpi.id)) {
            return About::Kpi(kpi);
        }
    }
    panic!("what is {line} about?");
}

/// The series with the value of its label `state` left out, and that value.
fn state(line: &str) -> Option<(String, String)> {
    let rest = line.strip_prefix("engkpi_kpi_status")?;
    let (before, after) = rest.split_once("state=\"")?;
    let (state, after) = after.split_once('"')?;
    Some((format!("{before}{after}"), state.to_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_down_for_a_week_spoils_nothing_but_its_own() {
    let site = read_once().await;
    let up = after_a_week(&site, None).await;
    assert!(up.len() > 5000, "{}", up.len());
    let sources = site.config(now()).params.sources;
    assert_eq!(sources.len(), 4);
    for (source, feeds) in sources.iter().map(|it| (it.name.as_str(), &it.feeds)) {
        let lines = after_a_week(&site, Some(source)).await;
        let fed = |needs: &[Need]| needs.iter().any(|need| feeds.contains(need));
        let is_own = |kpi: &Kpi| fed(kpi.needs) || fed(kpi.uses);
        // What an error budget burnt while is joined from three sources.
        let joined = fed(&[Need::Deployments, Need::Incidents]);
        let is_own_family = |kpi: &Kpi, family: &kpi::Family| {
            let is_joined = joined && family.name == "engkpi_error_budget_consumed_ratio";
            is_own(kpi) || fed(family.needs) || is_joined
        };
        let states: BTreeMap<String, String> = lines.iter().filter_map(|it| state(it)).collect();
        let mut own = 0;
        for line in &up {
            match about(line) {
                About::Value(kpi, family) if is_own_family(kpi, family) => {
                    assert!(!lines.contains(line), "{source} is down and there is {line}");
                    own += 1;
                }
                About::Kpi(kpi) if is_own(kpi) => {
                    // Which units and groups there are is not known without their values.
                    let Some((series, before)) = state(line).filter(|_| !kpi.is_open()) else {
                        continue;
                    };
                    let after = states.get(&series).map(String::as_str);
                    let expected = if before == "no_data" { "no_data" } else { "stale" };
                    // That a service has no number is said once.
                    let said_once = after.is_none() && line.contains("scope=\"service\"");
                    let named =
                        said_once || after.is_some_and(|it| it == expected || it == "stale");
                    assert!(named, "{source} is down and {line} is {after:?}");
                }
                About::Facts => {}
                About::Value(..) | About::Kpi(_) => {
                    assert!(lines.contains(line), "{source} is down and there is no {line}");
                }
            }
        }
        assert!(own > 50, "{source}: {own} series were its own");
        for kpi in kpi::ALL.iter().filter(|kpi| is_own(kpi)) {
            let of_kpi = format!("kpi=\"{}\"", kpi.id);
            let of_kpi = states.iter().filter(|(series, _)| series.contains(&of_kpi));
            let (of_org, others): (Vec<_>, Vec<_>) =
                of_kpi.partition(|(series, _)| series.contains("scope=\"org\""));
            assert!(!of_org.is_empty(), "{source} is down and nothing is said of {}", kpi.id);
            for (series, state) in of_org.into_iter().chain(others) {
                assert!(matches!(state.as_str(), "stale" | "no_data"), "{series} is {state}");
            }
        }
        for line in &lines {
            let is_new = !up.contains(line);
            match about(line) {
                About::Value(kpi, family) if is_own_family(kpi, family) => {
                    panic!("{source} is down and there is {line}")
                }
                About::Value(..) => assert!(!is_new, "{source} is down and there is {line}"),
                About::Kpi(kpi) => {
                    assert!(!is_new || is_own(kpi), "{source} is down and there is {line}");
                }
                About::Facts => {}
            }
        }
    }
}
