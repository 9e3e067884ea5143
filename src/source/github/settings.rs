use std::collections::BTreeSet;

use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::Needs;
use super::name::FullName;
use crate::secret::SecretRef;
use crate::setting::{Complaint, Moment, Period, check_base_url};

/// A GitHub source: github.com, a GitHub Enterprise Server or a ghe.com tenant.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Address of the REST API: `https://api.github.com`, `https://HOST/api/v3` for an Enterprise
    /// Server, `https://api.TENANT.ghe.com`. The GraphQL address follows from it.
    #[serde(default = "github_com")]
    pub api_url: Url,
    /// Address that links for people are built from. By default it follows from `api_url`.
    #[serde(default)]
    pub web_url: Option<Url>,
    /// Allows a plain http `api_url` to another machine.
    #[serde(default)]
    pub allow_insecure: bool,
    /// A personal access token, classic or fine-grained. Exclusive with `app`.
    #[serde(default)]
    pub token: Option<SecretRef>,
    /// A GitHub App's installation. Exclusive with `token`.
    #[serde(default)]
    pub app: Option<AppSettings>,
    /// Collect the repositories of this organisation.
    #[serde(default)]
    pub organisation: Option<String>,
    /// Collect these repositories (`owner/name`), beside those of the organisation.
    #[serde(default)]
    pub repositories: Vec<String>,
    /// Of the organisation's repositories only those that match one of these patterns. A pattern
    /// with a slash is matched against `owner/name`, one without against the name; `*` stands for
    /// any text within a part, `?` for one character. Empty = all.
    #[serde(default)]
    pub include: Vec<String>,
    /// None of the organisation's repositories that match one of these patterns.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Whether archived repositories of the organisation are collected: once, and again when they
    /// change. Their history counts.
    #[serde(default = "yes")]
    pub archived: bool,
    /// Whether forks in the organisation are collected.
    #[serde(default)]
    pub forks: bool,
    /// Everything since then is collected; KPIs say nothing about windows that start earlier.
    pub history_start: Moment,
    /// How often GitHub is asked for news.
    #[serde(default = "five_minutes")]
    pub poll_every: Period,
    /// How often everything that is stored is compared with what GitHub still has.
    #[serde(default = "a_day")]
    pub reconcile_every: Period,
    /// Without a success for longer than this the source is stale, and its KPIs with it.
    #[serde(default = "an_hour")]
    pub stale_after: Period,
    /// Deployments, workflow runs and releases younger than this are read again at every poll,
    /// because GitHub has no list of what changed.
    #[serde(default = "thirty_days")]
    pub settle_window: Period,
}

/// A GitHub App's installation.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AppSettings {
    /// The App's id, a number.
    pub app_id: u64,
    /// The installation's id, a number: the last part of the installation's address.
    pub installation_id: u64,
    /// The App's private key, in PEM format.
    pub private_key: SecretRef,
}

fn github_com() -> Url {
    #[expect(clippy::expect_used, reason = "a constant, covered by a test")]
    Url::parse("https://api.github.com").expect("a constant address is valid")
}

fn yes() -> bool {
    true
}

fn five_minutes() -> Period {
    Period::from_seconds(300)
}

fn an_hour() -> Period {
    Period::from_seconds(3_600)
}

fn a_day() -> Period {
    Period::from_seconds(86_400)
}

fn thirty_days() -> Period {
    Period::from_seconds(30 * 86_400)
}

impl Settings {
    /// What is asked for, part by part: see [`crate::domain::Extent`].
    pub fn parts(&self, needs: &Needs) -> BTreeSet<String> {
        let mut parts = needs.parts();
        parts.insert(format!("server {}", self.api_url));
        parts.extend(self.repositories.iter().map(|it| format!("repository {it}")));
        if let Some(organisation) = &self.organisation {
            // Patterns both widen and narrow: any other selection is another part.
            let (include, exclude) = (self.include.join(" "), self.exclude.join(" "));
            let (archived, forks) = (self.archived, self.forks);
            parts.insert(format!(
                "organisation {organisation}: include [{include}], exclude [{exclude}], \
                 archived {archived}, forks {forks}"
            ));
        }
        parts
    }

