//! Specifications as they are on disk. Keys that are not needed here are passed over, as the tools
//! that the files were written for do it.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde_saphyr::Spanned;

/// A text with its place.
pub(super) type Text = Spanned<String>;
/// A number with its place.
pub(super) type Number = Spanned<f64>;

/// Labels and annotations by name.
pub(super) type Labels = BTreeMap<String, Spanned<Label>>;

/// The value of a label. Formats say that it is a text or a list of texts; files have `tier: 1` too.
#[derive(Clone, Debug)]
pub(super) struct Label(pub(super) String);

impl<'de> Deserialize<'de> for Label {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LabelVisitor).map(Self)
    }
}

struct LabelVisitor;

impl<'de> Visitor<'de> for LabelVisitor {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a list of texts")
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<String, E> {
        Ok(value.to_owned())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_unit<E: Error>(self) -> Result<String, E> {
        Ok(String::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<String, A::Error> {
        let mut values = Vec::new();
        while let Some(Label(value)) = sequence.next_element()? {
            values.push(value);
        }
        Ok(values.join(","))
    }
}

/// Any document of any of the formats.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Document {
    /// sloth: `prometheus/v1`.
    pub(super) version: Option<Text>,
    pub(super) service: Option<Text>,
    pub(super) labels: Option<Labels>,
    pub(super) slos: Option<Vec<Spanned<Sloth>>>,
    /// `OpenSLO`, and sloth's objects of Kubernetes.
    #[serde(rename = "apiVersion")]
    pub(super) api_version: Option<Text>,
    pub(super) kind: Option<Text>,
    pub(super) metadata: Option<Metadata>,
    pub(super) spec: Option<Spanned<Spec>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Metadata {
    pub(super) name: Option<Text>,
    pub(super) labels: Option<Labels>,
}

/// One of sloth's SLOs. Objects of Kubernetes write the same keys in camel case.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Sloth {
    pub(super) name: Option<Text>,
    pub(super) objective: Option<Number>,
    pub(super) labels: Option<Labels>,
    pub(super) sli: Option<SlothSli>,
    pub(super) alerting: Option<Spanned<Alerting>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SlothSli {
    pub(super) raw: Option<Raw>,
    pub(super) events: Option<Events>,
    pub(super) plugin: Option<Spanned<Plugin>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Raw {
    #[serde(alias = "errorRatioQuery")]
    pub(super) error_ratio_query: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Events {
    #[serde(alias = "errorQuery")]
    pub(super) error_query: Option<Text>,
    #[serde(alias = "totalQuery")]
    pub(super) total_query: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Plugin {
    pub(super) id: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Alerting {
    pub(super) name: Option<String>,
    pub(super) labels: Option<Labels>,
    pub(super) annotations: Option<Labels>,
    #[serde(alias = "pageAlert")]
    pub(super) page_alert: Alert,
    #[serde(alias = "ticketAlert")]
    pub(super) ticket_alert: Alert,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Alert {
    pub(super) disable: bool,
    pub(super) labels: Option<Labels>,
    pub(super) annotations: Option<Labels>,
}

/// What the `spec` of any kind of object may have.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Spec {
    pub(super) service: Option<Text>,
    /// sloth's objects of Kubernetes.
    pub(super) slos: Option<Vec<Spanned<Sloth>>>,
    /// sloth's objects of Kubernetes.
    pub(super) labels: Option<Labels>,
    /// Of the kind `AlertWindows`.
    pub(super) slo_period: Option<Text>,
    /// Of the kind `AlertWindows`.
    pub(super) page: Option<Severity>,
    /// Of the kind `AlertWindows`.
    pub(super) ticket: Option<Severity>,
    pub(super) indicator: Option<Spanned<Indicator>>,
    pub(super) indicator_ref: Option<Text>,
    pub(super) time_window: Option<Spanned<Vec<Spanned<TimeWindow>>>>,
    /// v1alpha.
    pub(super) time_windows: Option<Spanned<Vec<Spanned<TimeWindow>>>>,
    pub(super) budgeting_method: Option<Text>,
    pub(super) objectives: Option<Vec<Spanned<Objective>>>,
    /// Of the kind SLI.
    pub(super) ratio_metric: Option<Spanned<RatioMetric>>,
    pub(super) threshold_metric: Option<Spanned<Metric>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Severity {
    pub(super) quick: Option<Spanned<WindowPair>>,
    pub(super) slow: Option<Spanned<WindowPair>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct WindowPair {
    pub(super) error_budget_percent: Option<Number>,
    pub(super) short_window: Option<Text>,
    pub(super) long_window: Option<Text>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Indicator {
    pub(super) spec: Option<IndicatorSpec>,
    /// v1alpha.
    pub(super) threshold_metric: Option<Spanned<Metric>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct IndicatorSpec {
    pub(super) ratio_metric: Option<Spanned<RatioMetric>>,
    pub(super) threshold_metric: Option<Spanned<Metric>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RatioMetric {
    pub(super) counter: bool,
    /// v1alpha.
    pub(super) incremental: bool,
    pub(super) good: Option<Spanned<Metric>>,
    pub(super) bad: Option<Spanned<Metric>>,
    pub(super) total: Option<Spanned<Metric>>,
    pub(super) raw: Option<Spanned<Metric>>,
    pub(super) raw_type: Option<Text>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Metric {
    pub(super) metric_source: Option<MetricSource>,
    /// v1alpha.
    pub(super) query: Option<Text>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct MetricSource {
    pub(super) spec: Option<QuerySpec>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct QuerySpec {
    pub(super) query: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct TimeWindow {
    pub(super) duration: Option<Text>,
    pub(super) is_rolling: Option<bool>,
    pub(super) calendar: Option<Calendar>,
    /// v1alpha: `Day`, `Week`, `Month`, `Quarter`, `Year`.
    pub(super) unit: Option<Text>,
    pub(super) count: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Calendar {
    pub(super) start_time: Option<Text>,
    pub(super) time_zone: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Objective {
    pub(super) op: Option<Text>,
    pub(super) value: Option<Number>,
    pub(super) target: Option<Number>,
    pub(super) target_percent: Option<Number>,
    pub(super) time_slice_target: Option<Number>,
    pub(super) time_slice_window: Option<Text>,
    pub(super) indicator: Option<Spanned<Indicator>>,
    pub(super) indicator_ref: Option<Text>,
    /// v1alpha.
    pub(super) ratio_metrics: Option<Spanned<RatioMetric>>,
}
