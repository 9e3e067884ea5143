use std::collections::HashSet;

use url::Url;

use super::{Answer, Outbound, OutboundError, Request};
use crate::store::Store;

/// The pages of a listing, in the order in which the server links them.
///
/// An empty page is not the end; only an answer without `next` is. A `next` to a page that was
/// already read, or more pages than [`super::Limits::max_pages`], is an error.
#[derive(Debug)]
pub struct Pages {
    client: Outbound,
    template: Request,
    upcoming: Option<Url>,
    visited: HashSet<Url>,
}

impl Pages {
    pub(super) fn new(client: Outbound, first: Request) -> Result<Self, OutboundError> {
        let url = client.address(&first)?;
        Ok(Self { client, template: first, upcoming: Some(url), visited: HashSet::new() })
    }

    /// The next page, or nothing after the last.
    ///
    /// With a `store` each page is asked for conditionally on the validator that is stored for it.
    /// After an error the same page can be asked for again.
    pub async fn next(
        &mut self,
        store: Option<&dyn Store>,
    ) -> Result<Option<Answer>, OutboundError> {
        let Some(url) = self.upcoming.clone() else { return Ok(None) };
        let most = self.client.limits().max_pages as usize;
        let wrong = if self.visited.contains(&url) {
            Some("the next page is one that was already read".into())
        } else {
            (self.visited.len() >= most).then(|| format!("the listing has more than {most} pages"))
        };
        if let Some(reason) = wrong {
            let request = format!("GET {}", url.path());
            return Err(OutboundError::Malformed { request, reason });
        }
        let request = self.template.for_page(url.clone());
        let answer = match store {
            Some(store) => self.client.get_if_changed(&request, store).await?,
            None => Answer::Fresh(Box::new(self.client.get(&request).await?)),
        };
        self.upcoming = answer.next().cloned();
        self.visited.insert(url);
        Ok(Some(answer))
    }

    /// The address of the page that [`Pages::next`] will read, for a cursor.
    pub fn upcoming(&self) -> Option<&Url> {
        self.upcoming.as_ref()
    }
}