    /// The secrets that are referred to, by their keys.
    pub fn secrets(&self) -> Vec<(&'static str, &SecretRef)> {
        let token = self.token.iter().map(|it| ("token", it));
        token.chain(self.app.iter().map(|it| ("app.private_key", &it.private_key))).collect()
    }

    /// What only several values together show to be wrong.
    pub fn check(&self) -> Vec<Complaint> {
        let mut complaints = check_base_url("api_url", &self.api_url, self.allow_insecure);
        if let Some(web) = &self.web_url {
            complaints.extend(check_base_url("web_url", web, true));
        }
        self.check_credentials(&mut complaints);
        self.check_scope(&mut complaints);
        if self.stale_after < self.poll_every {
            complaints.push(Complaint::new(
                "stale_after",
                format!("is shorter than poll_every ({})", self.poll_every),
                "make it several times as long, so that one failed poll is not staleness",
            ));
        }
        complaints
    }

    fn check_credentials(&self, complaints: &mut Vec<Complaint>) {
        let (key, rule) = match (&self.token, &self.app) {
            (Some(_), Some(_)) => ("app", "is given together with token"),
            (None, None) => ("token", "is missing"),
            _ => return,
        };
        let fix = "give either token = { env = \"GITHUB_TOKEN\" } or app = { app_id, \
                   installation_id, private_key }";
        complaints.push(Complaint::new(key, rule, fix));
    }

    fn check_scope(&self, complaints: &mut Vec<Complaint>) {
        if self.organisation.is_none() && self.repositories.is_empty() {
            complaints.push(Complaint::new(
                "organisation",
                "is missing, and repositories is empty",
                "name an organisation, a list of repositories, or both",
            ));
        }
        if let Some(organisation) = &self.organisation
            && !super::name::is_owner(organisation)
        {
            complaints.push(Complaint::new(
                "organisation",
                format!("{organisation:?} cannot be the name of an organisation"),
                "write its login as in https://github.com/LOGIN",
            ));
        }
        for (index, name) in self.repositories.iter().enumerate() {
            if FullName::parse(name).is_none() {
                complaints.push(Complaint::new(
                    format!("repositories.{index}"),
                    format!("{name:?} is not owner/name"),
                    "write it as in https://github.com/OWNER/NAME",
                ));
            }
        }
        for (key, patterns) in [("include", &self.include), ("exclude", &self.exclude)] {
            if !patterns.is_empty() && self.organisation.is_none() {
                complaints.push(Complaint::new(
                    key,
                    "has no effect without organisation",
                    "remove it, or name an organisation",
                ));
            }
        }
    }

    /// The address that links for people are built from.
    pub fn web_base(&self) -> Url {
        self.web_url.clone().unwrap_or_else(|| web_of(&self.api_url))
    }

    /// Which repositories of the organisation are collected.
    pub(super) fn selection(&self) -> Selection {
        Selection {
            listed: self.repositories.iter().map(|name| name.to_ascii_lowercase()).collect(),
            include: self.include.iter().map(|pattern| glob(pattern)).collect(),
            exclude: self.exclude.iter().map(|pattern| glob(pattern)).collect(),
            archived: self.archived,
            forks: self.forks,
        }
    }
}

fn web_of(api: &Url) -> Url {
    let mut web = api.clone();
    web.set_path("/");
    let bare = api.host_str().and_then(|host| host.strip_prefix("api.")).map(str::to_owned);
    if let Some(bare) = bare {
        // Cannot fail: what follows `api.` in a host is a host.
        let _ = web.set_host(Some(&bare));
    }
    web
}

/// Decides which repositories of an organisation are collected.
#[derive(Clone, Debug)]
pub(super) struct Selection {
    listed: BTreeSet<String>,
    include: Vec<(bool, Regex)>,
    exclude: Vec<(bool, Regex)>,
    archived: bool,
    forks: bool,
}

impl Selection {
    /// Whether a repository is collected. Those that are listed by name always are.
    pub(super) fn takes(&self, name: &FullName, archived: bool, fork: bool) -> bool {
        if self.listed.contains(&name.key()) {
            return true;
        }
        let any = |patterns: &[(bool, Regex)]| {
            patterns.iter().any(|(full, pattern)| {
                let key = name.key();
                let bare = key.split_once('/').map_or(key.as_str(), |(_, bare)| bare);
                pattern.is_match(if *full { &key } else { bare })
            })
        };
        (self.include.is_empty() || any(&self.include))
            && !any(&self.exclude)
            && (self.archived || !archived)
            && (self.forks || !fork)
    }
}

