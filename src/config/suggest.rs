//! "Did you mean": the known name that is closest to an unknown one.

/// The one of `known` that `unknown` is most likely a slip of, if any is close enough.
pub fn closest<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let unknown = unknown.to_lowercase();
    known
        .into_iter()
        .map(|it| (strsim::damerau_levenshtein(&unknown, &it.to_lowercase()), it))
        // A third of the letters may differ; more is another word.
        .filter(|(distance, it)| *distance <= it.chars().count().max(unknown.chars().count()) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, it)| it)
}

/// A fix for `unknown`: the closest of `known`, else what `otherwise` says, else the choices.
pub fn fix<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>, otherwise: &str) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    if let Some(name) = closest(unknown, known.iter().copied()) {
        return format!("did you mean \"{name}\"?");
    }
    match (otherwise, known.as_slice()) {
        (otherwise, []) => otherwise.to_owned(),
        (otherwise, known) => format!("{otherwise}; known are {}", list(known)),
    }
}

/// The first twelve of `names`, and how many more there are.
pub fn list(names: &[&str]) -> String {
    const SHOWN: usize = 12;
    let mut text = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word_and_another_word_finds_nothing() {
        let known = ["payments", "platform", "search"];
        assert_eq!(closest("paymnts", known), Some("payments"));
        assert_eq!(closest("Payments", known), Some("payments"));
        assert_eq!(closest("serach", known), Some("search"));
        assert_eq!(closest("billing", known), None);
    }
}
