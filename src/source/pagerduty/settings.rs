use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::secret::SecretRef;
use crate::setting::{Complaint, Moment, Period, check_base_url};

/// A PagerDuty account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where the account lives: `us` (the default) or `eu`. A token of the other region is refused
    /// as if it were wrong.
    #[serde(default)]
    pub region: Region,
    /// Address of the API instead of the region's, for example of a gateway.
    #[serde(default)]
    pub api_url: Option<Url>,
    /// Whether `api_url` may be plain http on another machine. Default: false.
    #[serde(default)]
    pub allow_insecure: bool,
    /// Where the API key is. A read-only key is enough.
    pub token: SecretRef,
    /// Incidents are complete from here on. Those that were open then are followed too.
    pub history_start: Moment,
    /// How often PagerDuty is asked for news. Default: 5m.
    #[serde(default = "default_poll_every")]
    pub poll_every: Period,
    /// How often everything that is stored is compared with what PagerDuty still has. Default: 1d.
    #[serde(default = "default_reconcile_every")]
    pub reconcile_every: Period,
    /// Without a successful poll for longer than this, the KPIs that need PagerDuty are stale.
    /// Default: 1h.
    #[serde(default = "default_stale_after")]
    pub stale_after: Period,
    /// Whether the alerts of incidents are read: the first one is when an incident was detected,
    /// unless a custom field says so. Costs one request per incident that has alerts. Default: true.
    #[serde(default = "default_true")]
    pub alerts: bool,
    /// Whether custom fields of incidents are read: when the fault began, when it was detected and
    /// mitigated, its root cause or problem ticket, and what caused it. Costs one request per incident
    /// where the account has custom fields, none where it has not. Default: true.
    #[serde(default = "default_true")]
    pub custom_fields: bool,
}

/// PagerDuty's service regions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Region {
    /// `https://api.pagerduty.com`
    #[default]
    Us,
    /// `https://api.eu.pagerduty.com`
    Eu,
}

impl Settings {
    /// The address of the API.
    #[expect(clippy::expect_used, reason = "the two addresses are constants")]
    pub fn base(&self) -> Url {
        let of_region = match self.region {
            Region::Us => "https://api.pagerduty.com",
            Region::Eu => "https://api.eu.pagerduty.com",
        };
        let of_region = || Url::parse(of_region).expect("constant addresses are addresses");
        self.api_url.clone().unwrap_or_else(of_region)
    }

    /// Address that links for people are built from where PagerDuty names none.
    #[expect(clippy::expect_used, reason = "a constant address")]
    pub fn web_base(&self) -> Url {
        Url::parse("https://app.pagerduty.com").expect("a constant address is an address")
    }

    /// What is asked for, part by part: see [`crate::domain::Extent`].
    pub fn parts(&self) -> BTreeSet<String> {
        let mut parts = BTreeSet::from([format!("server {}", self.base())]);
        for (wanted, part) in [(self.alerts, "alerts"), (self.custom_fields, "custom fields")] {
            if wanted {
                parts.insert(part.to_owned());
            }
        }
        parts
    }

    /// The secrets that are referred to, by their keys.
    pub fn secrets(&self) -> Vec<(&'static str, &SecretRef)> {
        vec![("token", &self.token)]
    }

    /// What only several values together show to be wrong.
    pub fn check(&self) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        if let Some(url) = &self.api_url {
            complaints.extend(check_base_url("api_url", url, self.allow_insecure));
        }
        if self.stale_after < self.poll_every {
            complaints.push(Complaint::new(
                "stale_after",
                format!("is shorter than poll_every ({})", self.poll_every),
                "make it several times as long, so that one failed poll is not staleness",
            ));
        }
        if self.api_url.is_some() && self.region != Region::Us {
            complaints.push(Complaint::new(
                "region",
                "is given together with api_url",
                "keep one of the two: api_url replaces the region's address",
            ));
        }
        complaints
    }
}

fn default_poll_every() -> Period {
    Period::from_seconds(300)
}

fn default_reconcile_every() -> Period {
    Period::from_seconds(86_400)
}

fn default_stale_after() -> Period {
    Period::from_seconds(3600)
}

fn default_true() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(more: &str) -> Result<Settings, String> {
        let text = format!(
            "token = {{ env = \"PAGERDUTY_TOKEN\" }}\nhistory_start = \"2025-01-01\"\n{more}"
        );
        toml::from_str(&text).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn two_lines_are_enough() {
        let settings = parse("").unwrap();
        assert_eq!(settings.base().as_str(), "https://api.pagerduty.com/");
        assert_eq!(settings.stale_after.to_string(), "1h");
        assert!(settings.alerts && settings.custom_fields);
        assert_eq!(settings.check(), []);
    }

    #[test]
    fn the_region_or_an_address_says_where_the_account_lives() {
        let base = |more| parse(more).unwrap().base().to_string();
        assert_eq!(base("region = \"eu\""), "https://api.eu.pagerduty.com/");
        assert_eq!(base("api_url = \"http://127.0.0.1:8802\""), "http://127.0.0.1:8802/");
        assert!(parse("region = \"mars\"").is_err());
    }

    #[test]
    fn what_contradicts_itself_or_shows_the_token_is_complained_about() {
        let keys = |more: &str| {
            let complaints = parse(more).unwrap().check();
            complaints.into_iter().map(|it| it.key).collect::<Vec<_>>()
        };
        assert_eq!(keys("region = \"eu\"\napi_url = \"https://pd.example\""), ["region"]);
        assert_eq!(keys("api_url = \"http://pd.example\""), ["api_url"]);
        assert!(keys("api_url = \"http://pd.example\"\nallow_insecure = true").is_empty());
    }

    #[test]
    fn an_unknown_key_is_refused() {
        assert!(parse("regoin = \"eu\"").unwrap_err().contains("regoin"));
    }
}
