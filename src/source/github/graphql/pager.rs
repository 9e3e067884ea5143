//! The way through the pages of a listing, mistrusted.

use std::collections::HashSet;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Connection, GraphQl, PageSize, Query, QueryError, Reply};

/// Reads a listing page by page.
///
/// The end is where the server says that no page follows. A page that follows without a place, a
/// place that comes again, or more pages than [`crate::source::outbound::Limits::max_pages`] is an
/// error: never the end, and never a loop without one.
#[derive(Debug)]
pub(in crate::source::github) struct Pager<'a> {
    graphql: &'a GraphQl,
    query: Query,
    size: PageSize,
    after: Option<String>,
    trail: Trail,
    restarted: bool,
}

impl<'a> Pager<'a> {
    /// A pager with pages of `items` to begin with, from `after` on.
    pub(in crate::source::github) fn new(
        graphql: &'a GraphQl,
        query: Query,
        items: u32,
        after: Option<String>,
    ) -> Self {
        let mut trail = graphql.trail(query);
        trail.visited.extend(after.clone());
        Self { graphql, query, size: PageSize::of(items), after, trail, restarted: false }
    }

    /// Where the page starts that [`Pager::ask`] reads, for a cursor.
    pub(in crate::source::github) fn after(&self) -> Option<String> {
        self.after.clone()
    }

    /// Reads the page.
    pub(in crate::source::github) async fn ask<T: DeserializeOwned>(
        &mut self,
        variables: &Value,
    ) -> Result<Reply<T>, QueryError> {
        let mut variables = variables.clone();
        if let (Value::Object(variables), Some(after)) = (&mut variables, &self.after) {
            variables.insert("after".into(), json!(after));
        }
        self.graphql.page(self.query, &mut self.size, &variables).await
    }

    /// Goes on behind `page`. False if it is the last one.
    pub(in crate::source::github) fn follow<T>(
        &mut self,
        page: &Connection<T>,
    ) -> Result<bool, QueryError> {
        self.after = self.trail.next(page)?;
        Ok(self.after.is_some())
    }

    /// Goes back to the beginning where the server refuses the place to continue from. False if it
    /// is there already, or was sent back before: a server that refuses every place never ends.
    pub(in crate::source::github) fn restart(&mut self) -> bool {
        let useful = self.after.is_some() && !self.restarted;
        if useful {
            (self.after, self.restarted) = (None, true);
            self.trail.visited.clear();
        }
        useful
    }
}

/// The places that a listing was continued from.
#[derive(Debug)]
pub(in crate::source::github) struct Trail {
    operation: &'static str,
    most: usize,
    visited: HashSet<String>,
}

impl Trail {
    pub(super) fn new(operation: &'static str, most: u32) -> Self {
        Self { operation, most: most as usize, visited: HashSet::new() }
    }

    /// Where the page after `page` starts, if one follows.
    pub(in crate::source::github) fn next<T>(
        &mut self,
        page: &Connection<T>,
    ) -> Result<Option<String>, QueryError> {
        if !page.page_info.has_next_page {
            return Ok(None);
        }
        let message = match &page.page_info.end_cursor {
            None => "another page follows, but the answer does not say where".to_owned(),
            Some(place) if self.visited.contains(place) => {
                "the next page is one that was already read".to_owned()
            }
            Some(_) if self.visited.len() + 1 >= self.most => {
                format!("the listing has more than {} pages", self.most)
            }
            Some(place) => {
                self.visited.insert(place.clone());
                return Ok(Some(place.clone()));
            }
        };
        Err(QueryError::Malformed { operation: self.operation, message })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::github::graphql::PageInfo;

    fn page(has_next_page: bool, end_cursor: Option<&str>) -> Connection<()> {
        let end_cursor = end_cursor.map(str::to_owned);
        let page_info = PageInfo { has_next_page, end_cursor };
        Connection { total_count: None, page_info, nodes: Vec::new() }
    }

    #[test]
    fn a_listing_ends_where_the_server_says_so() {
        let mut trail = Trail::new("Op", 10);
        assert_eq!(trail.next(&page(true, Some("a"))).unwrap().as_deref(), Some("a"));
        assert_eq!(trail.next(&page(false, Some("b"))).unwrap(), None);
        assert_eq!(trail.next(&page(false, None)).unwrap(), None);
    }

    #[test]
    fn a_listing_that_cannot_be_followed_is_an_error_and_not_the_end() {
        let mut trail = Trail::new("Op", 3);
        assert!(trail.next(&page(true, None)).is_err(), "it does not say where");
        assert!(trail.next(&page(true, Some("a"))).is_ok());
        assert!(trail.next(&page(true, Some("a"))).is_err(), "it is where we come from");
        assert!(trail.next(&page(true, Some("b"))).is_ok(), "the third page");
        let error = trail.next(&page(true, Some("c"))).unwrap_err();
        assert!(error.to_string().contains("more than 3 pages"), "{error}");
    }
}
