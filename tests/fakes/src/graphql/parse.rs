//! From text to a document.

use std::collections::HashMap;

use serde_json::{Map, Value};

/// A parsed request.
#[derive(Debug, Default)]
pub(crate) struct Document {
    pub(crate) operations: Vec<Operation>,
    pub(crate) fragments: HashMap<String, Fragment>,
}

#[derive(Debug)]
pub(crate) struct Operation {
    /// `query` or `mutation`.
    pub(crate) kind: String,
    pub(crate) name: Option<String>,
    pub(crate) variables: Vec<Variable>,
    pub(crate) selection: Vec<Selection>,
}

/// A variable that an operation declares.
#[derive(Debug)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) required: bool,
    pub(crate) default: Option<Literal>,
}

#[derive(Debug)]
pub(crate) struct Fragment {
    pub(crate) on: String,
    pub(crate) selection: Vec<Selection>,
}

#[derive(Debug)]
pub(crate) enum Selection {
    Field(Field),
    Inline { on: Option<String>, directives: Vec<Directive>, selection: Vec<Selection> },
    Spread { name: String, directives: Vec<Directive> },
}

#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) alias: Option<String>,
    pub(crate) name: String,
    pub(crate) arguments: Vec<(String, Literal)>,
    pub(crate) directives: Vec<Directive>,
    pub(crate) selection: Vec<Selection>,
}

#[derive(Debug)]
pub(crate) struct Directive {
    pub(crate) name: String,
    pub(crate) arguments: Vec<(String, Literal)>,
}

/// A value as written; enum values are texts.
#[derive(Clone, Debug)]
pub(crate) enum Literal {
    Variable(String),
    Value(Value),
    List(Vec<Literal>),
    Object(Vec<(String, Literal)>),
}

impl Literal {
    /// The value, with variables filled in.
    pub(crate) fn value(&self, variables: &Map<String, Value>) -> Value {
        match self {
            Self::Variable(name) => variables.get(name).cloned().unwrap_or(Value::Null),
            Self::Value(value) => value.clone(),
            Self::List(items) => items.iter().map(|item| item.value(variables)).collect(),
            Self::Object(fields) => {
                let fields = fields.iter();
                fields.map(|(name, value)| (name.clone(), value.value(variables))).collect()
            }
        }
    }
}

impl Field {
    /// The key of its value in the answer.
    pub(crate) fn key(&self) -> &str {
        self.alias.as_deref().unwrap_or(&self.name)
    }
}

/// Reads a document; the error says where it stopped making sense.
pub(crate) fn parse(text: &str) -> Result<Document, String> {
    let mut parser = Parser { tokens: tokens(text)?, next: 0 };
    let mut document = Document::default();
    while let Some(token) = parser.peek().cloned() {
        match token {
            Token::Name(word) if word == "fragment" => {
                parser.next += 1;
                let name = parser.name()?;
                parser.keyword("on")?;
                let on = parser.name()?;
                parser.directives()?;
                let selection = parser.selection()?;
                document.fragments.insert(name, Fragment { on, selection });
            }
            _ => {
                let operation = parser.operation()?;
                document.operations.push(operation);
            }
        }
    }
    Ok(document)
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Name(String),
    Value(Value),
    Mark(char),
    Spread,
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            c if c.is_whitespace() || c == ',' || c == '\u{feff}' => c.len_utf8(),
            '#' => rest.find('\n').unwrap_or(rest.len()),
            '.' if rest.starts_with("...") => {
                found.push(Token::Spread);
                3
            }
            c if c.is_alphabetic() || c == '_' => {
                let word = |c: char| !(c.is_alphanumeric() || c == '_');
                let end = rest.find(word).unwrap_or(rest.len());
                found.push(Token::Name(rest[..end].to_owned()));
                end
            }
            '"' => {
                let (value, end) = quoted(rest)?;
                found.push(Token::Value(Value::String(value)));
                end
            }
            c if c.is_ascii_digit() || c == '-' => {
                let number = |c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c));
                let end = rest.find(number).unwrap_or(rest.len());
                let value =
                    serde_json::from_str(&rest[..end]).map_err(|error| error.to_string())?;
                found.push(Token::Value(value));
                end
            }
            c if "{}()[]:!$=@|&".contains(c) => {
                found.push(Token::Mark(c));
                1
            }
            c => return Err(format!("unexpected {c:?}")),
        };
        rest = &rest[length..];
    }
    Ok(found)
}