/// A pattern for names in lower case, and whether it is about `owner/name` and not the name alone.
fn glob(pattern: &str) -> (bool, Regex) {
    let mut expression = String::from("^");
    for character in pattern.to_lowercase().chars() {
        match character {
            '*' => expression.push_str("[^/]*"),
            '?' => expression.push_str("[^/]"),
            other => expression.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
    }
    expression.push('$');
    #[expect(clippy::expect_used, reason = "everything but the two wildcards is escaped")]
    let regex = Regex::new(&expression).expect("an escaped pattern is a valid expression");
    (pattern.contains('/'), regex)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(toml: &str) -> Settings {
        toml::from_str(&format!("history_start = \"2026-01-01\"\n{toml}")).unwrap()
    }

    fn complaints(toml: &str) -> Vec<String> {
        settings(toml).check().into_iter().map(|it| format!("{} {}", it.key, it.rule)).collect()
    }

    const TOKEN: &str = "token = { env = \"GITHUB_TOKEN\" }\n";

    #[test]
    fn a_token_and_an_organisation_are_enough() {
        let toml = format!("{TOKEN}organisation = \"acme\"");
        assert_eq!(complaints(&toml), Vec::<String>::new());
        assert_eq!(settings(&toml).api_url.as_str(), "https://api.github.com/");
    }

    #[test]
    fn credentials_are_one_of_token_and_app() {
        let app = "app = { app_id = 1, installation_id = 2, private_key = { file = \"/k\" } }\n";
        assert_eq!(complaints("organisation = \"acme\""), ["token is missing"]);
        assert_eq!(complaints(&format!("{app}organisation = \"acme\"")), Vec::<String>::new());
        assert_eq!(
            complaints(&format!("{TOKEN}{app}organisation = \"acme\"")),
            ["app is given together with token"]
        );
    }

    #[test]
    fn what_cannot_be_a_name_is_refused_before_it_gets_into_an_address() {
        assert_eq!(
            complaints(&format!("{TOKEN}repositories = [\"acme/shop\", \"acme/../etc\"]")),
            ["repositories.1 \"acme/../etc\" is not owner/name"]
        );
        assert_eq!(
            complaints(&format!("{TOKEN}organisation = \"ac/me\"")),
            ["organisation \"ac/me\" cannot be the name of an organisation"]
        );
        assert_eq!(complaints(TOKEN), ["organisation is missing, and repositories is empty"]);
    }

    #[test]
    fn the_address_for_people_follows_from_that_of_the_api() {
        for (api, web) in [
            ("https://api.github.com", "https://github.com/"),
            ("https://git.example.com/api/v3", "https://git.example.com/"),
            ("https://api.acme.ghe.com", "https://acme.ghe.com/"),
            ("http://127.0.0.1:8801", "http://127.0.0.1:8801/"),
        ] {
            assert_eq!(web_of(&Url::parse(api).unwrap()).as_str(), web, "{api}");
        }
    }

    #[test]
    fn patterns_choose_among_the_organisations_repositories_but_not_among_those_listed() {
        let selection = settings(&format!(
            "{TOKEN}organisation = \"acme\"\nrepositories = [\"acme/shop-archive\"]\n\
             include = [\"shop*\", \"acme/tool?\"]\nexclude = [\"*-archive\"]\narchived = false"
        ))
        .selection();
        let takes = |name: &str, archived, fork| {
            selection.takes(&FullName::parse(name).unwrap(), archived, fork)
        };
        assert!(takes("acme/Shop-api", false, false));
        assert!(takes("acme/tool1", false, false));
        assert!(!takes("acme/tools12", false, false));
        assert!(!takes("acme/shop-old-archive", false, false));
        assert!(takes("acme/shop-archive", true, true));
        assert!(!takes("acme/shop-api", true, false));
        assert!(!takes("acme/shop-api", false, true));
    }
}
