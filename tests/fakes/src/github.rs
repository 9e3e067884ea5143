//! GitHub: REST and GraphQL over one world.

mod alerts;
mod gate;
mod rest;
mod schema;
mod workflows;

use serde_json::{Map, Value, json};

use crate::graphql::{self, Refusal};
use crate::server::{Call, Fake, Reply, SharedWorld, Vendor};
use crate::time::text;
use crate::world::{Repository, Token, World};
use gate::{Caller, Gate};
use schema::{Item, Rate, View};

/// Starts a fake GitHub on a free loopback port. It answers REST at `/` and `/api/v3`, GraphQL at
/// `/graphql` and `/api/graphql`.
pub async fn start(world: SharedWorld) -> Fake {
    Fake::start(world, Box::new(Api::default())).await
}

/// The vendor: what it remembers about its clients.
#[derive(Debug, Default)]
struct Api {
    gate: Gate,
}

impl Vendor for Api {
    fn answer(&self, world: &World, call: &Call) -> Reply {
        let reply = self.admitted(world, call).unwrap_or_else(|refused| refused);
        reply.with_header("date", call.now.format("%a, %d %b %Y %H:%M:%S GMT").to_string())
    }

    fn forget(&self) {
        self.gate.forget();
    }
}

/// An error body as the vendor words it.
fn error(status: u16, message: &str) -> Reply {
    let docs = "https://docs.github.com/rest";
    let body = json!({"message": message, "documentation_url": docs, "status": status.to_string()});
    Reply::json(status, body)
}

fn not_found() -> Reply {
    error(404, "Not Found")
}

impl Api {
    fn admitted(&self, world: &World, call: &Call) -> Result<Reply, Reply> {
        if call.header("user-agent").is_none_or(str::is_empty) {
            return Err(error(
                403,
                "Request forbidden by administrative rules. Please make sure your request has a User-Agent header",
            ));
        }
        let version = call.header("x-github-api-version").unwrap_or("2022-11-28");
        if !["2022-11-28", "2026-03-10"].contains(&version) {
            return Err(error(400, &format!("{version} is not a supported version.")));
        }
        let caller = self.gate.caller(world, call)?;
        if call.path == "/graphql" {
            return self.graphql(world, call, &caller);
        }
        self.gate.check(&caller, "core", call)?;
        let api = Rest { world, call, caller: &caller, gate: &self.gate };
        let mut reply = api.answer().unwrap_or_else(|failed| failed);
        let free = call.path == "/rate_limit" || caller.token.is_none();
        if reply.status == 200 && call.method == "GET" && !free {
            let tag = etag(&reply, &caller.key);
            if call.header("if-none-match").is_some_and(|given| names(given, &tag)) {
                // No body, no Link, no charge.
                reply = Reply { body: None, ..Reply::json(304, Value::Null) };
            }
            reply.set_header("etag", tag);
        }
        let cost = u64::from(!free && reply.status != 304);
        self.gate.charge(&caller, "core", cost, call, &mut reply);
        Ok(reply)
    }

    fn graphql(&self, world: &World, call: &Call, caller: &Caller) -> Result<Reply, Reply> {
        if call.method != "POST" {
            return Err(not_found());
        }
        self.gate.check(caller, "graphql", call)?;
        let (body, cost) = match self.graphql_data(world, call, caller) {
            Ok(answered) => answered,
            Err(refusal) => (json!({"errors": [refusal.error()]}), 0),
        };
        let mut reply = Reply::json(200, body);
        self.gate.charge(caller, "graphql", cost, call, &mut reply);
        Ok(reply)
    }

    fn graphql_data(
        &self,
        world: &World,
        call: &Call,
        caller: &Caller,
    ) -> Result<(Value, u64), Refusal> {
        let plain = |message: String| Refusal::new("", message);
        let query = call.body.get("query").and_then(Value::as_str);
        let query = query.ok_or_else(|| plain("A query attribute must be specified".into()))?;
        let document = graphql::parse(query).map_err(plain)?;
        let wanted = call.body.get("operationName").and_then(Value::as_str);
        let mut operations = document.operations.iter();
        let operation = operations.find(|it| wanted.is_none() || it.name.as_deref() == wanted);
        let operation = operation.ok_or_else(|| plain("No operation with this name".into()))?;
        if operation.kind != "query" {
            return Err(Refusal::new("FORBIDDEN", "Resource not accessible".into()));
        }
        let variables = variables(operation, call)?;
        let measure = graphql::measure(&document, &operation.selection, &variables)?;
        if measure.nodes > 500_000 {
            return Err(Refusal::new(
                "MAX_NODE_LIMIT_EXCEEDED",
                format!(
                    "This query requests up to {} possible nodes which exceeds the maximum limit of 500,000.",
                    measure.nodes
                ),
            ));
        }
        let cost = measure.points();
        let (left, reset) = self.gate.left(caller, "graphql", call);
        let rate = Rate {
            cost,
            limit: call.settings.graphql_limit,
            remaining: left.saturating_sub(cost),
            reset: text(reset),
            nodes: measure.nodes,
        };
        let view = View { world, call, caller, rate };
        let (data, errors) =
            graphql::execute(&view, &document, &operation.selection, &variables, &Item::Query)?;
        let mut body = json!({"data": data});
        if !errors.is_empty() {
            body["errors"] = Value::Array(errors);
        }
        Ok((body, cost))
    }
}

fn variables(operation: &graphql::Operation, call: &Call) -> Result<Map<String, Value>, Refusal> {
    let given = call.body.get("variables").and_then(Value::as_object);
    let mut variables = Map::new();
    for variable in &operation.variables {
        let value = given.and_then(|given| given.get(&variable.name)).cloned();
        let default = || variable.default.as_ref().map(|value| value.value(&Map::new()));
        let value = value.filter(|value| !value.is_null()).or_else(default);
        if value.is_none() && variable.required {
            let message = format!("Variable ${} was provided invalid value", variable.name);
            return Err(Refusal::new("", message));
        }
        variables.insert(variable.name.clone(), value.unwrap_or(Value::Null));
    }
    if let Some(extra) =
        given.and_then(|given| given.keys().find(|name| !variables.contains_key(*name)))
    {
        // The vendor ignores it; a client that sends it has a mistake.
        return Err(Refusal::new("", format!("Variable ${extra} is not declared")));
    }
    Ok(variables)
}

fn etag(reply: &Reply, token: &str) -> String {
    format!("W/\"{}\"", crate::world::digest((token, reply.bytes())))
}

/// Whether an `If-None-Match` names this validator.
fn names(given: &str, tag: &str) -> bool {
    let plain = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    given.split(',').any(|part| plain(part) == plain(tag) || part.trim() == "*")
}

/// One REST call.
struct Rest<'a> {
    world: &'a World,
    call: &'a Call,
    caller: &'a Caller,
    gate: &'a Gate,
}

/// Whether a token sees a repository.
fn sees(token: Option<&Token>, repository: &Repository) -> bool {
    let only = token.and_then(|token| token.repositories.as_ref());
    only.is_none_or(|names| names.contains(&repository.name))
}
