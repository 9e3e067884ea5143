//! REST: routing, pages and everything but workflow runs.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::{Rest, error, not_found, sees};
use crate::server::Reply;
use crate::time::{Instant, text};
use crate::world::Repository;

pub(super) type Answer = Result<Reply, Reply>;

impl<'a> Rest<'a> {
    pub(super) fn answer(&self) -> Answer {
        let segments = self.call.segments();
        let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
        match (self.call.method.as_str(), parts.as_slice()) {
            ("POST", ["app", "installations", id, "access_tokens"]) => {
                self.of_app()?;
                self.installation(id)?;
                Ok(self.gate.mint(self.world, self.call))
            }
            ("GET", ["app", "installations", id]) => {
                self.of_app()?;
                self.installation(id).map(|body| Reply::json(200, body))
            }
            ("GET", ["rate_limit"]) => Ok(self.rate_limit()),
            ("GET", ["user"]) => self.user(),
            ("GET", ["orgs", name, rest @ ..]) => self.organisation(name, rest),
            ("GET", ["installation", "repositories"]) => {
                if !self.caller.installation {
                    return Err(error(
                        403,
                        "You must authenticate with an installation access token",
                    ));
                }
                let all = self.visible();
                let link = format!("{}/installation/repositories", self.call.base);
                Ok(self.page(&all, &link, Some("repositories"), None, |it| self.repository(it)))
            }
            ("GET", ["repos", owner, name, rest @ ..]) => {
                let repository = self.named(owner, name, rest)?;
                self.of_repository(repository, rest)
            }
            ("GET", ["repositories", id, rest @ ..]) => {
                let repository = self.visible().into_iter().find(|it| it.id.to_string() == *id);
                self.of_repository(repository.ok_or_else(not_found)?, rest)
            }
            _ => Err(not_found()),
        }
    }

    fn of_repository(&self, repository: &'a Repository, rest: &[&str]) -> Answer {
        match rest {
            [] => Ok(Reply::json(200, self.repository(repository))),
            ["actions", rest @ ..] => {
                self.need("actions")?;
                if !repository.actions {
                    return Err(not_found());
                }
                self.actions(repository, rest)
            }
            [tool @ ("dependabot" | "code-scanning" | "secret-scanning"), "alerts"] => {
                self.alerts(repository, tool)
            }
            ["properties", "values"] => self.properties(repository),
            ["contents", path @ ..] => {
                self.need("contents")?;
                self.contents(repository, &path.join("/"))
            }
            ["compare", range] => {
                self.need("contents")?;
                self.compare(repository, range)
            }
            _ => Err(not_found()),
        }
    }

    /// The commits that `BASE...HEAD` adds, oldest first.
    fn compare(&self, repository: &Repository, range: &str) -> Answer {
        let commit = |reference| repository.resolve(reference, self.now()).ok_or_else(not_found);
        let (base, head) = range.split_once("...").ok_or_else(not_found)?;
        let (base, head) = (commit(base)?, commit(head)?);
        let before: HashSet<&str> =
            repository.log(&base.sha).into_iter().map(|it| it.sha.as_str()).collect();
        let mut added = repository.log(&head.sha);
        added.retain(|it| !before.contains(it.sha.as_str()));
        added.reverse();
        let link = format!("{}/repositories/{}/compare/{range}", self.call.base, repository.id);
        let person = |login: &str, at| json!({"name": login, "date": text(at)});
        Ok(self.page(&added, &link, Some("commits"), None, |it| {
            json!({
                "sha": it.sha,
                "commit": {
                    "author": person(&it.author, it.authored_at),
                    "committer": person(&it.author, it.committed_at),
                    "message": it.message,
                },
            })
        }))
    }

    pub(super) fn now(&self) -> Instant {
        self.call.now
    }

    /// Refuses a token that lacks a permission, as the vendor refuses fine-grained ones.
    pub(super) fn need(&self, permission: &str) -> Result<(), Reply> {
        if self.caller.may(permission) {
            return Ok(());
        }
        let who = if self.caller.installation { "integration" } else { "personal access token" };
        Err(error(403, &format!("Resource not accessible by {who}")))
    }

    fn of_app(&self) -> Result<(), Reply> {
        if self.caller.token.is_some() {
            return Err(error(401, "A JSON web token could not be decoded"));
        }
        Ok(())
    }

    fn installation(&self, id: &str) -> Result<Value, Reply> {
        let known = self.world.access.installation;
        if id != known.to_string() {
            return Err(not_found());
        }
        Ok(json!({
            "id": known, "app_id": self.world.access.app, "repository_selection": "all",
            "account": {"login": self.world.organisation, "type": "Organization"},
            "permissions": {"contents": "read", "metadata": "read"},
        }))
    }

    fn user(&self) -> Answer {
        if self.caller.installation {
            return Err(error(403, "Resource not accessible by integration"));
        }
        let body = json!({"login": "reader", "id": 1, "type": "User"});
        Ok(Reply::json(200, body).with_header("x-oauth-scopes", "read:org, repo"))
    }

    fn rate_limit(&self) -> Reply {
        let view = |resource, limit: u64| {
            let (left, reset) = self.gate.left(self.caller, resource, self.call);
            json!({"limit": limit, "used": limit - left, "remaining": left,
                "reset": reset.timestamp(), "resource": resource})
        };
        let core = view("core", self.call.settings.core_limit);
        let graphql = view("graphql", self.call.settings.graphql_limit);
        Reply::json(200, json!({"resources": {"core": core, "graphql": graphql}, "rate": core}))
    }

