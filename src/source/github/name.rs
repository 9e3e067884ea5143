use std::fmt;

/// `owner/name`, checked: it goes into addresses and messages.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct FullName {
    owner: String,
    name: String,
}

impl FullName {
    /// Takes `owner/name` apart if it is one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (owner, name) = text.split_once('/')?;
        (is_owner(owner) && is_name(name))
            .then(|| Self { owner: owner.to_owned(), name: name.to_owned() })
    }

    /// The owner's login.
    pub(super) fn owner(&self) -> &str {
        &self.owner
    }

    /// The name without its owner.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What identifies it: GitHub ignores case.
    pub(super) fn key(&self) -> String {
        self.to_string().to_ascii_lowercase()
    }
}

impl fmt::Display for FullName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

/// Whether `text` can be the login of a user or an organisation. Managed users have an underscore.
pub(super) fn is_owner(text: &str) -> bool {
    (1..=100).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

fn is_name(text: &str) -> bool {
    (1..=100).contains(&text.len())
        && !matches!(text, "." | "..")
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_name_is_an_owner_and_a_name() {
        for good in ["acme/shop", "A-1/.github", "octo_corp/x.y-z_1"] {
            assert_eq!(FullName::parse(good).map(|it| it.to_string()).as_deref(), Some(good));
        }
        for bad in ["acme", "acme/", "/shop", "acme/..", "acme/a/b", "ac me/x", "acme/a?b", "é/x"]
        {
            assert_eq!(FullName::parse(bad), None, "{bad}");
        }
    }
}
