//! Which series tell the queries of an SLO how many events there were.

use super::selector::Selector;
use crate::kpi::ledger::{Sli, WINDOW};

/// What a series counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Bad,
    Good,
    All,
}

/// The two series that an SLO is fed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Feed {
    pub(super) series: [(String, Role); 2],
}

impl Feed {
    /// `None` where the queries are too intricate to tell.
    pub(super) fn of(sli: &Sli) -> Option<Self> {
        let (some, all, role, rest) = match sli {
            Sli::Bad { bad, total } => {
                let all = counted(total)?;
                match difference(bad) {
                    // What is not good, of all.
                    Some((minuend, good)) if minuend == all => (good, all, Role::Good, Role::Bad),
                    Some(_) => return None,
                    None => (counted(bad)?, all, Role::Bad, Role::Good),
                }
            }
            Sli::Good { good, total } => (counted(good)?, counted(total)?, Role::Good, Role::Bad),
            Sli::Ratio { .. } => return None,
        };
        let (some, all, shared) = Selector::apart(&some, &all)?;
        // The second series counts what the first does not, unless it counts everything by itself.
        Some(Self { series: [(some, role), (all, if shared { rest } else { Role::All })] })
    }
}

/// The selector whose growth a query counts, if it does nothing else.
fn counted(query: &str) -> Option<Selector> {
    let mut query = query.trim();
    while let Some(inner) = query.strip_prefix('(').and_then(|it| it.strip_suffix(')')) {
        query = inner.trim();
    }
    let query = query.strip_prefix("sum").map_or(Some(query), |rest| {
        Some(rest.trim().strip_prefix('(')?.strip_suffix(')')?.trim())
    })?;
    let rest = query.strip_prefix("rate").or_else(|| query.strip_prefix("increase"))?;
    let rest = rest.trim().strip_prefix('(')?.strip_suffix(')')?.trim();
    Selector::parse(rest.strip_suffix(']')?.strip_suffix(WINDOW)?.strip_suffix('[')?)
}

/// The two selectors of a query that takes one count from another.
fn difference(query: &str) -> Option<(Selector, Selector)> {
    let query = query.trim();
    let inner = query.strip_prefix('(').and_then(|it| it.strip_suffix(')'));
    [Some(query), inner].into_iter().flatten().find_map(|query| {
        let halves = |at: usize| Some((counted(&query[..at])?, counted(&query[at + 1..])?));
        query.match_indices('-').find_map(|(at, _)| halves(at))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(sli: &Sli) -> Option<[(String, Role); 2]> {
        Feed::of(sli).map(|it| it.series)
    }

    fn bad(bad: &str, total: &str) -> Sli {
        Sli::Bad { bad: bad.to_owned(), total: total.to_owned() }
    }

    #[test]
    fn the_usual_queries_are_understood() {
        let total = "sum(rate(r[{{.window}}]))";
        let of =
            |a: &str, first, b: &str, second| Some([(a.to_owned(), first), (b.to_owned(), second)]);
        assert_eq!(
            roles(&bad(r#"sum(rate(r{code=~"5.."}[{{.window}}]))"#, total)),
            of(r#"r{code="500"}"#, Role::Bad, r#"r{code="200"}"#, Role::Good)
        );
        assert_eq!(
            roles(&bad("(\n  increase( e[{{.window}}] )\n)", "sum(\nincrease(r[{{.window}}])\n)")),
            of("e{}", Role::Bad, "r{}", Role::All)
        );
        let slow = "(\n sum(rate(d_count[{{.window}}]))\n -\n sum(rate(d_bucket{le=\"0.4\"}[{{.window}}]))\n)";
        assert_eq!(
            roles(&bad(slow, "sum(rate(d_count[{{.window}}]))")),
            of(r#"d_bucket{le="0.4"}"#, Role::Good, "d_count{}", Role::All)
        );
        let good = Sli::Good {
            good: r#"sum(increase(r{code!~"5.."}[{{.window}}]))"#.to_owned(),
            total: "sum(increase(r[{{.window}}]))".to_owned(),
        };
        assert_eq!(roles(&good), of(r#"r{code="200"}"#, Role::Good, r#"r{code="500"}"#, Role::Bad));
    }

    #[test]
    fn intricate_queries_are_not_guessed_at() {
        let total = "sum(rate(r[{{.window}}]))";
        for query in [
            "sum(rate(a[{{.window}}])) + sum(rate(b[{{.window}}]))",
            "sum(rate(e[{{.window}}])) OR on() vector(0)",
            "sum by (x) (rate(e[{{.window}}]))",
            "sum(rate(e[{{.window}}] offset 5m))",
            "sum_over_time((count(x < 1))[{{.window}}:])",
            "sum(rate(other[{{.window}}])) - sum(rate(good[{{.window}}]))",
            "sum(irate(e[{{.window}}]))",
        ] {
            assert_eq!(roles(&bad(query, total)), None, "{query}");
        }
        assert_eq!(roles(&Sli::Ratio { bad: "x[{{.window}}]".to_owned(), there: None }), None);
    }
}
