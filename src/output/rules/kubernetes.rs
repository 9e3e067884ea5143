//! Rules as objects of Kubernetes, for the operator of Prometheus.

use std::collections::BTreeMap;

use serde::Serialize;

use super::document::{Group, HEAD, Rule, yaml};

/// What the objects are called and how they are found.
#[derive(Clone, Debug, Default)]
pub struct Kubernetes {
    /// Their namespace, unless the one that they are applied to.
    pub namespace: Option<String>,
    /// Labels by which an operator selects them.
    pub labels: BTreeMap<String, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Object<'a> {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata<'a>,
    spec: Spec<'a>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    labels: BTreeMap<&'a str, &'a str>,
}

#[derive(Serialize)]
struct Spec<'a> {
    groups: &'a [Group],
}

/// One `PrometheusRule` for each name, because a cluster takes no object of more than a megabyte.
pub fn objects(named: &[(&str, Vec<Group>)], how: &Kubernetes) -> String {
    // Names that differ in what an object's name cannot have are of the same object.
    let mut objects: BTreeMap<String, Vec<Group>> = BTreeMap::new();
    for (name, groups) in named {
        let groups = groups.iter().map(in_kubernetes);
        objects.entry(object_name(name)).or_default().extend(groups);
    }
    let mut text = HEAD.to_owned();
    for (name, groups) in objects {
        let mut labels = BTreeMap::from([("app.kubernetes.io/managed-by", "engkpi")]);
        labels.extend(how.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let object = Object {
            api_version: "monitoring.coreos.com/v1",
            kind: "PrometheusRule",
            metadata: Metadata { name, namespace: how.namespace.as_deref(), labels },
            spec: Spec { groups: &groups },
        };
        text.push_str("---\n");
        text.push_str(&yaml(&object));
    }
    text
}

/// sloth says in which way the rules were made.
fn in_kubernetes(group: &Group) -> Group {
    let mut group = group.clone();
    for rule in &mut group.rules {
        if let Rule::Record { labels, .. } = rule
            && let Some(mode) = labels.get_mut("sloth_mode")
        {
            "cli-gen-k8s".clone_into(mode);
        }
    }
    group
}

/// Lower-case letters, digits, `-` and `.`, with a letter or digit at both ends.
fn object_name(name: &str) -> String {
    let sign = |it: char| if it.is_ascii_alphanumeric() || it == '.' { it } else { '-' };
    let name: String = name.to_lowercase().chars().map(sign).take(253).collect();
    name.trim_matches(|it: char| !it.is_ascii_alphanumeric()).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_objects() {
        assert_eq!(object_name("My_Service"), "my-service");
        assert_eq!(object_name("a.b-c."), "a.b-c");
    }
}
