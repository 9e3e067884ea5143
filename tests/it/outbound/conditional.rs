//! Conditional requests: what is known is not asked for twice, and nothing is lost by it.

use engkpi::domain::SourceName;
use engkpi::source::outbound::{Answer, Dialect, Outbound, OutboundError, Request};
use engkpi::store::sqlite::SqliteStore;
use engkpi::store::{Access, Batch, Store, Validator};

use super::server::{Act, Seen, Server, answer, json};
use super::{CANARY, client, client_with, environment, fast};

struct Stored {
    store: SqliteStore,
    _folder: tempfile::TempDir,
}

async fn store() -> Stored {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("store.db"), Access::Write).await.unwrap();
    Stored { store, _folder: folder }
}

async fn keep(stored: &Stored, validator: Option<Validator>) {
    let batch = Batch { validators: validator.into_iter().collect(), ..Batch::default() };
    stored.store.commit(&SourceName::new("hostile"), batch).await.unwrap();
}

/// A listing of two pages with validators; a 304 leaves its `Link` out, as GitHub may.
fn listing(seen: &Seen) -> Vec<Act> {
    let first = seen.target == "/list?page=1";
    let etag = if first { "\"one\"" } else { "\"two\"" };
    if seen.header("if-none-match") == Some(etag) {
        return answer(304, &[("etag", etag)], b"");
    }
    let link = ("link", "</list?page=2>; rel=\"next\"");
    let headers = if first { vec![("etag", etag), link] } else { vec![("etag", etag)] };
    answer(200, &headers, b"[1]")
}

/// Reads the listing to its end, storing validators with the pages; says which were fresh.
async fn read(client: &Outbound, stored: &Stored) -> Vec<bool> {
    let mut pages = client.pages(Request::to(["list"]).query("page", 1)).unwrap();
    let mut fresh = Vec::new();
    while let Some(answer) = pages.next(Some(&stored.store)).await.unwrap() {
        fresh.push(matches!(answer, Answer::Fresh(_)));
        if let Answer::Fresh(page) = answer {
            keep(stored, page.validator).await;
        }
    }
    fresh
}

#[tokio::test]
async fn an_unchanged_listing_is_walked_by_its_stored_links() {
    let server = Server::start(listing).await;
    let stored = store().await;
    let client = client(&server.base);
    assert_eq!(read(&client, &stored).await, [true, true]);
    assert_eq!(read(&client, &stored).await, [false, false], "a 304 without Link is no end");
    assert_eq!(server.requests(), 4);
}

#[tokio::test]
async fn a_validator_belongs_to_one_token_one_address_and_one_media_type() {
    let server = Server::start(listing).await;
    let client = client(&server.base);
    let request = Request::to(["list"]).query("page", 1);
    let key = client.validator_key(&request).unwrap();
    assert_eq!(key, client.validator_key(&request.clone()).unwrap());
    let raw = request.clone().accept("application/vnd.github.raw+json");
    for other in [
        client.validator_key(&Request::to(["list"]).query("page", 2)).unwrap(),
        client.validator_key(&raw).unwrap(),
        other_token(&server).validator_key(&request).unwrap(),
    ] {
        assert_ne!(key, other);
    }
    assert!(!key.contains(CANARY));
}

fn other_token(server: &Server) -> Outbound {
    use engkpi::source::outbound::Options;
    let options = Options {
        source: "hostile".into(),
        base: server.base.clone(),
        dialect: Dialect::GitHub,
        limits: fast(Dialect::GitHub),
        auth: super::token("another"),
    };
    Outbound::new(options, &environment()).unwrap()
}

#[tokio::test]
async fn a_stored_link_out_of_the_origin_is_not_followed() {
    let server = Server::start(listing).await;
    let stored = store().await;
    let client = client(&server.base);
    let request = Request::to(["list"]).query("page", 1);
    for next in ["http://attacker.invalid/2", "no address"] {
        let key = client.validator_key(&request).unwrap();
        let etag = Some("\"one\"".to_owned());
        let poisoned = Validator { key, etag, last_modified: None, next: Some(next.into()) };
        keep(&stored, Some(poisoned)).await;
        let answer = client.get_if_changed(&request, &stored.store).await.unwrap();
        let Answer::Fresh(page) = answer else { panic!("the poisoned validator was used") };
        assert_eq!(page.next.unwrap().path(), "/list");
    }
}

#[tokio::test]
async fn only_a_complete_200_leaves_a_validator() {
    let server = Server::start(|seen| match seen.number {
        0 => answer(201, &[("etag", "\"x\"")], b"{}"),
        1 => answer(200, &[("etag", &format!("\"{}\"", "x".repeat(600)))], b"{}"),
        2 => answer(200, &[("last-modified", "Sun, 22 Nov 2026 10:00:00 GMT")], b"{}"),
        _ => json("{}"),
    })
    .await;
    let client = client(&server.base);
    let mut validators = Vec::new();
    for _ in 0..4 {
        let page = client.get(&Request::to(["x"])).await.unwrap();
        validators.push(page.validator.map(|it| (it.etag.is_some(), it.last_modified.is_some())));
    }
    assert_eq!(validators, [None, None, Some((false, true)), None]);
    let page = client.post_json(&Request::to(["x"]), &()).await.unwrap();
    assert_eq!(page.validator, None, "a POST is never conditional");
}

#[tokio::test]
async fn a_304_that_nobody_asked_for_is_an_error() {
    let server = Server::always(answer(304, &[], b"")).await;
    let stored = store().await;
    let client = client_with(&server.base, fast(Dialect::GitHub), Dialect::GitHub, &environment());
    for result in [
        client.get(&Request::to(["x"])).await.map(|_| ()),
        client.get_if_changed(&Request::to(["x"]), &stored.store).await.map(|_| ()),
        client.post_json(&Request::to(["x"]), &()).await.map(|_| ()),
    ] {
        assert!(matches!(result, Err(OutboundError::Malformed { .. })), "{result:?}");
    }
}