fn quoted(rest: &str) -> Result<(String, usize), String> {
    if let Some(block) = rest.strip_prefix("\"\"\"") {
        let end = block.find("\"\"\"").ok_or("a block string does not end")?;
        return Ok((block[..end].to_owned(), end + 6));
    }
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => {
                let value =
                    serde_json::from_str(&rest[..=at]).map_err(|error| error.to_string())?;
                return Ok((value, at + 1));
            }
            _ => {}
        }
    }
    Err("a string does not end".to_owned())
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next)
    }

    fn take(&mut self) -> Result<Token, String> {
        let token = self.peek().cloned().ok_or("the document ends too early")?;
        self.next += 1;
        Ok(token)
    }

    fn eat(&mut self, mark: char) -> bool {
        let found = self.peek() == Some(&Token::Mark(mark));
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, mark: char) -> Result<(), String> {
        if self.eat(mark) {
            Ok(())
        } else {
            Err(format!("expected {mark:?}, got {:?}", self.peek()))
        }
    }

    fn name(&mut self) -> Result<String, String> {
        match self.take()? {
            Token::Name(name) => Ok(name),
            other => Err(format!("expected a name, got {other:?}")),
        }
    }

    fn keyword(&mut self, word: &str) -> Result<(), String> {
        let found = self.name()?;
        if found == word { Ok(()) } else { Err(format!("expected {word}, got {found}")) }
    }

    fn operation(&mut self) -> Result<Operation, String> {
        if self.peek() == Some(&Token::Mark('{')) {
            let selection = self.selection()?;
            return Ok(Operation {
                kind: "query".to_owned(),
                name: None,
                variables: Vec::new(),
                selection,
            });
        }
        let kind = self.name()?;
        let named = matches!(self.peek(), Some(Token::Name(_)));
        let name = if named { Some(self.name()?) } else { None };
        let mut variables = Vec::new();
        if self.eat('(') {
            while !self.eat(')') {
                self.expect('$')?;
                let name = self.name()?;
                self.expect(':')?;
                let required = self.type_reference()?;
                let default = if self.eat('=') { Some(self.literal()?) } else { None };
                variables.push(Variable { name, required, default });
            }
        }
        self.directives()?;
        Ok(Operation { kind, name, variables, selection: self.selection()? })
    }

    /// Whether the type ends in `!`.
    fn type_reference(&mut self) -> Result<bool, String> {
        if self.eat('[') {
            self.type_reference()?;
            self.expect(']')?;
        } else {
            self.name()?;
        }
        Ok(self.eat('!'))
    }

    fn selection(&mut self) -> Result<Vec<Selection>, String> {
        self.expect('{')?;
        let mut found = Vec::new();
        while !self.eat('}') {
            found.push(if self.peek() == Some(&Token::Spread) {
                self.next += 1;
                self.spread()?
            } else {
                Selection::Field(self.field()?)
            });
        }
        Ok(found)
    }

    fn spread(&mut self) -> Result<Selection, String> {
        match self.peek() {
            Some(Token::Name(word)) if word == "on" => {
                self.next += 1;
                let on = Some(self.name()?);
                let directives = self.directives()?;
                Ok(Selection::Inline { on, directives, selection: self.selection()? })
            }
            Some(Token::Name(_)) => {
                let name = self.name()?;
                Ok(Selection::Spread { name, directives: self.directives()? })
            }
            _ => {
                let directives = self.directives()?;
                Ok(Selection::Inline { on: None, directives, selection: self.selection()? })
            }
        }
    }

    fn field(&mut self) -> Result<Field, String> {
        let first = self.name()?;
        let (alias, name) = if self.eat(':') { (Some(first), self.name()?) } else { (None, first) };
        let arguments = self.arguments()?;
        let directives = self.directives()?;
        let nested = self.peek() == Some(&Token::Mark('{'));
        let selection = if nested { self.selection()? } else { Vec::new() };
        Ok(Field { alias, name, arguments, directives, selection })
    }

    fn arguments(&mut self) -> Result<Vec<(String, Literal)>, String> {
        let mut found = Vec::new();
        if self.eat('(') {
            while !self.eat(')') {
                let name = self.name()?;
                self.expect(':')?;
                found.push((name, self.literal()?));
            }
        }
        Ok(found)
    }

    fn directives(&mut self) -> Result<Vec<Directive>, String> {
        let mut found = Vec::new();
        while self.eat('@') {
            let name = self.name()?;
            found.push(Directive { name, arguments: self.arguments()? });
        }
        Ok(found)
    }

    fn literal(&mut self) -> Result<Literal, String> {
        Ok(match self.take()? {
            Token::Mark('$') => Literal::Variable(self.name()?),
            Token::Value(value) => Literal::Value(value),
            Token::Name(word) => Literal::Value(match word.as_str() {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                "null" => Value::Null,
                _ => Value::String(word),
            }),
            Token::Mark('[') => {
                let mut items = Vec::new();
                while !self.eat(']') {
                    items.push(self.literal()?);
                }
                Literal::List(items)
            }
            Token::Mark('{') => {
                let mut fields = Vec::new();
                while !self.eat('}') {
                    let name = self.name()?;
                    self.expect(':')?;
                    fields.push((name, self.literal()?));
                }
                Literal::Object(fields)
            }
            other => return Err(format!("expected a value, got {other:?}")),
        })
    }
}
