//! A look at what a key can see, for `engkpi check`.

use super::PagerDuty;
use crate::source::probe::Probe;
use crate::source::{PollReport, SourceError};

impl PagerDuty {
    /// Looks at everything that configuration may name, collecting nothing. What a key may do
    /// cannot be asked; a wrong one and one of another region are refused alike.
    ///
    /// # Errors
    /// When the key is refused, or PagerDuty does not answer.
    pub async fn probe(&self) -> Result<Probe, SourceError> {
        let mut report = PollReport::default();
        let services = self.api.services(&mut report).await?.into_iter();
        let mut services: Vec<(String, String)> =
            services.map(|it| (it.id.0, it.name.unwrap_or_default())).collect();
        services.sort();
        let mut probe = Probe {
            credential: "an API key".to_owned(),
            incident_services: Some(services),
            priorities: self.api.priority_names().await?,
            ..Probe::default()
        };
        if self.details.custom_fields {
            probe.fields = self.api.field_names().await?;
        }
        probe.saw(self.api.oldest().await?);
        Ok(probe)
    }
}
