//! What is asked for changes. Until it has been collected, nobody knows.

use chrono::Duration;

use super::world;
use crate::installation::{Installation, Scrape};

fn deployments(scrape: &Scrape) -> Option<f64> {
    scrape.value("engkpi_kpi_samples", &[("kpi", "deployment_frequency"), ("window", "30d")])
}

fn no_data(scrape: &Scrape) -> bool {
    let labels = [("kpi", "deployment_frequency"), ("window", "30d"), ("state", "no_data")];
    scrape.value("engkpi_kpi_status", &labels) == Some(1.0)
}

async fn collected() -> Installation {
    let mut world = world();
    let shop = world.repository_mut("shop");
    let sha = shop.pushes[0].1.clone();
    let yesterday = world.now.instant() - Duration::days(1);
    world.repository_mut("shop").deployed("production", &sha, yesterday);
    let site = Installation::of(world).await;
    site.sync().await;
    assert_eq!(deployments(&site.scrape().await), Some(1.0));
    site
}

#[tokio::test]
async fn more_history_than_was_collected_is_no_data_until_it_is() {
    let mut site = collected().await;
    site.params.sources[0].history_start -= Duration::days(365);
    let before = site.scrape().await;
    assert_eq!(deployments(&before), None, "nothing of the year before is in the store yet");
    assert!(no_data(&before));
    site.sync().await;
    assert_eq!(deployments(&site.scrape().await), Some(1.0));
}

#[tokio::test]
async fn a_part_that_was_not_asked_for_is_no_data_until_it_is_collected() {
    let mut site = collected().await;
    site.params.sources[0].parts.insert("acme/shop: releases".to_owned());
    assert!(no_data(&site.scrape().await));
    site.sync().await;
    assert_eq!(deployments(&site.scrape().await), Some(1.0));
}

#[tokio::test]
async fn to_ask_for_less_leaves_what_is_known() {
    let mut site = collected().await;
    site.params.sources[0].history_start += Duration::days(1);
    assert_eq!(deployments(&site.scrape().await), Some(1.0));
}
