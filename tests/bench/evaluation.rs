//! `cargo bench --bench evaluation [-- --short] [--store FOLDER] [--landings NUMBER] [--text FILE]`:
//! what evaluating a large organisation costs, from the store to the text of /metrics, and how soon
//! news is in it.
//!
//! The measured process is this program again, so that what it takes to make up the facts is not in
//! its memory. `--store` keeps the facts in a folder for the next run; `--text` keeps what /metrics
//! says before anything lands, so that two versions of the program can be compared. Nothing is asserted about
//! time: the machine may be busy. What processors spent is printed too: on one that is, waiting is
//! most of the time.

mod organisation;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

use engkpi::clock::ManualClock;
use engkpi::config::Config;
use engkpi::evaluate::{Evaluator, Loop};
use engkpi::http::{Exposition, Renderer};
use engkpi::kpi::params::SourceParams;
use engkpi::output::exposition;
use engkpi::store::sqlite::SqliteStore;
use engkpi::store::{Access, Batch, SharedStore, SourceState, Store as _};
use engkpi::telemetry::Telemetry;
use tikv_jemallocator::Jemalloc;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use organisation::Size;

/// That of the program, with its settings.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

#[expect(unsafe_code, reason = "the allocator reads its settings from a symbol of this name")]
#[unsafe(export_name = "_rjem_malloc_conf")]
static ALLOCATOR_SETTINGS: &[u8] = b"dirty_decay_ms:300,muzzy_decay_ms:0\0";

type Outcome<T> = Result<T, Box<dyn Error>>;

/// What the first process says to the second.
const MEASURE: &str = "--measure";

/// How often something lands, unless `--landings` says it.
const LANDINGS: u64 = 7;

