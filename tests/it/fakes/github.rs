//! The fake GitHub keeps the vendor's limits and awkward habits.

use engkpi_fakes::world::{File, Token};
use engkpi_fakes::{Fakes, Fault, GITHUB_TOKEN, World};
use reqwest::Response;
use serde_json::{Value, json};

fn world() -> World {
    World::new("acme").at("2026-04-01 00:00").repository("shop", |shop| {
        let first = shop.push("2026-03-01 09:00", "Initial commit", &["README.md"]);
        shop.deployed("production", &first, "2026-03-01 10:00");
        let merged = shop.pull(1, "2026-03-02 09:00", |pull| {
            pull.draft().ready("2026-03-02 10:00").review("2026-03-02 11:00", "bob");
            pull.commit("2026-03-02 08:00", "One", &["src/a.rs"]);
            pull.commit("2026-03-02 09:30", "Two", &["src/b.rs"]).squash("2026-03-02 12:00");
        });
        shop.deployed("production", &merged, "2026-03-02 13:00");
        shop.run("Deploy", &merged, "2026-03-02 12:05", |run| {
            run.attempt("2026-03-02 12:05", "2026-03-02 12:10", "failure");
            run.attempt("2026-03-02 12:20", "2026-03-02 12:30", "success");
        });
    })
}

