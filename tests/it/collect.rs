//! When sources are asked, and what becomes of their answers. Time stands still except where a
//! test waits, so that days pass in a moment.

mod scripted;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Once};
use std::time::Duration;

use engkpi::collect::{Collector, PassError, SyncError};
use engkpi::domain::Kind;
use engkpi::source::{PollReport, SourceError};
use engkpi::store::{SourceState, Store, StoreError};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::filter::{LevelFilter, dynamic_filter_fn};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};

use crate::store::memory::MemoryStore;
use crate::store::sample::{at, incident};
use scripted::{Act, Stage};

const GRACE: Duration = Duration::from_secs(5);

/// Lets the daemon's collection run for so many seconds, then stops it.
async fn run_for(stage: &Stage, seconds: u64) {
    run(&stage.collector(), seconds).await;
}

async fn run(collector: &Arc<Collector>, seconds: u64) {
    let stop = CancellationToken::new();
    let running = tokio::spawn({
        let (collector, stop) = (collector.clone(), stop.clone());
        async move { collector.run(stop, GRACE).await }
    });
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    stop.cancel();
    running.await.unwrap();
}

fn transient() -> Act {
    Act::Fail(SourceError::Transient("502 Bad Gateway".to_owned()))
}

fn unauthorized() -> Act {
    Act::Fail(SourceError::Unauthorized("the token has expired".to_owned()))
}

/// Seconds between one and the next.
fn pauses(times: &[u64]) -> Vec<u64> {
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

/// Whether `pause` is `wanted`, up to a tenth (and a second of rounding) longer.
fn is_about(pause: u64, wanted: u64) -> bool {
    (wanted..=wanted + wanted / 10 + 1).contains(&pause)
}

/// Log lines that this thread writes while it lives.
struct Log;

thread_local! {
    static HEARD: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Writes down what is said in a thread that listens.
struct Listener;

impl Write for Listener {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        HEARD.with_borrow_mut(|heard| heard.as_mut().map_or(Ok(text.len()), |it| it.write(text)))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Listens from now on. There is one subscriber for all threads: with one for each, a place that
    /// first logs in a thread that has none would be taken for silent by all.
    fn capture() -> Self {
        static LISTENING: Once = Once::new();
        LISTENING.call_once(|| {
            let is_heard = dynamic_filter_fn(|_, _| HEARD.with_borrow(Option::is_some));
            let layer = tracing_subscriber::fmt::layer()
                .with_ansi(false)
                .without_time()
                .with_writer(|| Listener)
                .with_filter(is_heard.with_max_level_hint(LevelFilter::INFO));
            tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer))
                .expect("nobody else listens in this process");
            // For places that logged first just before.
            tracing::callsite::rebuild_interest_cache();
        });
        HEARD.set(Some(Vec::new()));
        Self
    }

    fn lines(&self, level: &str) -> Vec<String> {
        let text = HEARD.with_borrow(|heard| String::from_utf8(heard.clone().unwrap()).unwrap());
        text.lines()
            .filter(|line| line.trim_start().starts_with(level))
            .map(str::to_owned)
            .collect()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        HEARD.set(None);
    }
}

