//! Names as types, so that a team can never be passed where a service is meant.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::text::{Pool, Text};

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Text);

        impl $name {
            /// Wraps a name that has already been checked at the boundary where it entered.
            pub fn new(name: impl Into<Text>) -> Self {
                Self(name.into())
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Points at the equal name that `pool` knows already.
            pub fn share(&mut self, pool: &mut Pool) {
                pool.share(&mut self.0);
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self::new(name)
            }
        }
    };
}

name!(
    /// A configured source, for example `github`.
    SourceName
);
name!(
    /// A service of the catalogue.
    ServiceName
);
name!(
    /// A team of the catalogue.
    TeamName
);
name!(
    /// A repository for ever: the source's name and the vendor's numeric id, so that a rename
    /// changes nothing and two sources cannot collide. Build it with [`RepositoryId::of`].
    RepositoryId
);

impl RepositoryId {
    /// The id of the repository that `source` knows by the vendor's `native` id.
    pub fn of(source: &SourceName, native: impl fmt::Display) -> Self {
        Self::new(format!("{source}/{native}"))
    }
}
