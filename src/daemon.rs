//! The daemon: builds the parts, lets them run side by side, and drains them.

mod sources;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use sources::{build as build_sources, probe as probe_source};

use crate::clock::Clock;
use crate::collect::{self, Collector, LogProgress, Scheduled};
use crate::config::{Config, Problem, Problems};
use crate::evaluate::{Evaluator, Loop};
use crate::http::{self, Bound, Deadlines, Exposition, Renderer, WebConfig};
use crate::output::exposition;
use crate::source::outbound;
use crate::store::{self, SharedStore};
use crate::telemetry::Telemetry;

/// How long running polls and requests may take to end after a stop was asked for.
const GRACE: Duration = Duration::from_secs(10);

/// What the command line says beside the configuration.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Listens here instead of at the configured address.
    pub listen_address: Option<SocketAddr>,
    /// TLS, basic authentication and headers, in the format of Prometheus's exporter-toolkit.
    pub web_config: Option<PathBuf>,
}

/// Why a daemon does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Somebody has to mend the configuration, or what it refers to.
    #[error(transparent)]
    Refused(#[from] Problems),
    /// These sources cannot be made of their settings: each with its name and the reason.
    #[error("{}", .0.join("\n"))]
    Unusable(Vec<String>),
    /// Anything else: it may work another time.
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

/// Reads what a configuration refers to: every secret, and `web`, which holds TLS, basic
/// authentication and headers in the format of Prometheus's exporter-toolkit.
///
/// # Errors
/// Everything that is wrong with them.
pub fn check_referred(config: &Config, web: Option<&Path>) -> Result<WebConfig, Problems> {
    let mut problems = config.check_secrets();
    let web = load_web_config(web).unwrap_or_else(|problem| {
        problems.push(problem);
        WebConfig::default()
    });
    if problems.is_empty() { Ok(web) } else { Err(Problems(problems)) }
}

/// Reads the web configuration if there is one.
///
/// # Errors
/// What is wrong with it.
pub fn load_web_config(file: Option<&Path>) -> Result<WebConfig, Problem> {
    let load =
        |file| WebConfig::load(file).map_err(|it| Problem::of_file(file, format!("{it:#}"), ""));
    file.map_or_else(|| Ok(WebConfig::default()), load)
}

/// A daemon whose listener is bound.
#[derive(Debug)]
pub struct Daemon {
    bound: Bound,
    web: WebConfig,
    work: Work,
}

impl Daemon {
    /// Binds the listener and makes the sources. Nothing has been asked upstream yet, and nothing
    /// has been stored.
    ///
    /// # Errors
    /// When something that the configuration refers to is wrong, or the address is taken.
    pub async fn start(
        config: Config,
        options: &Options,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        let web = check_referred(&config, options.web_config.as_deref())?;
        let telemetry = Telemetry::new();
        let environment = outbound::Environment {
            clock: Arc::clone(&clock),
            telemetry: telemetry.clone(),
            budgets: outbound::Budgets::default(),
        };
        let sources = sources::build(&config, &environment)?;
        let address = options.listen_address.unwrap_or(config.web.listen_address);
        let bound = http::bind(address).await?;
        Ok(Self { bound, web, work: Work { config, sources, clock, telemetry } })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.bound.address
    }

    /// Serves at once, polls and evaluates as soon as the store can be had, until `stop`; then lets
    /// what is running finish.
    ///
    /// # Errors
    /// When the store is in use or unusable, or something does not end in time; nothing is lost
    /// then, because a batch is one transaction.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        // Whatever this ends with, what it began ends too.
        let stop = stop.child_token();
        let _ends = stop.clone().drop_guard();
        let tasks = TaskTracker::new();
        let evaluator = Arc::new(OnceLock::new());
        let (expositions, exposition) = watch::channel(None);
        let state = http::State {
            exposition,
            evaluator: Arc::clone(&evaluator),
            telemetry: self.work.telemetry.clone(),
            explaining: Arc::new(Semaphore::new(1)),
        };
        let scheme = if self.web.tls.is_some() { "https" } else { "http" };
        tracing::info!("serving on {scheme}://{}", self.bound.address);
        let router = http::router(state, &self.web);
        let (bound, web, served) = (self.bound, self.web, stop.clone());
        tasks.spawn(async move { bound.serve(router, &web, Deadlines::default(), served).await });
        tokio::select! {
            store = store::open_patiently(&self.work.config.store) => {
                self.work.begin(store?, &evaluator, expositions, &tasks, &stop);
            }
            () = stop.cancelled() => {}
        }
        tasks.close();
        stop.cancelled().await;
        tracing::info!("stopping");
        tokio::time::timeout(GRACE, tasks.wait())
            .await
            .context("not everything ended in time; nothing committed is lost")
    }
}

/// What waits for the store.
#[derive(Debug)]
struct Work {
    config: Config,
    sources: Vec<Scheduled>,
    clock: Arc<dyn Clock>,
    telemetry: Telemetry,
}

impl Work {
    /// Polls and evaluates until `stop`.
    fn begin(
        self,
        store: SharedStore,
        evaluator: &OnceLock<Arc<Evaluator>>,
        expositions: watch::Sender<Option<Arc<Exposition>>>,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) {
        let Self { config, sources, clock, telemetry } = self;
        let params = Arc::new(config.params);
        let evaluator =
            Arc::clone(evaluator.get_or_init(|| Arc::new(Evaluator::new(store.clone(), params))));
        let environment = collect::Environment {
            store,
            clock: Arc::clone(&clock),
            telemetry: telemetry.clone(),
            progress: Arc::new(LogProgress::default()),
        };
        let collector = Collector::new(sources, environment);
        let (published, evaluations) = watch::channel(None);
        let options = exposition::Options {
            every: config.evaluate.interval(),
            ..exposition::Options::default()
        };
        let renderer = Renderer { evaluations, expositions, options, telemetry: telemetry.clone() };
        let landed = collector.landed();
        let settings = config.evaluate;
        let evaluation = Loop { evaluator, settings, clock, telemetry, landed, published };
        tasks.spawn(evaluation.run(stop.clone()));
        tasks.spawn(renderer.run(stop.clone()));
        let stopped = stop.clone();
        tasks.spawn(async move { collector.run(stopped, GRACE / 2).await });
    }
}