#[tokio::test(start_paused = true)]
async fn every_source_is_polled_on_its_own_schedule() {
    let mut stage = Stage::new();
    let often = stage.source("often", 60, vec![]);
    let rarely = stage.source("rarely", 1_200, vec![]);
    run_for(&stage, 3_600).await;
    assert!(often.polled()[0] <= 2, "the first poll comes at once");
    assert!(pauses(&often.polled()).iter().all(|pause| is_about(*pause, 60)));
    assert!(pauses(&rarely.polled()).iter().all(|pause| is_about(*pause, 1_200)));
    assert!((54..=61).contains(&often.polled().len()), "{:?}", often.polled());
    assert!((3..=4).contains(&rarely.polled().len()), "{:?}", rarely.polled());
    assert_eq!((stage.up("often"), stage.up("rarely")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_never_ends_makes_no_other_source_wait() {
    let mut stage = Stage::new();
    let stuck = stage.source("stuck", 60, vec![Act::Hang]);
    let other = stage.source("other", 60, vec![]);
    run_for(&stage, 3_600).await;
    assert_eq!(stuck.polled().len(), 1);
    assert!(other.polled().len() >= 54);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_panics_is_asked_again_and_harms_no_other() {
    let mut stage = Stage::new();
    let clumsy = stage.source("clumsy", 60, vec![Act::Panic, Act::Panic]);
    let other = stage.source("other", 60, vec![]);
    run_for(&stage, 45).await;
    assert_eq!((stage.up("clumsy"), stage.up("other")), (0, 1));
    run_for(&stage, 600).await;
    assert!(clumsy.polled().len() > 5);
    assert!(other.polled().len() > 5);
    assert_eq!(stage.up("clumsy"), 1);
}

#[tokio::test(start_paused = true)]
async fn after_a_long_poll_there_is_a_breath() {
    let mut stage = Stage::new();
    let slow = Act::After(Duration::from_secs(1_000), Box::new(Act::Deliver(vec![])));
    let source = stage.source("slow", 60, vec![slow]);
    run_for(&stage, 1_030).await;
    assert!(is_about(pauses(&source.polled())[0], 1_006), "{:?}", source.polled());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_asked_while_a_vendor_wants_us_to_wait() {
    let mut stage = Stage::new();
    let source = stage.source("limited", 60, vec![Act::Limited(1_500), Act::Limited(1_600)]);
    let other = stage.source("other", 60, vec![]);
    run_for(&stage, 3_000).await;
    let polled = source.polled();
    assert!(is_about(polled[1], 1_500), "{polled:?}");
    assert!(polled[2] >= 1_600, "{polled:?}");
    assert!(other.polled().len() > 40, "another source goes on");
    let waited = &stage.telemetry.source_rate_limit_wait_seconds_total;
    assert!(waited.with_label_values(&["limited"]).get() >= 1_400.0);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_makes_no_sense_is_bounded_on_both_sides() {
    let mut stage = Stage::new();
    let year_4000 = 64_000_000_000;
    let source = stage.source("odd", 60, vec![Act::Limited(year_4000), Act::Limited(-500)]);
    run_for(&stage, 2 * 3_600).await;
    let pauses = pauses(&source.polled());
    assert!(is_about(pauses[0], 3_600), "{pauses:?}");
    assert!(pauses[1] >= 1, "{pauses:?}");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_fails_is_tried_ever_more_rarely_and_recovers_by_itself() {
    let log = Log::capture();
    let mut stage = Stage::new();
    let source = stage.source("shaky", 60, (0..6).map(|_| transient()).collect());
    let collector = stage.collector();
    run(&collector, 1_800).await;
    let waits = pauses(&source.polled());
    for (wait, wanted) in waits.iter().zip([30, 60, 120, 240, 480, 900]) {
        assert!(is_about(*wait, wanted), "{waits:?}");
    }
    assert_eq!(stage.up("shaky"), 0);
    assert_eq!(log.lines("WARN").len(), 1, "a failure is told once: {:?}", log.lines("WARN"));
    run_for(&stage, 600).await;
    assert_eq!(stage.up("shaky"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_tried_rarely_and_a_new_one_is_noticed() {
    let log = Log::capture();
    let mut stage = Stage::new();
    let source = stage.source("github", 60, (0..4).map(|_| unauthorized()).collect());
    run_for(&stage, 2 * 3_600).await;
    let waits = pauses(&source.polled());
    assert!(waits[..4].iter().all(|wait| is_about(*wait, 900)), "{waits:?}");
    assert!(waits[4..].iter().all(|wait| is_about(*wait, 60)), "{waits:?}");
    assert_eq!(stage.up("github"), 1);
    let errors = log.lines("ERROR");
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].contains("the token has expired"), "{errors:?}");
    assert!(log.lines("INFO").iter().any(|line| line.contains("read again")));
}

#[tokio::test(start_paused = true)]
async fn how_a_source_fared_is_kept_and_shown_again_after_a_restart() {
    let store = Arc::new(MemoryStore::default());
    let mut stage = Stage::with(store.clone());
    stage.source("github", 600, vec![Act::Deliver(vec![]), unauthorized()]);
    run_for(&stage, 1_000).await;
    let state = store.source_state(&"github".into()).await.unwrap();
    let first = state.last_success.unwrap();
    assert!(first <= at(2), "a failed poll is no success: {state:?}");
    assert_eq!(state.data_through, Some(first));

    let mut stage = Stage::with(store);
    stage.source("github", 600, vec![Act::Hang]);
    run_for(&stage, 10).await;
    for gauge in [
        &stage.telemetry.source_last_success_timestamp_seconds,
        &stage.telemetry.source_data_through_timestamp_seconds,
    ] {
        let shown = gauge.with_label_values(&["github"]).get();
        assert!((shown - first.timestamp_millis() as f64 / 1000.0).abs() < 1e-3, "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn ids_are_compared_once_a_day_restarts_or_not() {
    let store = Arc::new(MemoryStore::default());
    let mut compared = Vec::new();
    for _ in 0..8 {
        let mut stage = Stage::with(store.clone());
        let source = stage.source("github", 600, vec![]);
        // Each clock starts at the same time, so the past moves back instead.
        run_for(&stage, 6 * 3_600).await;
        compared.push(source.reconciled().len());
        let name = "github".into();
        let mut state = store.source_state(&name).await.unwrap();
        state.last_reconciled = state.last_reconciled.map(|it| it - chrono::TimeDelta::hours(6));
        store.set_source_state(&name, &state).await.unwrap();
    }
    assert_eq!(compared.iter().sum::<usize>(), 1, "{compared:?}: two days, the first has none");
    assert_eq!(compared[0], 0, "a first pass has nothing to compare");
}

#[tokio::test(start_paused = true)]
async fn a_comparison_that_fails_is_tried_again_in_an_hour_and_the_source_stays_up() {
    let mut stage = Stage::new();
    let source =
        stage.reconciled_source("github", 600, vec![], 7_200, vec![transient(), transient()]);
    run_for(&stage, 5 * 3_600).await;
    let compared = source.reconciled();
    assert_eq!(compared.len(), 3, "{compared:?}");
    assert!(compared[0] >= 7_200);
    assert!(pauses(&compared).iter().all(|it| (3_600..=4_300).contains(it)), "{compared:?}");
    assert_eq!(stage.up("github"), 1);
    assert!(source.polled().len() > 25, "polls go on");
}

#[tokio::test(start_paused = true)]
async fn evaluation_hears_of_rows_and_of_how_far_they_reach() {
    let mut stage = Stage::new();
    let facts = || vec![incident("Q1", 1, "P1")];
    let deliver =
        |seconds| Act::After(Duration::from_secs(seconds), Box::new(Act::Deliver(facts())));
    let stay = |seconds, then| Act::After(Duration::from_secs(seconds), Box::new(then));
    let first = Act::DeliverThen(facts(), Box::new(stay(100, Act::Deliver(vec![]))));
    stage.source("github", 600, vec![first, deliver(10), Act::Hang]);
    let collector = stage.collector();
    let mut landed = collector.landed();
    let mut ticks = Vec::new();
    let listening = async {
        loop {
            landed.changed().await.unwrap();
            ticks.push(stage.clock.seconds());
        }
    };
    tokio::select! {
        () = listening => {}
        () = run(&collector, 2_000) => {}
    }
    assert_eq!(ticks.len(), 3, "{ticks:?}: rows, the end of that pass, the end of the next");
    assert!(ticks[0] <= 2 && is_about(ticks[1], 100), "{ticks:?}");
}

#[tokio::test(start_paused = true)]
async fn items_are_counted_by_what_became_of_them() {
    let mut stage = Stage::new();
    let mut report = PollReport { gaps: 2, ..PollReport::default() };
    report.reject(Kind::Deployment);
    let polls = vec![
        Act::Deliver(vec![incident("Q1", 1, "P1"), incident("Q2", 1, "P1")]),
        Act::Deliver(vec![incident("Q1", 1, "P1"), incident("Q2", 2, "P1")]),
        Act::Report(report),
    ];
    stage.source("pagerduty", 60, polls);
    run_for(&stage, 300).await;
    let items = &stage.telemetry.source_items_total;
    let count =
        |kind: &str, result: &str| items.with_label_values(&["pagerduty", kind, result]).get();
    assert_eq!(count("incident", "new"), 2);
    assert_eq!(count("incident", "changed"), 1);
    assert_eq!(count("incident", "unchanged"), 1);
    assert_eq!(count("deployment", "rejected"), 1);
    let gaps = &stage.telemetry.source_gap_suspected_total;
    assert_eq!(gaps.with_label_values(&["pagerduty"]).get(), 2);
    let polls = &stage.telemetry.source_poll_duration_seconds;
    assert!(polls.with_label_values(&["pagerduty"]).get_sample_count() >= 4);
}

#[tokio::test(start_paused = true)]
async fn a_warning_is_told_once_until_it_is_gone() {
    let log = Log::capture();
    let mut stage = Stage::new();
    let odd = || {
        let warnings = vec!["issues of acme/shop: switched off".to_owned()];
        Act::Report(PollReport { warnings, ..PollReport::default() })
    };
    stage.source("github", 60, vec![odd(), odd(), odd(), Act::Deliver(vec![]), odd()]);
    run_for(&stage, 600).await;
    assert_eq!(log.lines("WARN").len(), 2, "{:?}", log.lines("WARN"));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_is_told_once_and_tried_until_it_works() {
    let log = Log::capture();
    let mut stage = Stage::new();
    let deliver = || Act::Deliver(vec![incident("Q1", 1, "P1")]);
    let one = stage.source("one", 60, (0..50).map(|_| deliver()).collect());
    let two = stage.source("two", 60, (0..50).map(|_| deliver()).collect());
    let collector = stage.collector();
    let full = || StoreError::Unavailable("engkpi.db: the disk is full".to_owned());
    stage.store.set_outage(Some(full));
    run(&collector, 600).await;
    assert_eq!((stage.up("one"), stage.up("two")), (0, 0));
    let errors = log.lines("ERROR");
    assert_eq!(errors.len(), 1, "two sources, one store: {errors:?}");
    assert!(errors[0].contains("the disk is full"), "{errors:?}");
    assert_eq!(log.lines("WARN"), [""; 0]);
    let failures = stage.telemetry.store_errors_total.get();
    assert!((10..40).contains(&failures), "{failures} tries in ten minutes");
    assert!(one.polled().is_empty() && two.polled().is_empty(), "no vendor is asked in vain");

    stage.store.set_outage(None);
    run(&collector, 400).await;
    assert_eq!((stage.up("one"), stage.up("two")), (1, 1));
    assert_eq!(stage.store.counts().await.unwrap(), BTreeMap::from([(Kind::Incident, 2)]));
    let told = log.lines("INFO");
    assert_eq!(
        told.iter().filter(|line| line.contains("store works again")).count(),
        1,
        "{told:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn stopping_while_nothing_is_read_takes_no_time() {
    let mut stage = Stage::new();
    stage.source("github", 600, vec![]);
    run_for(&stage, 60).await;
    assert_eq!(stage.clock.seconds(), 60);
}

#[tokio::test(start_paused = true)]
async fn stopping_lets_a_poll_finish_within_its_grace() {
    let mut stage = Stage::new();
    let nearly = Act::Deliver(vec![incident("Q1", 1, "P1")]);
    stage.source("github", 600, vec![Act::After(Duration::from_secs(62), Box::new(nearly))]);
    run_for(&stage, 60).await;
    assert!((62..=64).contains(&stage.clock.seconds()), "{}", stage.clock.seconds());
    assert_eq!(stage.store.counts().await.unwrap()[&Kind::Incident], 1);
}

#[tokio::test(start_paused = true)]
async fn stopping_gives_a_long_poll_up_after_its_grace() {
    let mut stage = Stage::new();
    stage.source(
        "github",
        600,
        vec![Act::DeliverThen(vec![incident("Q1", 1, "P1")], Box::new(Act::Hang))],
    );
    run_for(&stage, 60).await;
    assert_eq!(stage.clock.seconds(), 60 + GRACE.as_secs());
    assert_eq!(stage.store.counts().await.unwrap()[&Kind::Incident], 1, "what landed stays");
    let state = stage.store.source_state(&"github".into()).await.unwrap();
    assert_eq!(state, SourceState::default(), "half a pass is no success");
}

#[tokio::test(start_paused = true)]
async fn a_sync_is_one_pass_of_every_source_side_by_side() {
    let mut stage = Stage::new();
    let slow =
        |seconds| vec![Act::After(Duration::from_secs(seconds), Box::new(Act::Deliver(vec![])))];
    let one = stage.source("one", 60, slow(100));
    let two = stage.source("two", 60, slow(150));
    let synced = stage.collector().sync(CancellationToken::new()).await;
    assert_eq!(stage.clock.seconds(), 150, "the slowest decides");
    let summary: Vec<_> = synced
        .iter()
        .map(|it| (it.source.as_str(), it.took.as_secs(), it.result.is_ok()))
        .collect();
    assert_eq!(summary, [("one", 100, true), ("two", 150, true)]);
    assert_eq!((one.polled().len(), two.polled().len()), (1, 1));
    let state = stage.store.source_state(&"one".into()).await.unwrap();
    assert_eq!(state.last_success, Some(at(0)));
}

#[tokio::test(start_paused = true)]
async fn a_sync_waits_rate_limits_out_and_goes_on() {
    let mut stage = Stage::new();
    let first = Act::DeliverThen(vec![incident("Q1", 1, "P1")], Box::new(Act::Limited(3_000)));
    let then = Act::Limited(5_000);
    let last = Act::Deliver(vec![incident("Q2", 1, "P1")]);
    let source = stage.source("github", 60, vec![first, then, last]);
    let synced = stage.collector().sync(CancellationToken::new()).await;
    assert!(synced[0].result.is_ok(), "{synced:?}");
    assert_eq!(source.polled(), [0, 3_000, 5_000]);
    assert_eq!(stage.store.counts().await.unwrap()[&Kind::Incident], 2);
}

#[tokio::test(start_paused = true)]
async fn a_sync_tries_again_what_may_pass_and_gives_up_in_the_end() {
    let mut stage = Stage::new();
    let shaky = stage.source("shaky", 60, vec![transient(), transient()]);
    let broken = stage.source("broken", 60, (0..100).map(|_| transient()).collect());
    let synced = stage.collector().sync(CancellationToken::new()).await;
    assert!(matches!(
        &synced[0].result,
        Err(SyncError::Failed(PassError::Source(SourceError::Transient(_))))
    ));
    assert!(synced[1].result.is_ok());
    assert_eq!(shaky.polled(), [0, 2, 6]);
    assert_eq!(broken.polled(), [0, 2, 6, 14, 30]);
}

#[tokio::test(start_paused = true)]
async fn a_sync_that_comes_nearer_to_its_end_may_fail_as_often_as_it_takes() {
    let mut stage = Stage::new();
    let page =
        |n: i64| Act::DeliverThen(vec![incident(&format!("Q{n}"), n, "P1")], Box::new(transient()));
    let source = stage.source("long", 60, (0..20).map(page).collect());
    let synced = stage.collector().sync(CancellationToken::new()).await;
    assert!(synced[0].result.is_ok(), "{synced:?}");
    assert_eq!(source.polled().len(), 21);
    assert_eq!(stage.store.counts().await.unwrap()[&Kind::Incident], 20);
}

#[tokio::test(start_paused = true)]
async fn a_sync_gives_up_at_once_what_waiting_will_not_mend_and_completes_the_rest() {
    let mut stage = Stage::new();
    let refused = stage.source("refused", 60, (0..10).map(|_| unauthorized()).collect());
    stage.source(
        "slow",
        60,
        vec![Act::After(Duration::from_secs(90), Box::new(Act::Deliver(vec![])))],
    );
    let synced = stage.collector().sync(CancellationToken::new()).await;
    let error = synced[0].result.as_ref().unwrap_err().to_string();
    assert!(error.contains("the token has expired"), "{error}");
    assert_eq!(refused.polled(), [0]);
    assert!(synced[1].result.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_sync_compares_ids_when_that_is_due() {
    let store = Arc::new(MemoryStore::default());
    for (days_ago, compared) in [(2, vec![0, 2]), (0, vec![])] {
        let last_reconciled = Some(at(0) - chrono::TimeDelta::days(days_ago));
        let state = SourceState { last_reconciled, ..SourceState::default() };
        store.set_source_state(&"github".into(), &state).await.unwrap();
        let mut stage = Stage::with(store.clone());
        let source = stage.reconciled_source("github", 60, vec![], 86_400, vec![transient()]);
        let synced = stage.collector().sync(CancellationToken::new()).await;
        assert!(synced[0].result.is_ok(), "{synced:?}");
        assert_eq!(source.reconciled(), compared);
    }
}

#[tokio::test(start_paused = true)]
async fn a_sync_can_be_stopped_and_keeps_what_it_has() {
    let mut stage = Stage::new();
    let half = Act::DeliverThen(vec![incident("Q1", 1, "P1")], Box::new(Act::Hang));
    stage.source("github", 60, vec![half]);
    let stop = CancellationToken::new();
    let collector = stage.collector();
    let (synced, ()) = tokio::join!(collector.sync(stop.clone()), async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        stop.cancel();
    });
    assert!(matches!(synced[0].result, Err(SyncError::Stopped)), "{synced:?}");
    assert_eq!(stage.clock.seconds(), 10);
    assert_eq!(stage.store.counts().await.unwrap()[&Kind::Incident], 1);
}