#[expect(clippy::print_stderr, reason = "whoever runs it reads why there are no figures")]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let asked = |flag: &str| arguments.iter().any(|it| it == flag);
    let value = |flag: &str| {
        let at = arguments.iter().position(|it| it == flag)?;
        arguments.get(at + 1).map(PathBuf::from)
    };
    // `cargo bench` passes --bench; whoever runs it otherwise only wants to know that it works.
    let short = asked("--short") || !(asked("--bench") || asked(MEASURE));
    let size = if short { Size::SHORT } else { Size::FULL };
    let landings = value("--landings").and_then(|it| it.to_str()?.parse().ok());
    let landings = landings.unwrap_or(LANDINGS).max(1);
    let result = match value(MEASURE) {
        Some(folder) => in_runtime(measure(&folder, size, landings, value("--text"))),
        None => prepare_and_measure(size, value("--store"), landings, value("--text")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn in_runtime<T>(work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    tokio::runtime::Runtime::new()?.block_on(work)
}

/// Makes the facts up and lets another process measure.
fn prepare_and_measure(
    size: Size,
    kept: Option<PathBuf>,
    landings: u64,
    text: Option<PathBuf>,
) -> Outcome<()> {
    let temporary = tempfile::tempdir()?;
    let folder = kept.unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&folder)?;
    if !store_path(&folder).exists() {
        in_runtime(fill(&folder, size))?;
    }
    let mut child = Command::new(std::env::current_exe()?);
    child.arg(MEASURE).arg(&folder).args(["--landings", &landings.to_string()]);
    if size.services == Size::SHORT.services {
        child.arg("--short");
    }
    if let Some(text) = text {
        child.arg("--text").arg(text);
    }
    let status = child.status()?;
    if status.success() { Ok(()) } else { Err(format!("measuring ended with {status}").into()) }
}

fn store_path(folder: &Path) -> PathBuf {
    folder.join("engkpi.db")
}

async fn fill(folder: &Path, size: Size) -> Outcome<()> {
    // A run that is cut short leaves no store that looks complete.
    let unfinished = folder.join("unfinished.db");
    let store = SqliteStore::open(&unfinished, Access::Write).await?;
    for service in 0..size.services {
        let facts = organisation::facts(service, size);
        for source in [organisation::code(), organisation::incidents()] {
            let own = facts.iter().filter(|(it, _)| *it == source).map(|(_, fact)| fact.clone());
            store.commit(&source, Batch { facts: own.collect(), ..Batch::default() }).await?;
        }
    }
    store.close().await;
    Ok(std::fs::rename(unfinished, store_path(folder))?)
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
async fn measure(folder: &Path, size: Size, landings: u64, text: Option<PathBuf>) -> Outcome<()> {
    let clock = Arc::new(ManualClock::at(organisation::now()));
    let settings = ("bench.toml".to_owned(), organisation::configuration(size));
    let config = Config::parse(&[settings], [], organisation::now())?;
    let store: SharedStore = Arc::new(SqliteStore::open(&store_path(folder), Access::Write).await?);
    let sources = config.params.sources.clone();
    see_everything(&store, &sources, organisation::now()).await?;
    // What landed in a store that was kept is no news any more.
    let earlier =
        (0..size.services).map(|service| organisation::news(service, organisation::now()));
    let removed = earlier.map(|it| it.key(&organisation::code())).collect();
    store.commit(&organisation::code(), Batch { removed, ..Batch::default() }).await?;
    let facts: u64 = store.counts().await?.values().sum();
    let before = resident("VmRSS:");
    let evaluator = Arc::new(Evaluator::new(Arc::clone(&store), Arc::new(config.params)));

    let started = Instant::now();
    evaluator.load().await?;
    let loaded = started.elapsed();
    let timeline = resident("VmRSS:") - before;
    let loaded_peak = resident("VmHWM:");

    let (started, spent) = (Instant::now(), processor());
    let evaluation = evaluator.evaluate(config.evaluate.plan(), organisation::now()).await?;
    let (evaluated, spent) = (started.elapsed(), processor() - spent);
    let evaluated_peak = resident("VmHWM:");

    let started = Instant::now();
    let telemetry = Telemetry::new();
    let options = exposition::Options::default();
    let exposition = Exposition::of(Arc::new(evaluation), &options, &telemetry, None);
    let rendered = started.elapsed();
    let series = exposition.rendering().series();
    let bytes: usize = exposition.rendering().texts().map(<[u8]>::len).sum();
    if let Some(text) = text {
        std::fs::write(text, exposition.rendering().texts().collect::<Vec<_>>().concat())?;
    }
    drop(exposition);

    println!(
        "{facts} facts of {} services and {} teams\n\
         \x20 load        {:.2} s; the timeline takes {timeline:.0} MiB\n\
         \x20 evaluation  {:.2} s (goal 3 s), {spent:.2} s of processors\n\
         \x20 rendering   {:.2} s; {series} series (goal below 300000), {:.1} MiB\n\
         \x20 memory      {loaded_peak:.0} MiB at most after loading, {evaluated_peak:.0} after \
         evaluating (goal 400)",
        size.services,
        size.teams,
        loaded.as_secs_f64(),
        evaluated.as_secs_f64(),
        rendered.as_secs_f64(),
        mib(bytes),
    );
    let (landed, receiver) = watch::channel(0);
    let (published, evaluations) = watch::channel(None);
    let (expositions, exposition) = watch::channel(None);
    let stop = CancellationToken::new();
    let interval = config.evaluate.interval();
    let evaluation = Loop {
        evaluator,
        settings: config.evaluate,
        clock: Arc::clone(&clock) as _,
        telemetry: telemetry.clone(),
        landed: receiver,
        published,
    };
    let renderer = Renderer { evaluations, expositions, options, telemetry };
    let tasks =
        [tokio::spawn(evaluation.run(stop.clone())), tokio::spawn(renderer.run(stop.clone()))];
    // Let the loop have its rest, as it has most of the time, but not until it evaluates on its own.
    let rest = (5 * evaluated).min(interval / 2);
    let landing = (size, landings, rest);
    let report = land(&store, &sources, landing, &clock, &landed, exposition).await?;
    stop.cancel();
    for task in tasks {
        task.await?;
    }
    println!(
        "{report}  memory      {:.0} MiB at most with two evaluations, their texts and the loop",
        resident("VmHWM:")
    );
    Ok(())
}

/// Lets one deployment after the other land and waits until /metrics has it.
async fn land(
    store: &SharedStore,
    sources: &[SourceParams],
    (size, landings, rest): (Size, u64, Duration),
    clock: &ManualClock,
    landed: &watch::Sender<u64>,
    mut exposition: watch::Receiver<Option<Arc<Exposition>>>,
) -> Outcome<String> {
    exposition.wait_for(Option::is_some).await?;
    let mut at = organisation::now();
    let (mut service_times, mut org_times) = (Vec::new(), Vec::new());
    let mut work = Vec::new();
    for turn in 0..landings {
        tokio::time::sleep(rest).await;
        let service = (turn * 67 + 3) % size.services;
        at += chrono::Duration::seconds(70);
        clock.set(at + chrono::Duration::seconds(2));
        see_everything(store, sources, at).await?;
        let batch = Batch { facts: vec![organisation::news(service, at)], ..Batch::default() };
        store.commit(&organisation::code(), batch).await?;
        exposition.mark_unchanged();
        let (started, spent) = (Instant::now(), processor());
        landed.send_modify(|ticks| *ticks += 1);
        let value = format!("{}", at.timestamp());
        let of_service = format!("service=\"{}\"", organisation::service_name(service));
        let mut seen = (None, None);
        while seen.0.is_none() || seen.1.is_none() {
            tokio::time::timeout(Duration::from_secs(300), exposition.changed()).await??;
            let after = started.elapsed();
            let shown = exposition.borrow_and_update().clone().ok_or("nothing is shown")?;
            let texts = shown.rendering().texts().filter_map(|it| std::str::from_utf8(it).ok());
            let last =
                texts.filter(|it| it.starts_with("engkpi_last_deployment_timestamp_seconds"));
            for line in last.flat_map(str::lines).filter(|line| line.ends_with(&value)) {
                if line.contains(&of_service) {
                    if seen.0.is_none() {
                        work.push(Duration::from_secs_f64(processor() - spent));
                    }
                    seen.0.get_or_insert(after);
                } else if line.contains("scope=\"org\"") {
                    seen.1.get_or_insert(after);
                }
            }
        }
        service_times.extend(seen.0);
        org_times.extend(seen.1);
    }
    let shown = |mut times: Vec<Duration>| {
        times.sort();
        let ms = |at: usize| times[at].as_secs_f64() * 1e3;
        format!("median {:.0} ms, longest {:.0} ms", ms(times.len() / 2), ms(times.len() - 1))
    };
    Ok(format!(
        "  a deployment is in /metrics\n\
         \x20   for its service       {} (goal 100 ms)\n\
         \x20     of processors       {}\n\
         \x20   for the organisation  {}\n",
        shown(service_times),
        shown(work),
        shown(org_times)
    ))
}

/// Both sources have just seen everything.
async fn see_everything(
    store: &SharedStore,
    sources: &[SourceParams],
    at: engkpi::domain::Instant,
) -> Outcome<()> {
    for source in sources {
        let state = SourceState {
            last_success: Some(at),
            data_through: Some(at),
            last_reconciled: Some(at),
            extent: Some(source.extent()),
        };
        store.set_source_state(&source.name, &state).await?;
    }
    Ok(())
}

fn mib(bytes: usize) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// How long processors have worked for this process, in seconds.
fn processor() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // After the name in brackets the 12th and 13th are what it took, in hundredths of a second.
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields).split(' ');
    fields.skip(11).take(2).filter_map(|it| it.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// A figure of this process's memory, in MiB.
fn resident(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|it| it.trim().trim_end_matches("kB").trim().parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) / 1024.0
}
