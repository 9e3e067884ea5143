//! Credentials: a personal access token, or a GitHub App's installation.

use async_trait::async_trait;
use http::HeaderValue;
use octocrab::auth::create_jwt;
use octocrab::jsonwebtoken::EncodingKey;
use octocrab::models::AppId;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;

use super::graphql::{API_VERSION, MEDIA_TYPE};
use super::settings::AppSettings;
use crate::domain::Instant;
use crate::source::outbound::{Exchange, MintedToken, Minter, OutboundError, Request};

/// Mints installation tokens with the App's private key, which is read each time it is needed.
#[derive(Clone, Debug)]
pub(super) struct App {
    settings: AppSettings,
}

#[derive(Deserialize)]
struct Token {
    token: String,
    expires_at: Instant,
}

impl App {
    pub(super) fn new(settings: AppSettings) -> Self {
        Self { settings }
    }

    /// The header that proves to be the App, good for some minutes.
    pub(super) fn proof(&self) -> Result<HeaderValue, OutboundError> {
        let unusable = |why: &str| {
            OutboundError::Unusable(format!("the App's {}: {why}", self.settings.private_key))
        };
        let pem = self.settings.private_key.resolve().map_err(|it| unusable(&it.to_string()))?;
        // Its error could quote the key.
        let key = EncodingKey::from_rsa_pem(pem.expose_secret().as_bytes())
            .map_err(|_| unusable("it is no RSA private key in PEM format"))?;
        let jwt = create_jwt(AppId(self.settings.app_id), &key)
            .map_err(|_| unusable("it cannot sign"))?;
        HeaderValue::from_str(&format!("Bearer {jwt}")).map_err(|_| unusable("it cannot sign"))
    }
}

#[async_trait]
impl Minter for App {
    fn identity(&self) -> String {
        format!("app {} installation {}", self.settings.app_id, self.settings.installation_id)
    }

    async fn mint(&self, exchange: &Exchange<'_>) -> Result<MintedToken, OutboundError> {
        let installation = self.settings.installation_id.to_string();
        let (name, version) = API_VERSION;
        let request = Request::to(["app", "installations", &installation, "access_tokens"])
            .accept(MEDIA_TYPE)
            .header(name, version);
        let page = exchange.post_json(&request, &json!({}), self.proof()?).await?;
        let Token { token, expires_at } = page.json()?;
        MintedToken::bearer(&SecretString::from(token), expires_at)
    }
}
