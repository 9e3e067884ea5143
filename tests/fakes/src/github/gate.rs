//! Who asks, and how much is left.

use std::collections::HashMap;
use std::sync::Mutex;

use chrono::Duration;
use serde_json::{Value, json};

use super::{error, not_found};
use crate::server::{Call, Reply, lock};
use crate::time::Instant;
use crate::world::{Token, World};

/// Who asks.
#[derive(Debug)]
pub(super) struct Caller {
    /// Whose budgets are spent: all tokens of an installation share one.
    pub(super) key: String,
    /// What it may see; `None` = an App by itself, which may only ask for tokens.
    pub(super) token: Option<Token>,
    /// It is an installation's token.
    pub(super) installation: bool,
}

impl Caller {
    /// Whether it has a permission.
    pub(super) fn may(&self, permission: &str) -> bool {
        self.token.as_ref().is_some_and(|token| !token.denied.contains(permission))
    }
}

#[derive(Debug)]
struct Budget {
    used: u64,
    reset: Instant,
}

/// What the vendor remembers about its clients.
#[derive(Debug, Default)]
pub(super) struct Gate {
    budgets: Mutex<HashMap<(String, &'static str), Budget>>,
    minted: Mutex<Vec<Token>>,
}

impl Gate {
    pub(super) fn forget(&self) {
        lock(&self.budgets).clear();
    }

    /// Checks the `Authorization` header.
    pub(super) fn caller(&self, world: &World, call: &Call) -> Result<Caller, Reply> {
        let given = call.header("authorization").unwrap_or_default();
        let value = ["Bearer ", "bearer ", "token "].iter().find_map(|it| given.strip_prefix(it));
        let Some(value) = value.map(str::trim).filter(|value| !value.is_empty()) else {
            return Err(error(401, "Requires authentication"));
        };
        let valid = |token: &&Token| {
            token.value == value && token.expires_at.is_none_or(|at| call.now < at)
        };
        if let Some(token) = world.access.github.iter().find(valid) {
            let key = token.value.clone();
            return Ok(Caller { key, token: Some(token.clone()), installation: false });
        }
        if let Some(token) = lock(&self.minted).iter().find(valid) {
            let key = "installation".to_owned();
            return Ok(Caller { key, token: Some(token.clone()), installation: true });
        }
        if !value.starts_with("ghs_") && value.matches('.').count() == 2 {
            return app(world, call, value);
        }
        Err(error(401, "Bad credentials"))
    }

    /// Mints a token of the App's installation.
    pub(super) fn mint(&self, world: &World, call: &Call) -> Reply {
        let mut minted = lock(&self.minted);
        let expires_at = call.now + Duration::seconds(world.access.installation_token_seconds);
        let padding = crate::world::digest(("token", minted.len()));
        let value = format!(
            "ghs_{}_eyJhbGciOiJSUzI1NiJ9.{}.{padding}{padding}{padding}",
            world.access.app,
            padding.as_str().repeat(2),
        );
        let mut token = Token::full(&value);
        token.expires_at = Some(expires_at);
        if let Some(names) = call.body.get("repositories").and_then(Value::as_array) {
            let names = names.iter().filter_map(Value::as_str).map(str::to_owned);
            token.repositories = Some(names.collect());
        }
        minted.push(token);
        Reply::json(
            201,
            json!({
                "token": value, "expires_at": crate::time::text(expires_at),
                "permissions": {"contents": "read", "metadata": "read"},
                "repository_selection": "all",
            }),
        )
    }

    /// What is left of a budget, and until when it counts.
    pub(super) fn left(
        &self,
        caller: &Caller,
        resource: &'static str,
        call: &Call,
    ) -> (u64, Instant) {
        let mut budgets = lock(&self.budgets);
        let fresh = || Budget { used: 0, reset: call.now + Duration::hours(1) };
        let budget = budgets.entry((caller.key.clone(), resource)).or_insert_with(fresh);
        if call.now >= budget.reset {
            *budget = fresh();
        }
        (limit(resource, call).saturating_sub(budget.used), budget.reset)
    }

    /// Refuses if a budget is used up.
    pub(super) fn check(
        &self,
        caller: &Caller,
        resource: &'static str,
        call: &Call,
    ) -> Result<(), Reply> {
        let free = call.path == "/rate_limit" || caller.token.is_none();
        if free || self.left(caller, resource, call).0 > 0 {
            return Ok(());
        }
        let mut reply = if resource == "graphql" {
            let message = "API rate limit exceeded for user ID 1.";
            Reply::json(200, json!({"errors": [{"type": "RATE_LIMITED", "message": message}]}))
        } else {
            error(call.settings.rate_limit_status, "API rate limit exceeded for user ID 1.")
        };
        self.charge(caller, resource, 0, call, &mut reply);
        Err(reply)
    }

    /// Spends points and tells what is left.
    pub(super) fn charge(
        &self,
        caller: &Caller,
        resource: &'static str,
        cost: u64,
        call: &Call,
        reply: &mut Reply,
    ) {
        let (left, reset) = self.left(caller, resource, call);
        if let Some(budget) = lock(&self.budgets).get_mut(&(caller.key.clone(), resource)) {
            budget.used += cost;
        }
        let (limit, left) = (limit(resource, call), left.saturating_sub(cost));
        reply.set_header("x-ratelimit-limit", limit.to_string());
        reply.set_header("x-ratelimit-remaining", left.to_string());
        reply.set_header("x-ratelimit-used", (limit - left).to_string());
        reply.set_header("x-ratelimit-reset", reset.timestamp().to_string());
        reply.set_header("x-ratelimit-resource", resource.to_owned());
        (reply.cost, reply.resource) = (cost, resource);
    }
}

fn limit(resource: &str, call: &Call) -> u64 {
    match resource {
        "graphql" => call.settings.graphql_limit,
        _ => call.settings.core_limit,
    }
}

/// Checks form, issuer and times of an App's JWT. Its signature is not checked: the fake has no
/// key.
fn app(world: &World, call: &Call, value: &str) -> Result<Caller, Reply> {
    let undecodable = || error(401, "A JSON web token could not be decoded");
    let claims = value.split('.').nth(1).and_then(base64url).ok_or_else(undecodable)?;
    let claims: Value = serde_json::from_slice(&claims).map_err(|_| undecodable())?;
    let issuer = &claims["iss"];
    let app = world.access.app;
    if issuer.as_u64() != Some(app) && issuer.as_str() != Some(app.to_string().as_str()) {
        return Err(error(404, "Integration not found"));
    }
    let now = call.now.timestamp();
    let expires = claims["exp"].as_i64().unwrap_or_default();
    if expires <= now || expires > now + 660 {
        return Err(error(401, "'Expiration time' claim ('exp') is too far in the future or past"));
    }
    if claims["iat"].as_i64().is_none_or(|issued| issued > now + 60) {
        return Err(error(401, "'Issued at' claim ('iat') must be in the past"));
    }
    if !call.path.starts_with("/app") {
        return Err(not_found());
    }
    Ok(Caller { key: format!("app {app}"), token: None, installation: false })
}

fn base64url(text: &str) -> Option<Vec<u8>> {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for byte in text.bytes().filter(|byte| *byte != b'=') {
        let value = alphabet.iter().position(|known| *known == byte)?;
        bits = (bits << 6) | u32::try_from(value).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xff).ok()?);
        }
    }
    Some(bytes)
}