    fn organisation(&self, name: &str, rest: &[&str]) -> Answer {
        if !name.eq_ignore_ascii_case(&self.world.organisation) {
            return Err(not_found());
        }
        match rest {
            [] => Ok(Reply::json(
                200,
                json!({"login": self.world.organisation, "id": self.world.organisation_id,
                    "type": "Organization"}),
            )),
            ["repos"] => {
                let mut all = self.visible();
                if self.call.get("sort") == Some("full_name") {
                    all.sort_by_key(|it| it.name_at(self.now()).to_owned());
                } else {
                    all.reverse();
                }
                let id = self.world.organisation_id;
                let link = format!("{}/organizations/{id}/repos", self.call.base);
                Ok(self.page(&all, &link, None, None, |it| self.repository(it)))
            }
            _ => Err(not_found()),
        }
    }

    fn visible(&self) -> Vec<&'a Repository> {
        let token = self.caller.token.as_ref();
        let all = self.world.repositories.iter();
        all.filter(|it| it.visible(self.now()) && sees(token, it)).collect()
    }

    /// The repository of this name; 301 for a former name.
    fn named(&self, owner: &str, name: &str, rest: &[&str]) -> Result<&'a Repository, Reply> {
        if !owner.eq_ignore_ascii_case(&self.world.organisation) {
            return Err(not_found());
        }
        let visible = self.visible();
        let mut present = visible.iter();
        if let Some(found) = present.find(|it| it.name_at(self.now()).eq_ignore_ascii_case(name)) {
            return Ok(found);
        }
        let mut former = visible.iter();
        let moved = former.find(|it| it.was_named(name, self.now())).ok_or_else(not_found)?;
        let rest: String = rest.iter().map(|part| format!("/{part}")).collect();
        let target = with_query(
            &format!("{}/repositories/{}{rest}", self.call.base, moved.id),
            &self.call.query,
        );
        Err(error(301, "Moved Permanently").with_header("location", target))
    }

    /// The address of a repository.
    pub(super) fn address(&self, repository: &Repository) -> String {
        let name = repository.name_at(self.now());
        format!("{}/repos/{}/{name}", self.call.base, self.world.organisation)
    }

    pub(super) fn repository(&self, repository: &Repository) -> Value {
        let name = repository.name_at(self.now());
        let organisation = &self.world.organisation;
        json!({
            "id": repository.id, "node_id": format!("R_{}", repository.id), "name": name,
            "full_name": format!("{organisation}/{name}"), "private": true,
            "owner": {"login": organisation, "id": self.world.organisation_id,
                "type": "Organization"},
            "html_url": format!("https://github.example/{organisation}/{name}"),
            "url": self.address(repository), "default_branch": repository.default_branch,
            "archived": repository.archived, "fork": repository.fork,
            "disabled": repository.disabled,
            "created_at": text(repository.created_at),
            "updated_at": text(repository.updated_at(self.now())),
            "pushed_at": text(repository.pushed_at(self.now())),
        })
    }

    fn contents(&self, repository: &Repository, path: &str) -> Answer {
        let reference = self.call.get("ref").unwrap_or("HEAD");
        let commit = repository.resolve(reference, self.now()).ok_or_else(not_found)?;
        let blob = repository.blob(&commit.sha, path).ok_or_else(not_found)?;
        Ok(Reply::json(
            200,
            json!({"type": "file", "path": path, "sha": blob.oid(), "size": blob.text.len(),
                "encoding": "none", "content": blob.text}),
        ))
    }

    /// One page of a list, with its `Link` header. `cap` limits what can be reached.
    pub(super) fn page<T>(
        &self,
        items: &[T],
        link: &str,
        wrap: Option<&str>,
        cap: Option<usize>,
        view: impl Fn(&T) -> Value,
    ) -> Reply {
        let number = |name: &str, default: usize| {
            self.call.get(name).and_then(|given| given.parse().ok()).unwrap_or(default).max(1)
        };
        let per_page = number("per_page", 30).min(self.call.settings.max_per_page);
        let page = number("page", 1);
        let reachable = &items[..cap.unwrap_or(items.len()).min(items.len())];
        let shown = reachable.iter().skip((page - 1) * per_page).take(per_page);
        let shown: Vec<Value> = shown.map(view).collect();
        let body = match wrap {
            None => Value::Array(shown),
            Some(key) => json!({"total_count": items.len(), key: shown}),
        };
        let last = reachable.len().div_ceil(per_page).max(1);
        let mut links = Vec::new();
        if page < last {
            links.extend([(page + 1, "next"), (last, "last")]);
        }
        if page > 1 {
            links.extend([((page - 1).min(last), "prev"), (1, "first")]);
        }
        let by_name = format!("{}{}", self.call.base, self.call.path);
        let link = if self.call.settings.links_by_id { link } else { &by_name };
        let reply = Reply::json(200, body);
        if links.is_empty() {
            return reply;
        }
        let one = |(page, rel): &(usize, &str)| {
            let mut query = self.call.query.clone();
            query.retain(|(name, _)| name != "page");
            query.push(("page".to_owned(), page.to_string()));
            format!("<{}>; rel=\"{rel}\"", with_query(link, &query))
        };
        reply.with_header("link", links.iter().map(one).collect::<Vec<_>>().join(", "))
    }
}

fn with_query(address: &str, query: &[(String, String)]) -> String {
    if query.is_empty() {
        return address.to_owned();
    }
    let mut written = url::form_urlencoded::Serializer::new(String::new());
    written.extend_pairs(query);
    format!("{address}?{}", written.finish())
}
