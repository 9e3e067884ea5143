//! The daemon's own metrics: what it asked, what it got, how fresh it is.
//!
//! Names are a public contract. Nothing in here carries text from an upstream answer.

use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts,
    Registry, core::Collector, process_collector::ProcessCollector,
};

/// Counters and gauges of the daemon's own actions. Cheap to clone; clones share the values.
#[derive(Clone, Debug)]
pub struct Telemetry {
    registry: Registry,
    /// 1 while the source's last poll succeeded.
    pub source_up: IntGaugeVec,
    /// Start of the last poll that saw everything.
    pub source_last_success_timestamp_seconds: GaugeVec,
    /// Everything that happened before it is in the store.
    pub source_data_through_timestamp_seconds: GaugeVec,
    /// Requests sent, by status code (`304` apart, `error` where no answer came).
    pub source_requests_total: IntCounterVec,
    /// What the vendor says is left of a budget.
    pub source_rate_limit_remaining: GaugeVec,
    /// Time spent waiting because a vendor asked for it.
    pub source_rate_limit_wait_seconds_total: prometheus::CounterVec,
    /// Items by what became of them.
    pub source_items_total: IntCounterVec,
    /// Intervals in which something may have been missed; they are read again.
    pub source_gap_suspected_total: IntCounterVec,
    /// Server-given addresses that were refused because they leave the configured origin.
    pub source_refused_urls_total: IntCounterVec,
    /// How long polls take.
    pub source_poll_duration_seconds: HistogramVec,
    /// How long evaluations take.
    pub evaluation_duration_seconds: Histogram,
    /// The `as_of` of what is shown.
    pub evaluation_timestamp_seconds: Gauge,
    /// Facts in the store.
    pub store_items: IntGaugeVec,
    /// Series left out because a family met its cap.
    pub series_dropped_total: IntCounterVec,
    build_info: IntGaugeVec,
}

impl Telemetry {
    /// Fresh metrics in a registry of their own.
    ///
    /// # Panics
    /// Never: names and labels are constants, and a test registers them all.
    #[expect(clippy::expect_used, reason = "names and labels are constants, covered by a test")]
    #[expect(clippy::too_many_lines, reason = "a list of metrics, one after the other")]
    pub fn new() -> Self {
        fn counter(name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
            IntCounterVec::new(Opts::new(name, help), labels).expect("constant names are valid")
        }
        fn gauge(name: &str, help: &str, labels: &[&str]) -> GaugeVec {
            GaugeVec::new(Opts::new(name, help), labels).expect("constant names are valid")
        }
        let poll = HistogramOpts::new(
            "engkpi_source_poll_duration_seconds",
            "How long polls of a source take, in seconds.",
        )
        .buckets(vec![0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0]);
        let evaluation = HistogramOpts::new(
            "engkpi_evaluation_duration_seconds",
            "How long evaluations take, in seconds.",
        )
        .buckets(vec![0.001, 0.01, 0.05, 0.1, 0.5, 1.0, 3.0, 10.0]);
        let telemetry = Self {
            registry: Registry::new(),
            source_up: IntGaugeVec::new(
                Opts::new("engkpi_source_up", "1 while the last poll of the source succeeded."),
                &["source"],
            )
            .expect("constant names are valid"),
            source_last_success_timestamp_seconds: gauge(
                "engkpi_source_last_success_timestamp_seconds",
                "Start of the last poll that saw everything, in seconds since the epoch.",
                &["source"],
            ),
            source_data_through_timestamp_seconds: gauge(
                "engkpi_source_data_through_timestamp_seconds",
                "Everything that happened before it is in the store, in seconds since the epoch.",
                &["source"],
            ),
            source_requests_total: counter(
                "engkpi_source_requests_total",
                "Requests sent to the source, by status code; code=\"error\" where no answer came.",
                &["source", "code"],
            ),
            source_rate_limit_remaining: gauge(
                "engkpi_source_rate_limit_remaining",
                "What the vendor says is left of a request budget.",
                &["source", "resource"],
            ),
            source_rate_limit_wait_seconds_total: prometheus::CounterVec::new(
                Opts::new(
                    "engkpi_source_rate_limit_wait_seconds_total",
                    "Time spent waiting because the vendor asked for it, in seconds.",
                ),
                &["source"],
            )
            .expect("constant names are valid"),
            source_items_total: counter(
                "engkpi_source_items_total",
                "Items seen, by what became of them: new, changed, unchanged, rejected or removed.",
                &["source", "kind", "result"],
            ),
            source_gap_suspected_total: counter(
                "engkpi_source_gap_suspected_total",
                "Intervals in which something may have been missed; they are read again.",
                &["source"],
            ),
            source_refused_urls_total: counter(
                "engkpi_source_refused_urls_total",
                "Addresses given by the server that were refused because they leave its origin.",
                &["source"],
            ),
            source_poll_duration_seconds: HistogramVec::new(poll, &["source"])
                .expect("constant names are valid"),
            evaluation_duration_seconds: Histogram::with_opts(evaluation)
                .expect("constant names are valid"),
            evaluation_timestamp_seconds: Gauge::new(
                "engkpi_evaluation_timestamp_seconds",
                "The as_of of what is shown, in seconds since the epoch.",
            )
            .expect("constant names are valid"),
            store_items: IntGaugeVec::new(
                Opts::new("engkpi_store_items", "Facts in the store."),
                &["kind"],
            )
            .expect("constant names are valid"),
            build_info: IntGaugeVec::new(
                Opts::new("engkpi_build_info", "1, labelled with the version that runs."),
                &["version"],
            )
            .expect("constant names are valid"),
            series_dropped_total: counter(
                "engkpi_series_dropped_total",
                "Series left out because their family met its cap.",
                &["family"],
            ),
        };
        for collector in telemetry.collectors() {
            telemetry.registry.register(collector).expect("constant names are distinct");
        }
        telemetry.build_info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        telemetry
    }

    /// Everything measured so far.
    pub fn gather(&self) -> Vec<prometheus::proto::MetricFamily> {
        self.registry.gather()
    }

    fn collectors(&self) -> Vec<Box<dyn Collector>> {
        vec![
            Box::new(self.source_up.clone()),
            Box::new(self.source_last_success_timestamp_seconds.clone()),
            Box::new(self.source_data_through_timestamp_seconds.clone()),
            Box::new(self.source_requests_total.clone()),
            Box::new(self.source_rate_limit_remaining.clone()),
            Box::new(self.source_rate_limit_wait_seconds_total.clone()),
            Box::new(self.source_items_total.clone()),
            Box::new(self.source_gap_suspected_total.clone()),
            Box::new(self.source_refused_urls_total.clone()),
            Box::new(self.source_poll_duration_seconds.clone()),
            Box::new(self.evaluation_duration_seconds.clone()),
            Box::new(self.evaluation_timestamp_seconds.clone()),
            Box::new(self.store_items.clone()),
            Box::new(self.series_dropped_total.clone()),
            Box::new(self.build_info.clone()),
            Box::new(ProcessCollector::for_self()),
        ]
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self::new()
    }
}
