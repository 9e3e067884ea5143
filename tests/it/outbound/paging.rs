//! Listings whose links lie.

use engkpi::source::outbound::{Answer, Dialect, Limits, Outbound, OutboundError, Request};

use super::server::{Act, Server, answer, json};
use super::{client, client_with, environment, fast};

fn linked(body: &str, next: &str) -> Vec<Act> {
    answer(200, &[("link", &format!("<{next}>; rel=\"next\""))], body.as_bytes())
}

/// Everything a listing gives, and how it ended.
async fn read(client: &Outbound) -> (Vec<u64>, Result<(), OutboundError>) {
    let mut pages = client.pages(Request::to(["1"])).unwrap();
    let mut items = Vec::new();
    loop {
        match pages.next(None).await {
            Ok(Some(Answer::Fresh(page))) => items.extend(page.json::<Vec<u64>>().unwrap()),
            Ok(Some(answer)) => panic!("nothing was conditional: {answer:?}"),
            Ok(None) => return (items, Ok(())),
            Err(error) => return (items, Err(error)),
        }
    }
}

#[tokio::test]
async fn a_next_that_points_to_itself_is_asked_once() {
    let server = Server::start(|seen| linked("[1]", &seen.target)).await;
    let (items, end) = read(&client(&server.base)).await;
    assert_eq!(items, [1]);
    assert!(matches!(end, Err(OutboundError::Malformed { .. })), "{end:?}");
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn a_cycle_of_pages_ends_at_the_first_repetition() {
    let server = Server::start(|seen| match seen.target.as_str() {
        "/1" => linked("[1]", "/2"),
        "/2" => linked("[2]", "/3"),
        _ => linked("[3]", "/2#again"),
    })
    .await;
    let (items, end) = read(&client(&server.base)).await;
    assert_eq!(items, [1, 2, 3]);
    assert!(matches!(end, Err(OutboundError::Malformed { .. })), "{end:?}");
    assert_eq!(server.requests(), 3);
}

#[tokio::test]
async fn an_empty_page_in_the_middle_is_not_the_end() {
    let server = Server::start(|seen| match seen.target.as_str() {
        "/1" => linked("[1]", "/2"),
        "/2" => linked("[]", "/3"),
        _ => json("[3]"),
    })
    .await;
    let (items, end) = read(&client(&server.base)).await;
    assert_eq!(items, [1, 3]);
    end.unwrap();
}

#[tokio::test]
async fn a_listing_that_never_ends_is_cut_at_the_page_cap() {
    let server = Server::start(|seen| linked("[1]", &format!("/{}", seen.number + 2))).await;
    let limits = Limits { max_pages: 7, ..fast(Dialect::GitHub) };
    let client = client_with(&server.base, limits, Dialect::GitHub, &environment());
    let (items, end) = read(&client).await;
    assert_eq!(items.len(), 7);
    assert!(matches!(end, Err(OutboundError::Malformed { .. })), "{end:?}");
    assert_eq!(server.requests(), 7);
}

#[tokio::test]
async fn pitfall_2_links_may_leave_the_path_that_was_asked_for() {
    let server = Server::start(|seen| match seen.target.as_str() {
        "/repos/acme/shop/issues?per_page=100" => linked("[1]", "/repositories/7/issues?page=2"),
        "/repositories/7/issues?page=2" => json("[2]"),
        other => panic!("{other} was asked for"),
    })
    .await;
    let first = Request::to(["repos", "acme", "shop", "issues"]).query("per_page", 100);
    let mut pages = client(&server.base).pages(first).unwrap();
    pages.next(None).await.unwrap().unwrap();
    pages.next(None).await.unwrap().unwrap();
    assert!(pages.next(None).await.unwrap().is_none());
}

#[tokio::test]
async fn a_page_that_failed_can_be_asked_for_again() {
    let server = Server::start(|seen| match (seen.target.as_str(), seen.number) {
        ("/1", _) => linked("[1]", "/2"),
        (_, 1) => answer(404, &[], b"{}"),
        _ => json("[2]"),
    })
    .await;
    let mut pages = client(&server.base).pages(Request::to(["1"])).unwrap();
    pages.next(None).await.unwrap().unwrap();
    pages.next(None).await.unwrap_err();
    assert!(pages.next(None).await.unwrap().is_some(), "the second page came after all");
    assert!(pages.next(None).await.unwrap().is_none());
}
