//! `--web.config.file`: TLS, basic authentication and headers, in the format of Prometheus's
//! exporter-toolkit.
//!
//! What this server cannot do (choosing cipher suites, allow-lists of client names) is refused with
//! its name, instead of being ignored. The file is read once, at start.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use axum::http::{HeaderName, HeaderValue};
use serde::Deserialize;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, version};

/// A checked web configuration.
#[derive(Clone, Debug, Default)]
pub struct WebConfig {
    /// Serve TLS with this.
    pub tls: Option<Arc<ServerConfig>>,
    /// Users and their bcrypt hashes; empty = nobody has to log in.
    pub users: BTreeMap<String, String>,
    /// Headers of every answer.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    tls_server_config: Option<Tls>,
    http_server_config: Http,
    basic_auth_users: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Http {
    /// Accepted for compatibility: this server speaks HTTP/1.1.
    #[serde(rename = "http2")]
    _http2: Option<bool>,
    headers: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Tls {
    cert_file: PathBuf,
    key_file: PathBuf,
    client_auth_type: String,
    client_ca_file: Option<PathBuf>,
    min_version: Option<String>,
    max_version: Option<String>,
    cipher_suites: Vec<String>,
    curve_preferences: Vec<String>,
    client_allowed_sans: Vec<String>,
    /// Accepted for compatibility: the client's order has no say in what rustls chooses.
    #[serde(rename = "prefer_server_cipher_suites")]
    _prefer_server_cipher_suites: Option<bool>,
}

impl WebConfig {
    /// Reads and checks `path`. Files that it names are relative to its folder.
    ///
    /// # Errors
    /// Names the key and what to do.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).context("cannot be read")?;
        let file: File =
            if text.trim().is_empty() { File::default() } else { serde_saphyr::from_str(&text)? };
        let folder = path.parent().unwrap_or(Path::new("."));
        Ok(Self {
            tls: file.tls_server_config.map(|tls| tls.build(folder)).transpose()?,
            users: checked_users(file.basic_auth_users)?,
            headers: checked_headers(&file.http_server_config.headers)?,
        })
    }
}

fn checked_users(users: BTreeMap<String, String>) -> anyhow::Result<BTreeMap<String, String>> {
    for (user, hash) in &users {
        // The hash itself stays out of the message.
        if hash.parse::<bcrypt::HashParts>().is_err() {
            bail!(
                "basic_auth_users.{user}: not a bcrypt hash; make one with `htpasswd -nBC 10 {user}`"
            );
        }
    }
    Ok(users)
}

fn checked_headers(
    headers: &BTreeMap<String, String>,
) -> anyhow::Result<Vec<(HeaderName, HeaderValue)>> {
    const ALLOWED: [&str; 5] = [
        "content-security-policy",
        "strict-transport-security",
        "x-content-type-options",
        "x-frame-options",
        "x-xss-protection",
    ];
    headers
        .iter()
        .map(|(name, value)| {
            let lower = name.to_ascii_lowercase();
            if !ALLOWED.contains(&lower.as_str()) {
                bail!(
                    "http_server_config.headers: `{name}` may not be set; these may: {}",
                    ALLOWED.join(", ")
                );
            }
            let name = HeaderName::try_from(lower)?;
            Ok((name, HeaderValue::try_from(value.as_str()).context("not a header value")?))
        })
        .collect()
}

impl Tls {
    fn build(self, folder: &Path) -> anyhow::Result<Arc<ServerConfig>> {
        for (key, unsupported) in [
            ("cipher_suites", &self.cipher_suites),
            ("curve_preferences", &self.curve_preferences),
            ("client_allowed_sans", &self.client_allowed_sans),
        ] {
            if !unsupported.is_empty() {
                bail!("tls_server_config.{key}: not supported here, remove it");
            }
        }
        let certificates = certificates(&folder.join(&self.cert_file), "cert_file")?;
        let key = folder.join(&self.key_file);
        let private_key = PrivateKeyDer::from_pem_file(&key).map_err(|error| {
            anyhow::anyhow!("tls_server_config.key_file {}: {error}", key.display())
        })?;
        let builder = ServerConfig::builder_with_protocol_versions(self.versions()?);
        let builder = match self.client_verifier(folder)? {
            None => builder.with_no_client_auth(),
            Some(verifier) => builder.with_client_cert_verifier(verifier),
        };
        let mut server = builder
            .with_single_cert(certificates, private_key)
            .context("tls_server_config: the certificate and the key do not fit")?;
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(server))
    }

    fn versions(&self) -> anyhow::Result<&'static [&'static SupportedProtocolVersion]> {
        static BOTH: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];
        match (self.min_version.as_deref(), self.max_version.as_deref()) {
            (None | Some("TLS12"), None | Some("TLS13")) => Ok(&BOTH),
            (None | Some("TLS12"), Some("TLS12")) => Ok(&BOTH[1..]),
            (Some("TLS13"), None | Some("TLS13")) => Ok(&BOTH[..1]),
            (min, max) => bail!(
                "tls_server_config: TLS from {} to {} is not offered; use TLS12 or TLS13",
                min.unwrap_or("TLS12"),
                max.unwrap_or("TLS13")
            ),
        }
    }

    fn client_verifier(
        &self,
        folder: &Path,
    ) -> anyhow::Result<Option<Arc<dyn ClientCertVerifier>>> {
        let optional = match self.client_auth_type.as_str() {
            "" | "NoClientCert" => {
                if self.client_ca_file.is_some() {
                    bail!(
                        "tls_server_config.client_ca_file is set, but client_auth_type asks for no certificate"
                    );
                }
                return Ok(None);
            }
            "VerifyClientCertIfGiven" => true,
            "RequireAndVerifyClientCert" => false,
            other => bail!(
                "tls_server_config.client_auth_type: `{other}` is not supported; use NoClientCert, \
                 VerifyClientCertIfGiven or RequireAndVerifyClientCert"
            ),
        };
        let Some(file) = &self.client_ca_file else {
            bail!(
                "tls_server_config.client_ca_file is missing: clients cannot be verified without it"
            );
        };
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&folder.join(file), "client_ca_file")? {
            roots.add(certificate).context("tls_server_config.client_ca_file")?;
        }
        let builder = WebPkiClientVerifier::builder(Arc::new(roots));
        let builder = if optional { builder.allow_unauthenticated() } else { builder };
        Ok(Some(builder.build().context("tls_server_config.client_ca_file")?))
    }
}

fn certificates(file: &Path, key: &str) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let read = || -> Result<Vec<_>, _> { CertificateDer::pem_file_iter(file)?.collect() };
    let certificates = read().map_err(|error: tokio_rustls::rustls::pki_types::pem::Error| {
        anyhow::anyhow!("tls_server_config.{key} {}: {error}", file.display())
    })?;
    if certificates.is_empty() {
        bail!("tls_server_config.{key} {}: holds no certificate", file.display());
    }
    Ok(certificates)
}
