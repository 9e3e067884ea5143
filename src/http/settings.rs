use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where to listen: `[web]`. The flags `--web.listen-address` and `--web.config.file` go first.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Address and port. By default nothing outside this machine can read it.
    pub listen_address: SocketAddr,
}

impl Default for Settings {
    fn default() -> Self {
        Self { listen_address: SocketAddr::from(([127, 0, 0, 1], 9780)) }
    }
}
