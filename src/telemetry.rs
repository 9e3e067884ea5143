//! The daemon's own metrics: what it asked, what it got, how fresh it is.
//!
//! Names are a public contract. Nothing in here carries text from an upstream answer.

use std::collections::BTreeSet;

use prometheus::{
    CounterVec, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec,
    IntGaugeVec, Opts, Registry, core::Collector, process_collector::ProcessCollector,
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
    pub source_rate_limit_wait_seconds_total: CounterVec,
    /// Items by what became of them.
    pub source_items_total: IntCounterVec,
    /// Intervals in which something may have been missed; they are read again.
    pub source_gap_suspected_total: IntCounterVec,
    /// Parts that the last pass could not collect although the rest was; the log names them.
    pub source_warnings: IntGaugeVec,
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
    /// Times that collecting found the store unusable.
    pub store_errors_total: IntCounter,
    /// Series left out because a family met its cap.
    pub series_dropped_total: IntCounterVec,
}

impl Telemetry {
    /// Fresh metrics in a registry of their own.
    #[expect(clippy::too_many_lines, reason = "a list of metrics, one after the other")]
    pub fn new() -> Self {
        let registry = Registry::new();
        let counter = |name, help, labels: &[&str]| {
            registered(&registry, IntCounterVec::new(Opts::new(name, help), labels))
        };
        let gauge = |name, help, labels: &[&str]| {
            registered(&registry, GaugeVec::new(Opts::new(name, help), labels))
        };
        let int_gauge = |name, help, labels: &[&str]| {
            registered(&registry, IntGaugeVec::new(Opts::new(name, help), labels))
        };
        let wait = Opts::new(
            "engkpi_source_rate_limit_wait_seconds_total",
            "Time spent waiting because the vendor asked for it, in seconds.",
        );
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
        let as_of = Opts::new(
            "engkpi_evaluation_timestamp_seconds",
            "The as_of of what is shown, in seconds since the epoch.",
        );
        int_gauge("engkpi_build_info", "1, labelled with the version that runs.", &["version"])
            .with_label_values(&[env!("CARGO_PKG_VERSION")])
            .set(1);
        register_process(&registry);
        Self {
            source_up: int_gauge(
                "engkpi_source_up",
                "1 while the last poll of the source succeeded.",
                &["source"],
            ),
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
            source_rate_limit_wait_seconds_total: registered(
                &registry,
                CounterVec::new(wait, &["source"]),
            ),
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
            source_warnings: int_gauge(
                "engkpi_source_warnings",
                "Parts that the last pass could not collect although the rest was (a repository \
                 that is not there, a feature that is off); the log names them.",
                &["source"],
            ),
            source_refused_urls_total: counter(
                "engkpi_source_refused_urls_total",
                "Addresses given by the server that were refused because they leave its origin.",
                &["source"],
            ),
            source_poll_duration_seconds: registered(
                &registry,
                HistogramVec::new(poll, &["source"]),
            ),
            evaluation_duration_seconds: registered(&registry, Histogram::with_opts(evaluation)),
            evaluation_timestamp_seconds: registered(&registry, Gauge::with_opts(as_of)),
            store_errors_total: registered(
                &registry,
                IntCounter::new(
                    "engkpi_store_errors_total",
                    "Times that collecting could not read or write the store.",
                ),
            ),
            store_items: int_gauge("engkpi_store_items", "Facts in the store.", &["kind"]),
            series_dropped_total: counter(
                "engkpi_series_dropped_total",
                "Series left out because their family met its cap.",
                &["family"],
            ),
            registry,
        }
    }

    /// The names of all metrics, those too that nothing has been measured of yet.
    pub fn names() -> BTreeSet<String> {
        let telemetry = Self::new();
        let vectors: [&dyn Collector; 13] = [
            &telemetry.source_up,
            &telemetry.source_last_success_timestamp_seconds,
            &telemetry.source_data_through_timestamp_seconds,
            &telemetry.source_requests_total,
            &telemetry.source_rate_limit_remaining,
            &telemetry.source_rate_limit_wait_seconds_total,
            &telemetry.source_items_total,
            &telemetry.source_gap_suspected_total,
            &telemetry.source_warnings,
            &telemetry.source_refused_urls_total,
            &telemetry.source_poll_duration_seconds,
            &telemetry.store_items,
            &telemetry.series_dropped_total,
        ];
        let empty = vectors.iter().flat_map(|vector| vector.desc()).map(|it| it.fq_name.clone());
        let gathered = telemetry.gather();
        gathered.iter().map(|family| family.name().to_owned()).chain(empty).collect()
    }

    /// Everything measured so far.
    pub fn gather(&self) -> Vec<prometheus::proto::MetricFamily> {
        self.registry.gather()
    }
}

/// `process_*`: CPU, memory, file descriptors, start time.
#[expect(clippy::expect_used, reason = "the process collector has constant, distinct names")]
fn register_process(registry: &Registry) {
    registry.register(Box::new(ProcessCollector::for_self())).expect("names are distinct");
}

/// Registers a collector that was made from constants.
#[expect(clippy::expect_used, reason = "names and labels are constants; a test makes them all")]
fn registered<C: Collector + Clone + 'static>(
    registry: &Registry,
    collector: prometheus::Result<C>,
) -> C {
    let collector = collector.expect("constant names and labels are valid");
    registry.register(Box::new(collector.clone())).expect("constant names are distinct");
    collector
}

impl Default for Telemetry {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_can_be_made_and_the_process_is_among_them() {
        let gathered = Telemetry::new().gather();
        let names: Vec<&str> = gathered.iter().map(|family| family.name()).collect();
        assert!(names.contains(&"engkpi_build_info"), "missing from {names:?}");
        assert!(names.contains(&"process_resident_memory_bytes"), "missing from {names:?}");
    }
}
