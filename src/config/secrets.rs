//! The secrets that a configuration refers to: where each reference was written, and whether the
//! secret can be had.

use super::layers::Layers;
use super::path::KeyPath;
use super::problem::{Place, Problem};
use super::sources::SourceSettings;
use super::text::Aim;
use crate::secret::SecretRef;
use crate::store;

/// A reference to a secret.
#[derive(Clone, Debug)]
pub(super) struct Referred {
    place: Place,
    key: KeyPath,
    reference: SecretRef,
}

impl Referred {
    /// Reads the secret and forgets it again.
    pub(super) fn check(&self) -> Option<Problem> {
        let error = self.reference.resolve().err()?;
        Some(Problem::new(self.place.clone(), &self.key, error.to_string(), ""))
    }
}

/// All of a configuration.
pub(super) fn all(
    layers: &Layers,
    store: &store::Settings,
    sources: &[(String, SourceSettings)],
) -> Vec<Referred> {
    let of_store = store.postgres.iter().map(|it| (KeyPath::parse("store.postgres"), it));
    let of_sources = sources.iter().flat_map(|(name, settings)| {
        let section = KeyPath::parse("sources").key(name.as_str());
        let secrets = settings.secrets().into_iter();
        secrets.map(move |(key, it)| (section.join(&KeyPath::parse(key)), it))
    });
    let referred = of_store.chain(of_sources).map(|(key, reference)| Referred {
        place: layers.place(&key, Aim::Value),
        key,
        reference: reference.clone(),
    });
    referred.collect()
}
