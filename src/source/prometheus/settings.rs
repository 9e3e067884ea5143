use http::HeaderValue;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::secret::SecretRef;
use crate::setting::{Complaint, Moment, Period, check_base_url};

/// A metric store with Prometheus's HTTP API: Prometheus, Mimir, Thanos, `VictoriaMetrics`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Its address with any prefix, up to and without `/api/v1`: `http://prometheus:9090`,
    /// `https://mimir.example.com/prometheus`.
    pub url: Url,
    /// Address of its pages for people, if that is another. Default: `url`.
    #[serde(default)]
    pub web_url: Option<Url>,
    /// Whether credentials may go over plain http to another machine. Default: false.
    #[serde(default)]
    pub allow_insecure: bool,
    /// Where the bearer token is. Exclusive with `user` and `password`.
    #[serde(default)]
    pub token: Option<SecretRef>,
    /// User name of basic authentication.
    #[serde(default)]
    pub user: Option<String>,
    /// Where the password of `user` is.
    #[serde(default)]
    pub password: Option<SecretRef>,
    /// The tenant of a store that has several: sent as `X-Scope-OrgID`.
    #[serde(default)]
    pub tenant: Option<String>,
    /// History is wanted from here on. It begins where the store's own retention does, if that is
    /// later, and is kept from then on.
    pub history_start: Moment,
    /// How often it is asked whether another hour is complete. Default: 5m.
    #[serde(default = "default_poll_every")]
    pub poll_every: Period,
    /// So many of the last complete hours are read again with each new one, because samples may
    /// arrive late. Older hours never change. Default: 3h.
    #[serde(default = "default_reread")]
    pub reread: Period,
    /// Without a success for longer than this its KPIs are stale. Default: 1h.
    #[serde(default = "default_stale_after")]
    pub stale_after: Period,
}

impl Settings {
    /// What only several values together show to be wrong.
    pub fn check(&self) -> Vec<Complaint> {
        let secret = self.token.is_some() || self.password.is_some();
        // Without a credential there is none to lose on the way.
        let mut complaints = check_base_url("url", &self.url, self.allow_insecure || !secret);
        let mut complain = |key: &str, rule: String, fix: &str| {
            complaints.push(Complaint::new(key, rule, fix));
        };
        if self.url.path().trim_end_matches('/').ends_with("/api/v1") {
            let fix = "write the address without /api/v1";
            complain("url", "ends in /api/v1, which is added to it".to_owned(), fix);
        }
        if let Some(web) = &self.web_url
            && !matches!(web.scheme(), "http" | "https")
        {
            complain("web_url", "is neither https nor http".to_owned(), "write a page's address");
        }
        match (&self.token, &self.user, &self.password) {
            (Some(_), None, None) | (None, Some(_), Some(_)) | (None, None, None) => {}
            (Some(_), ..) => {
                let rule = "is given together with user or password".to_owned();
                complain("token", rule, "keep one of the two ways to authenticate");
            }
            (None, Some(_), None) => {
                let fix = "add password = { env = … } or { file = … }";
                complain("user", "has no password".to_owned(), fix);
            }
            (None, None, Some(_)) => {
                complain("password", "has no user".to_owned(), "add user = \"…\"");
            }
        }
        if self.user.as_ref().is_some_and(|it| it.contains(':') || it.is_empty()) {
            let rule = "cannot be a user name of basic authentication".to_owned();
            complain("user", rule, "write one without a colon");
        }
        let header = |it: &String| it.is_empty() || HeaderValue::from_str(it).is_err();
        if self.tenant.as_ref().is_some_and(header) {
            let rule = "cannot be sent in a header".to_owned();
            complain("tenant", rule, "write the tenant's id, or remove it");
        }
        if self.stale_after < self.poll_every {
            let rule = format!("is shorter than poll_every ({})", self.poll_every);
            let fix = "make it several times as long, so that one failed poll is not staleness";
            complain("stale_after", rule, fix);
        }
        complaints
    }

    /// Base of the addresses of its pages.
    pub fn web_base(&self) -> Url {
        self.web_url.clone().unwrap_or_else(|| self.url.clone())
    }

    /// The secrets that it refers to, by their keys.
    pub fn secrets(&self) -> Vec<(&'static str, &SecretRef)> {
        let token = self.token.iter().map(|it| ("token", it));
        token.chain(self.password.iter().map(|it| ("password", it))).collect()
    }

    /// Whether its requests carry a secret.
    pub(super) fn has_secret(&self) -> bool {
        self.token.is_some() || self.password.is_some()
    }
}

fn default_poll_every() -> Period {
    Period::from_seconds(300)
}

fn default_reread() -> Period {
    Period::from_seconds(3 * 3600)
}

fn default_stale_after() -> Period {
    Period::from_seconds(3600)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(more: &str) -> Result<Settings, String> {
        let text = format!("history_start = \"2025-01-01\"\n{more}");
        toml::from_str(&text).map_err(|error| error.message().to_owned())
    }

    fn keys(more: &str) -> Vec<String> {
        parse(more).unwrap().check().into_iter().map(|it| it.key).collect()
    }

    #[test]
    fn an_address_and_a_day_are_enough() {
        let settings = parse("url = \"http://prometheus:9090\"").unwrap();
        assert_eq!(settings.check(), [], "plain http is fine where there is no credential");
        assert_eq!((settings.poll_every.seconds(), settings.reread.seconds()), (300, 10_800));
        assert_eq!(settings.web_base().as_str(), "http://prometheus:9090/");
    }

    #[test]
    fn a_credential_needs_https() {
        let token = "url = \"http://mimir/prometheus\"\ntoken = { env = \"T\" }";
        assert_eq!(keys(token), ["url"]);
        assert!(keys(&format!("{token}\nallow_insecure = true")).is_empty());
        assert!(keys("url = \"https://mimir/prometheus\"\ntoken = { env = \"T\" }").is_empty());
    }

    #[test]
    fn there_is_one_way_to_authenticate() {
        let with = |more: &str| keys(&format!("url = \"https://mimir\"\n{more}"));
        assert_eq!(with("token = { env = \"T\" }\nuser = \"me\""), ["token"]);
        assert_eq!(with("user = \"me\""), ["user"]);
        assert_eq!(with("password = { env = \"P\" }"), ["password"]);
        assert_eq!(with("user = \"a:b\"\npassword = { env = \"P\" }"), ["user"]);
        assert!(with("user = \"me\"\npassword = { env = \"P\" }").is_empty());
    }

    #[test]
    fn what_cannot_work_is_complained_about() {
        assert_eq!(keys("url = \"https://mimir/api/v1/\""), ["url"]);
        assert_eq!(keys("url = \"https://mimir\"\ntenant = \"a\\nb\""), ["tenant"]);
        assert_eq!(keys("url = \"https://mimir\"\nstale_after = \"1m\""), ["stale_after"]);
        assert!(parse("url = \"https://mimir\"\ntenat = \"a\"").unwrap_err().contains("tenat"));
    }
}