async fn send(fakes: &Fakes, target: &str, headers: &[(&str, &str)]) -> Response {
    let policy = reqwest::redirect::Policy::none();
    let client =
        reqwest::Client::builder().no_proxy().redirect(policy).user_agent("test").build().unwrap();
    let mut request = client
        .get(fakes.github.url().join(target).unwrap())
        .header("authorization", format!("Bearer {GITHUB_TOKEN}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

async fn get(fakes: &Fakes, target: &str) -> (u16, Value) {
    let response = send(fakes, target, &[]).await;
    (response.status().as_u16(), response.json().await.unwrap_or(Value::Null))
}

async fn query(fakes: &Fakes, text: &str, variables: Value) -> Value {
    let client = reqwest::Client::builder().no_proxy().user_agent("test").build().unwrap();
    let response = client
        .post(fakes.github.url().join("graphql").unwrap())
        .header("authorization", format!("bearer {GITHUB_TOKEN}"))
        .json(&json!({"query": text, "variables": variables}));
    let response = response.send().await.unwrap();
    assert_eq!(response.status(), 200, "GraphQL tells its errors in a 200");
    response.json().await.unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn links_point_at_ids_and_pages_end() {
    let mut world = world();
    let shop = world.repository_mut("shop");
    let sha = shop.pushes[0].1.clone();
    for minute in 0..30 {
        shop.run("Test", &sha, format!("2026-03-03 10:{minute:02}").as_str(), |_| {});
    }
    let fakes = Fakes::start(world).await;
    let page = send(&fakes, "api/v3/repos/acme/shop/actions/runs?per_page=20", &[]).await;
    let link = header(&page, "link").to_owned();
    let next = format!(
        "<{}api/v3/repositories/1001/actions/runs?per_page=20&page=2>; rel=\"next\"",
        fakes.github.url()
    );
    assert!(link.starts_with(&next), "{link}");
    let (_, beyond) = get(&fakes, "repos/acme/shop/actions/runs?page=9").await;
    assert_eq!(beyond["workflow_runs"], json!([]), "past the end is empty, not an error");
    let whole = send(&fakes, "repositories/1001/actions/runs?per_page=500", &[]).await;
    assert_eq!(header(&whole, "link"), "", "all fits on one page");
    fakes.github.settings(|settings| settings.runs_cap = 25);
    let (_, capped) = get(&fakes, "repos/acme/shop/actions/runs?event=push&per_page=100").await;
    assert_eq!(capped["total_count"], 31);
    assert_eq!(capped["workflow_runs"].as_array().unwrap().len(), 25);
    let day = "repos/acme/shop/actions/runs?created=2026-03-02..2026-03-02";
    assert_eq!(get(&fakes, day).await.1["total_count"], 1);
}

#[tokio::test]
async fn a_run_shows_its_last_attempt_and_knows_the_earlier_ones() {
    let fakes = Fakes::start(world()).await;
    let (_, runs) = get(&fakes, "repos/acme/shop/actions/runs").await;
    let run = &runs["workflow_runs"][0];
    assert_eq!((&run["run_attempt"], &run["conclusion"]), (&json!(2), &json!("success")));
    assert_eq!(run["created_at"], "2026-03-02T12:05:00Z");
    assert_eq!(run["run_started_at"], "2026-03-02T12:20:00Z");
    let first = format!("repos/acme/shop/actions/runs/{}/attempts/1", run["id"]);
    assert_eq!(get(&fakes, &first).await.1["conclusion"], "failure");
    fakes.set_now("2026-03-02 12:15");
    let (_, runs) = get(&fakes, "repos/acme/shop/actions/runs").await;
    assert_eq!(runs["workflow_runs"][0]["run_attempt"], 1, "it has not been run again yet");
}

#[tokio::test]
async fn an_unchanged_answer_costs_nothing() {
    let fakes = Fakes::start(world()).await;
    let fresh = send(&fakes, "repos/acme/shop", &[]).await;
    let tag = header(&fresh, "etag").to_owned();
    let same = send(&fakes, "repos/acme/shop", &[("if-none-match", &tag)]).await;
    assert_eq!(same.status(), 304);
    assert_eq!(fakes.github.quota_used(), 1);
    fakes.edit(|world| world.repository_mut("shop").archived = true);
    let changed = send(&fakes, "repos/acme/shop", &[("if-none-match", &tag)]).await;
    assert_eq!(changed.status(), 200);
}

#[tokio::test]
async fn a_renamed_repository_moves_and_an_unseen_one_is_not_found() {
    let mut world = world();
    world.repository_mut("shop").rename("2026-03-10 00:00", "store");
    let fakes = Fakes::start(world).await;
    let moved = send(&fakes, "repos/acme/shop/actions/runs?per_page=5", &[]).await;
    assert_eq!(moved.status(), 301);
    let target = format!("{}repositories/1001/actions/runs?per_page=5", fakes.github.url());
    assert_eq!(header(&moved, "location"), target);
    let by_name = "query Q($n: String!) { repository(owner: \"acme\", name: $n) { name } }";
    let old = query(&fakes, by_name, json!({"n": "shop"})).await;
    assert_eq!(old["data"]["repository"]["name"], "store");
    fakes.edit(|world| world.access.github = vec![Token::full(GITHUB_TOKEN).only(&["other"])]);
    assert_eq!(get(&fakes, "repos/acme/store").await.0, 404);
    let unseen = query(&fakes, by_name, json!({"n": "store"})).await;
    assert_eq!(unseen["data"]["repository"], Value::Null);
    assert_eq!(unseen["errors"][0]["type"], "NOT_FOUND");
}

#[tokio::test]
async fn limits_are_told_in_each_vendor_s_way() {
    let fakes = Fakes::start(world()).await;
    fakes.github.settings(|settings| (settings.core_limit, settings.graphql_limit) = (1, 1));
    assert_eq!(get(&fakes, "repos/acme/shop").await.0, 200);
    let refused = send(&fakes, "repos/acme/shop", &[]).await;
    assert_eq!(refused.status(), 403);
    assert_eq!(header(&refused, "x-ratelimit-remaining"), "0");
    let reset: i64 = header(&refused, "x-ratelimit-reset").parse().unwrap();
    assert_eq!(reset, 1_775_005_200, "one hour later, as epoch seconds");
    assert_eq!(get(&fakes, "rate_limit").await.0, 200, "asking for the limit is free");
    query(&fakes, "{ rateLimit { cost } }", json!({})).await;
    let refused = query(&fakes, "{ rateLimit { cost } }", json!({})).await;
    assert_eq!(refused["errors"][0]["type"], "RATE_LIMITED");
    fakes.set_now("2026-04-01 01:00:01");
    assert_eq!(get(&fakes, "repos/acme/shop").await.0, 200);
}

#[tokio::test]
async fn graphql_gives_exactly_what_is_selected() {
    let fakes = Fakes::start(world()).await;
    let text = "
        # comments and commas are nothing,
        query Both($first: Int = 1, $files: Boolean!, $after: String) {
          rateLimit { cost remaining }
          r: repository(owner: \"acme\", name: \"shop\") {
            ...Head
            pullRequests(first: $first, states: [MERGED], orderBy: {field: UPDATED_AT, direction: DESC}) {
              totalCount
              pageInfo { hasNextPage endCursor }
              nodes {
                __typename number createdAt mergedAt isDraft mergeCommit { oid parents(first: 2) { nodes { oid } } }
                author { __typename login }
                commits(first: 10) { nodes { commit { oid authoredDate } } }
                files(first: 5) @include(if: $files) { nodes { path changeType } }
                timelineItems(first: 5, itemTypes: [READY_FOR_REVIEW_EVENT]) {
                  nodes { __typename ... on ReadyForReviewEvent { createdAt } }
                }
              }
            }
            deployments(last: 1, orderBy: {field: CREATED_AT, direction: DESC}) {
              edges { node { latestStatus { state } statuses(first: 9, after: $after) { nodes { state createdAt } } } }
            }
          }
        }
        fragment Head on Repository { defaultBranchRef { name target { ... on Commit { oid } } } }";
    let answer = query(&fakes, text, json!({"files": false})).await;
    assert_eq!(answer["errors"], Value::Null);
    let shop = &answer["data"]["r"];
    assert_eq!(shop["defaultBranchRef"]["name"], "main");
    let pull = &shop["pullRequests"]["nodes"][0];
    assert_eq!(pull["mergeCommit"]["oid"], shop["defaultBranchRef"]["target"]["oid"]);
    assert_eq!(pull["commits"]["nodes"].as_array().unwrap().len(), 2);
    assert_eq!(pull.get("files"), None, "left out by @include");
    assert_eq!(
        pull["timelineItems"]["nodes"],
        json!([{"__typename": "ReadyForReviewEvent", "createdAt": "2026-03-02T10:00:00Z"}])
    );
    // The newest deployment made the one before inactive; the newest status comes first.
    assert_eq!(
        shop["deployments"]["edges"],
        json!([{"node": {"latestStatus": {"state": "INACTIVE"}, "statuses": {"nodes": [
            {"state": "INACTIVE", "createdAt": "2026-03-02T13:00:00Z"},
            {"state": "SUCCESS", "createdAt": "2026-03-01T10:00:00Z"}]}}}])
    );
    assert_eq!(answer["data"]["rateLimit"], json!({"cost": 1, "remaining": 4999}));

    fakes.set_now("2026-03-02 11:30");
    let earlier = query(&fakes, "{ repository(owner: \"acme\", name: \"shop\") { pullRequests(first: 1) { nodes { state mergedAt reviews(first: 1) { totalCount } } } } }", json!({})).await;
    assert_eq!(
        earlier["data"]["repository"]["pullRequests"]["nodes"],
        json!([{"state": "OPEN", "mergedAt": null, "reviews": {"totalCount": 1}}])
    );
}

#[tokio::test]
async fn graphql_refuses_what_the_vendor_refuses_and_costs_what_it_costs() {
    let fakes = Fakes::start(world()).await;
    let repository = |inner: &str| {
        format!(
            "query Q {{ rateLimit {{ cost }} repository(owner: \"acme\", name: \"shop\") {{ {inner} }} }}"
        )
    };
    let refused = |answer: &Value| answer["errors"][0]["type"].as_str().unwrap_or("").to_owned();
    let unbounded = query(&fakes, &repository("pullRequests { totalCount }"), json!({})).await;
    assert_eq!(refused(&unbounded), "MISSING_PAGINATION_BOUNDARIES");
    let greedy =
        query(&fakes, &repository("pullRequests(first: 101) { totalCount }"), json!({})).await;
    assert_eq!(refused(&greedy), "EXCESSIVE_PAGINATION");
    let nested = "pullRequests(first: 100) { nodes { commits(first: 100) { nodes { commit { parents(first: 100) { totalCount } } } } } }";
    let huge = query(&fakes, &repository(nested), json!({})).await;
    assert_eq!(refused(&huge), "MAX_NODE_LIMIT_EXCEEDED");
    let unknown = query(&fakes, &repository("colour"), json!({})).await;
    assert!(unknown["errors"][0]["message"].as_str().unwrap().contains("'colour' doesn't exist"));
    fakes.github.clear_requests();
    let wide = "pullRequests(first: 100) { nodes { commits(first: 10) { totalCount } reviews(first: 10) { totalCount } } }";
    let wide = query(&fakes, &repository(wide), json!({})).await;
    // One request for the list and two for each of its hundred nodes.
    assert_eq!(wide["data"]["rateLimit"]["cost"], 2);
    assert_eq!(fakes.github.quota_used(), 2);
    assert_eq!(fakes.github.requests()[0].operation.as_deref(), Some("Q"));

    fakes.edit(|world| {
        world.access.github = vec![Token::full(GITHUB_TOKEN).without("deployments")];
    });
    let text = repository("name deployments(first: 1) { totalCount nodes { id } }");
    let partial = query(&fakes, &text, json!({})).await;
    assert_eq!(
        partial["data"]["repository"],
        json!({"name": "shop", "deployments": {"totalCount": 2, "nodes": [null]}})
    );
    assert_eq!(refused(&partial), "FORBIDDEN");
    assert_eq!(partial["errors"][0]["path"], json!(["repository", "deployments", "nodes", 0]));
    fakes.github.settings(|settings| settings.refuses_connections = true);
    let partial = query(&fakes, &text, json!({})).await;
    assert_eq!(partial["data"]["repository"], Value::Null, "a connection may not be null");
    let nodes = "query N($ids: [ID!]!) { nodes(ids: $ids) { ... on Repository { name } } }";
    let some = query(&fakes, nodes, json!({"ids": ["R_1001", "R_9"]})).await;
    assert_eq!(some["data"]["nodes"], json!([{"name": "shop"}, null]));
    assert_eq!(some["errors"][0]["path"], json!(["nodes", 1]));
}

#[tokio::test]
async fn history_is_simplified_as_git_does_it() {
    let world = World::new("acme").at("2026-04-01 00:00").repository("shop", |shop| {
        let add = File::added("docs/adr/0001-a.md", "# A\n\nproposed\n");
        shop.push_files("2026-03-01 09:00", "Add", vec![add]);
        shop.push("2026-03-01 10:00", "Elsewhere", &["src/a.rs"]);
        shop.pull(1, "2026-03-02 09:00", |pull| {
            let edit = File::modified("docs/adr/0001-a.md", "# A\n\naccepted\n");
            pull.commit_files("2026-03-02 09:00", "Accept", vec![edit]).merge("2026-03-02 10:00");
        });
        let moved = File::renamed("docs/adr/0001-a.md", "docs/adr/0001-b.md", None);
        shop.push_files("2026-03-03 09:00", "Rename", vec![moved]);
    });
    let fakes = Fakes::start(world).await;
    let text = "{ repository(owner: \"acme\", name: \"shop\") { object(expression: \"HEAD\") { ... on Commit {
        history(first: 10, path: \"docs/adr\") { nodes { message file(path: \"docs/adr\") { object { ... on Tree {
          entries { name object { ... on Blob { text } } object { ... on Blob { oid } } } } } } } } } } } }";
    let answer = query(&fakes, text, json!({})).await;
    let history = &answer["data"]["repository"]["object"]["history"]["nodes"];
    let messages: Vec<_> = history.as_array().unwrap().iter().map(|it| &it["message"]).collect();
    // The merge changed nothing that its second parent had not: git leaves it out.
    assert_eq!(messages, ["Rename", "Accept", "Add"]);
    let entry = &history[0]["file"]["object"]["entries"][0];
    assert_eq!(entry["name"], "0001-b.md");
    assert_eq!(entry["object"]["text"], "# A\n\naccepted\n", "a move keeps the text");
    assert!(entry["object"]["oid"].is_string(), "selections of one field are merged");
    assert_eq!(history[2]["file"]["object"]["entries"][0]["name"], "0001-a.md");
}

