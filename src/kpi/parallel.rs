//! Work on many things at a time.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What `work` makes of each number below `count`, in their order. As many at a time as the machine
/// can do; a panic of one is a panic of all.
pub(crate) fn map<T: Send + Sync>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let done: Vec<OnceLock<T>> = (0..count).map(|_| OnceLock::new()).collect();
    let next = AtomicUsize::new(0);
    let take = || {
        while let Some((at, slot)) = {
            let at = next.fetch_add(1, Ordering::Relaxed);
            done.get(at).map(|slot| (at, slot))
        } {
            slot.get_or_init(|| work(at));
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(count);
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(take);
        }
        take();
    });
    done.into_iter().filter_map(OnceLock::into_inner).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn results_are_in_order_whoever_was_first() {
        let squares = super::map(1000, |at| at * at);
        assert_eq!(squares, (0..1000).map(|at| at * at).collect::<Vec<_>>());
        assert!(super::map(0, |at| at).is_empty());
    }
}
