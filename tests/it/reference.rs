//! What is printed from the registry, and what the registry promises.

use std::collections::BTreeSet;

use engkpi::kpi::{ALL, Window, facts};
use engkpi::output::exposition::family_names;
use engkpi::output::{exposition, reference};
use engkpi::telemetry::Telemetry;
use expect_test::expect_file;

/// `UPDATE_EXPECT=1 cargo test --test it reference` writes the file again.
#[test]
fn the_kpi_reference_is_the_one_of_the_registry() {
    expect_file!["../../docs/kpis.md"].assert_eq(&reference::kpis());
}

#[test]
fn ids_and_families_are_named_as_the_contract_says() {
    let mut ids = BTreeSet::new();
    let snake = |name: &str| name.bytes().all(|it| it.is_ascii_lowercase() || it == b'_');
    for kpi in ALL {
        assert!(
            snake(kpi.id) && ids.insert(kpi.id),
            "{:?}: an id is snake_case and unique",
            kpi.id
        );
        assert!(!kpi.families.is_empty(), "{}: declare its own family first", kpi.id);
        assert!(!kpi.definition.ends_with(' ') && kpi.definition.ends_with('.'), "{}", kpi.id);
        for family in kpi.families {
            assert!(family.name.starts_with("engkpi_") && snake(family.name), "{}", family.name);
            assert!(family.help.ends_with('.'), "{}: HELP is a sentence", family.name);
            for suffix in ["_total", "_count", "_sum", "_bucket", "_percent"] {
                assert!(!family.name.ends_with(suffix), "{}: a gauge has no {suffix}", family.name);
            }
        }
    }
    let names = exposition::family_names();
    let distinct: BTreeSet<_> = names.iter().collect();
    assert_eq!(distinct.len(), names.len(), "a family is named twice: {names:#?}");
}

#[test]
fn every_default_window_and_every_target_means_something() {
    for kpi in ALL {
        assert!(Window::parse(kpi.default_window).is_ok(), "{}: {}", kpi.id, kpi.default_window);
        let own = &kpi.families[0];
        assert_eq!(
            own.distribution,
            kpi.target_stat.is_some(),
            "{}: the target of a distribution names a stat, and no other does",
            kpi.id
        );
        for (name, _) in kpi.target_dimensions {
            assert!(own.dimensions.contains(name), "{}: {} has no {name}", kpi.id, own.name);
        }
    }
}

#[test]
fn facts_have_families_of_their_own() {
    let names = exposition::family_names();
    for family in facts::FAMILIES {
        let times = names.iter().filter(|it| *it == family.name).count();
        assert_eq!(times, 1, "{}", family.name);
    }
}

#[test]
fn every_metric_is_documented() {
    let read = |name: &str| {
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/").to_owned() + name)
            .unwrap()
    };
    let documents = read("kpis.md") + &read("metrics.md");
    let own = Telemetry::names().into_iter().filter(|it| !it.starts_with("process_"));
    // What goes with ratios and distributions is described once.
    let beside = |it: &String| {
        it.ends_with("_numerator_items") || (it.ends_with("_samples") && it != "engkpi_kpi_samples")
    };
    let of_kpis = family_names().into_iter().filter(|it| !beside(it));
    let missing: Vec<String> =
        own.chain(of_kpis).filter(|it| !documents.contains(&format!("`{it}`"))).collect();
    assert!(missing.is_empty(), "describe in docs/metrics.md: {missing:?}");
}