#[tokio::test]
async fn an_app_s_token_is_long_and_expires() {
    let fakes = Fakes::start(world()).await;
    let now = 1_775_001_600;
    let claims = json!({"iss": 1, "iat": now - 60, "exp": now + 540}).to_string();
    let token = format!("eyJhbGciOiJSUzI1NiJ9.{}.c2ln", base64url(claims.as_bytes()));
    let client = reqwest::Client::builder().no_proxy().user_agent("test").build().unwrap();
    let url = fakes.github.url().join("app/installations/1/access_tokens").unwrap();
    let minted = client.post(url).header("authorization", format!("Bearer {token}"));
    let minted: Value = minted.send().await.unwrap().json().await.unwrap();
    let value = minted["token"].as_str().unwrap().to_owned();
    assert!(value.len() > 100, "{value}");
    let ask = || async {
        let url = fakes.github.url().join("repos/acme/shop").unwrap();
        let sent = client.get(url).header("authorization", format!("Bearer {value}")).send();
        sent.await.unwrap().status().as_u16()
    };
    assert_eq!(ask().await, 200);
    fakes.set_now("2026-04-01 01:00:00");
    assert_eq!(ask().await, 401);
}

fn base64url(bytes: &[u8]) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let padded = [chunk[0], *chunk.get(1).unwrap_or(&0), *chunk.get(2).unwrap_or(&0)];
        let bits = u32::from_be_bytes([0, padded[0], padded[1], padded[2]]);
        for n in 0..=chunk.len() {
            text.push(char::from(alphabet[(bits >> (18 - 6 * n) & 63) as usize]));
        }
    }
    text
}

#[tokio::test]
async fn faults_reach_into_graphql_too() {
    let fakes = Fakes::start(world()).await;
    let text = "query Pulls($after: String) { repository(owner: \"acme\", name: \"shop\") {
        deployments(first: 1, after: $after) { pageInfo { hasNextPage endCursor } nodes { id } } } }";
    let first = query(&fakes, text, json!({})).await;
    let page = &first["data"]["repository"]["deployments"];
    let cursor = &page["pageInfo"]["endCursor"];
    fakes.github.fault(Fault::loop_next().on("Pulls").after(1));
    query(&fakes, text, json!({})).await;
    let looped = query(&fakes, text, json!({"after": cursor})).await;
    let info = &looped["data"]["repository"]["deployments"]["pageInfo"];
    assert_eq!((&info["hasNextPage"], &info["endCursor"]), (&json!(true), cursor));
    fakes.github.clear_faults();
    fakes.github.fault(Fault::empty_page().on("Pulls"));
    let empty = query(&fakes, text, json!({})).await;
    assert_eq!(empty["data"]["repository"]["deployments"]["nodes"], json!([]));
    assert_eq!(empty["data"]["repository"]["deployments"]["pageInfo"]["hasNextPage"], true);
}
