//! From a document and a schema to an answer.

use serde_json::{Map, Value, json};

use super::parse::{Directive, Document, Field, Selection};
use super::{cursor, position};

/// What the fields are.
pub(crate) trait Schema {
    /// An object.
    type Node: Clone;

    /// The name of the object's type.
    fn type_name(&self, node: &Self::Node) -> &'static str;

    /// Why the object may not be seen, if it may not.
    fn refused(&self, node: &Self::Node) -> Option<Failure>;

    /// The value of a field. `None` = the type has no such field.
    fn field(
        &self,
        node: &Self::Node,
        name: &str,
        arguments: &Arguments,
    ) -> Option<Result<Resolved<Self::Node>, Failure>>;
}

/// What a field is.
pub(crate) enum Resolved<N> {
    /// A scalar, or a list of scalars.
    Value(Value),
    /// An object, or null.
    Node(Option<N>),
    /// Objects; a failed one is null and told in the errors.
    List(Vec<Result<N, Failure>>),
    /// A list that is read in pages.
    Connection(Connection<N>),
}

/// A list that is read in pages.
pub(crate) struct Connection<N> {
    /// Everything that is in it.
    pub(crate) items: Vec<N>,
}

impl<N> Resolved<N> {
    pub(crate) fn connection(items: Vec<N>) -> Self {
        Self::Connection(Connection { items })
    }
}

/// A field that could not be given; the rest of the answer is fine.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// The vendor's word: `NOT_FOUND`, `FORBIDDEN`.
    pub(crate) kind: &'static str,
    pub(crate) message: String,
    /// The field may not be null, so the object that it belongs to is.
    pub(crate) spoils_parent: bool,
}

/// Why a whole query is refused.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) kind: &'static str,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(kind: &'static str, message: String) -> Self {
        Self { kind, message }
    }

    /// As the vendor words it in `errors`.
    pub(crate) fn error(&self) -> Value {
        if self.kind.is_empty() {
            json!({"message": self.message})
        } else {
            json!({"type": self.kind, "message": self.message})
        }
    }
}

/// A field's arguments.
pub(crate) struct Arguments(Map<String, Value>);

impl Arguments {
    /// An argument that was given and is not null.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    /// The texts of a list argument.
    pub(crate) fn texts(&self, name: &str) -> Vec<&str> {
        let list = self.get(name).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).collect()
    }

    fn size(&self, name: &str) -> Option<usize> {
        self.get(name)?.as_u64().and_then(|size| usize::try_from(size).ok())
    }
}

/// Whether `@include` and `@skip` let a selection in.
pub(super) fn included(directives: &[Directive], variables: &Map<String, Value>) -> bool {
    directives.iter().all(|directive| {
        let condition = directive.arguments.iter().find(|(name, _)| name == "if");
        let condition = condition.is_some_and(|(_, value)| value.value(variables) == json!(true));
        match directive.name.as_str() {
            "include" => condition,
            "skip" => !condition,
            _ => true,
        }
    })
}

/// The data of a selection of `root`, with the errors that the answer tells.
pub(crate) fn execute<S: Schema>(
    schema: &S,
    document: &Document,
    selection: &[Selection],
    variables: &Map<String, Value>,
    root: &S::Node,
) -> Result<(Value, Vec<Value>), Refusal> {
    let mut run = Run { schema, document, variables, errors: Vec::new(), path: Vec::new() };
    let data = run.object(root, &[selection])?;
    Ok((data.unwrap_or(Value::Null), run.errors))
}

struct Run<'a, S> {
    schema: &'a S,
    document: &'a Document,
    variables: &'a Map<String, Value>,
    errors: Vec<Value>,
    path: Vec<Value>,
}

/// Fields that share a key of the answer: their selections are merged.
type Merged<'a> = Vec<(&'a str, Vec<&'a Field>)>;

impl<'a, S: Schema> Run<'a, S> {
    /// The object, or `None` if a field that may not be null failed.
    fn object(
        &mut self,
        node: &S::Node,
        selections: &[&'a [Selection]],
    ) -> Result<Option<Value>, Refusal> {
        let type_name = self.schema.type_name(node);
        let mut fields = Merged::new();
        for selection in selections {
            self.collect(type_name, selection, &mut fields)?;
        }
        let mut object = Map::new();
        for (key, fields) in fields {
            let first = fields[0];
            if first.name == "__typename" {
                object.insert(key.to_owned(), json!(type_name));
                continue;
            }
            self.path.push(json!(key));
            let value = self.field(node, type_name, &fields)?;
            self.path.pop();
            match value {
                Some(value) => object.insert(key.to_owned(), value),
                None => return Ok(None),
            };
        }
        Ok(Some(Value::Object(object)))
    }

    fn collect(
        &self,
        type_name: &str,
        selection: &'a [Selection],
        into: &mut Merged<'a>,
    ) -> Result<(), Refusal> {
        for selected in selection {
            match selected {
                Selection::Field(field) if included(&field.directives, self.variables) => {
                    match into.iter_mut().find(|(key, _)| *key == field.key()) {
                        Some((_, same)) => same.push(field),
                        None => into.push((field.key(), vec![field])),
                    }
                }
                Selection::Inline { on, directives, selection }
                    if included(directives, self.variables)
                        && on.as_deref().is_none_or(|on| is_a(type_name, on)) =>
                {
                    self.collect(type_name, selection, into)?;
                }
                Selection::Spread { name, directives } if included(directives, self.variables) => {
                    let fragment = self.document.fragments.get(name).ok_or_else(|| {
                        Refusal::new("", format!("Fragment {name} was used, but not defined"))
                    })?;
                    if is_a(type_name, &fragment.on) {
                        self.collect(type_name, &fragment.selection, into)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn field(
        &mut self,
        node: &S::Node,
        type_name: &str,
        fields: &[&'a Field],
    ) -> Result<Option<Value>, Refusal> {
        let field = fields[0];
        let arguments = field.arguments.iter();
        let arguments =
            arguments.map(|(name, value)| (name.clone(), value.value(self.variables))).collect();
        let arguments = Arguments(arguments);
        let selections: Vec<&'a [Selection]> =
            fields.iter().map(|field| field.selection.as_slice()).collect();
        let Some(resolved) = self.schema.field(node, &field.name, &arguments) else {
            let message = format!("Field '{}' doesn't exist on type '{type_name}'", field.name);
            return Err(Refusal::new("", message));
        };
        match resolved {
            Err(failure) => {
                let spoils_parent = failure.spoils_parent;
                self.tell(failure);
                Ok((!spoils_parent).then_some(Value::Null))
            }
            Ok(Resolved::Value(value)) => Ok(Some(value)),
            Ok(Resolved::Node(None)) => Ok(Some(Value::Null)),
            Ok(Resolved::Node(Some(node))) => {
                Ok(Some(self.object(&node, &selections)?.unwrap_or(Value::Null)))
            }
            Ok(Resolved::List(items)) => Ok(Some(self.list(items, &selections)?)),
            Ok(Resolved::Connection(connection)) => {
                self.connection(&field.name, &connection, &arguments, &selections).map(Some)
            }
        }
    }

    fn tell(&mut self, failure: Failure) {
        self.errors.push(json!({
            "type": failure.kind, "path": self.path, "message": failure.message,
            "locations": [{"line": 1, "column": 1}],
        }));
    }

    fn list(
        &mut self,
        items: Vec<Result<S::Node, Failure>>,
        selections: &[&'a [Selection]],
    ) -> Result<Value, Refusal> {
        let mut values = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            self.path.push(json!(index));
            values.push(match item {
                Ok(node) => self.object(&node, selections)?.unwrap_or(Value::Null),
                Err(failure) => {
                    self.tell(failure);
                    Value::Null
                }
            });
            self.path.pop();
        }
        Ok(Value::Array(values))
    }

    fn connection(
        &mut self,
        name: &str,
        connection: &Connection<S::Node>,
        arguments: &Arguments,
        selections: &[&'a [Selection]],
    ) -> Result<Value, Refusal> {
        let total = connection.items.len();
        let (start, end) = slice(name, total, arguments)?;
        let page = &connection.items[start..end];
        let mut fields = Merged::new();
        for selection in selections {
            self.collect("Connection", selection, &mut fields)?;
        }
        let mut object = Map::new();
        for (key, fields) in fields {
            self.path.push(json!(key));
            let inner: Vec<&'a [Selection]> =
                fields.iter().map(|field| field.selection.as_slice()).collect();
            let value = match fields[0].name.as_str() {
                "totalCount" | "filteredCount" => json!(total),
                "nodes" => {
                    let nodes = page.iter().map(|node| match self.schema.refused(node) {
                        None => Ok(node.clone()),
                        Some(failure) => Err(failure),
                    });
                    self.list(nodes.collect(), &inner)?
                }
                "edges" => self.edges(page, start, &inner)?,
                "pageInfo" => self.plain(&inner, |field| match field {
                    "hasNextPage" => Some(json!(end < total)),
                    "hasPreviousPage" => Some(json!(start > 0)),
                    "startCursor" => Some(json!((start < end).then(|| cursor(start + 1)))),
                    "endCursor" => Some(json!((start < end).then(|| cursor(end)))),
                    _ => None,
                })?,
                other => {
                    let message = format!("Field '{other}' doesn't exist on the {name} connection");
                    return Err(Refusal::new("", message));
                }
            };
            self.path.pop();
            object.insert(key.to_owned(), value);
        }
        Ok(Value::Object(object))
    }

    fn edges(
        &mut self,
        page: &[S::Node],
        start: usize,
        selections: &[&'a [Selection]],
    ) -> Result<Value, Refusal> {
        let mut fields = Merged::new();
        for selection in selections {
            self.collect("Edge", selection, &mut fields)?;
        }
        let mut edges = Vec::with_capacity(page.len());
        for (index, node) in page.iter().enumerate() {
            let mut edge = Map::new();
            for (key, fields) in &fields {
                let inner: Vec<&'a [Selection]> =
                    fields.iter().map(|field| field.selection.as_slice()).collect();
                let value = match fields[0].name.as_str() {
                    "cursor" => json!(cursor(start + index + 1)),
                    _ => self.object(node, &inner)?.unwrap_or(Value::Null),
                };
                edge.insert((*key).to_owned(), value);
            }
            edges.push(Value::Object(edge));
        }
        Ok(Value::Array(edges))
    }

    /// An object of scalars.
    fn plain(
        &self,
        selections: &[&'a [Selection]],
        value: impl Fn(&str) -> Option<Value>,
    ) -> Result<Value, Refusal> {
        let mut fields = Merged::new();
        for selection in selections {
            self.collect("PageInfo", selection, &mut fields)?;
        }
        let mut object = Map::new();
        for (key, fields) in fields {
            let name = fields[0].name.as_str();
            let found = value(name)
                .ok_or_else(|| Refusal::new("", format!("Field '{name}' doesn't exist")))?;
            object.insert(key.to_owned(), found);
        }
        Ok(Value::Object(object))
    }
}

/// Which items a page has: `[start, end)`.
fn slice(name: &str, total: usize, arguments: &Arguments) -> Result<(usize, usize), Refusal> {
    let place = |argument: &str| match arguments.text(argument) {
        None => Ok(None),
        Some(given) => position(given).map(Some).ok_or_else(|| {
            let message = format!("`{given}` does not appear to be a valid cursor.");
            Refusal::new("INVALID_CURSOR_ARGUMENTS", message)
        }),
    };
    let start = place("after")?.unwrap_or(0).min(total);
    let end = place("before")?.map_or(total, |before| before.saturating_sub(1)).clamp(start, total);
    match (arguments.size("first"), arguments.size("last")) {
        (Some(first), _) => Ok((start, end.min(start + first))),
        (None, Some(last)) => Ok((end.saturating_sub(last).max(start), end)),
        (None, None) => Err(Refusal::new(
            "MISSING_PAGINATION_BOUNDARIES",
            format!(
                "You must provide a `first` or `last` value to properly paginate the `{name}` connection."
            ),
        )),
    }
}

/// Whether an object of this type is also a `wanted`: interfaces and unions that queries name.
fn is_a(type_name: &str, wanted: &str) -> bool {
    type_name == wanted
        || match wanted {
            "Actor" => matches!(type_name, "User" | "Bot" | "Organization"),
            "GitObject" => matches!(type_name, "Commit" | "Tree" | "Blob"),
            "RepositoryOwner" => type_name == "Organization",
            "Node" => true,
            _ => false,
        }
}
