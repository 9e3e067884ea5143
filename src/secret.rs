//! Secrets: referred to by configuration, never written in it.
//!
//! A reference names an environment variable or a file. Who needs the secret resolves it again now
//! and then, so a token that is rotated in its file is used without a restart. No message in here repeats what was
//! written where a name or a path was expected: it could be the secret itself.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::SecretString;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

/// Longest secret accepted, in bytes. A private key of 8,192 bits is a tenth of it.
const MAX_BYTES: u64 = 65_536;

const EXPECTED: &str = "{ env = \"NAME\" } or { file = \"/path\" }, never the secret itself";

/// Where a secret is: `{ env = "NAME" }` or `{ file = "/path" }`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SecretRef {
    /// In this environment variable.
    Env(String),
    /// In this file, whose mode must be closed to group and others.
    File(PathBuf),
}

/// Why a secret could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable does not exist or is not text.
    #[error("environment variable {name} is not set: set it, or refer to a file instead")]
    NotSet {
        /// Its name.
        name: String,
    },
    /// The file cannot be read.
    #[error("secret file {path}: {error}", path = path.display())]
    Unreadable {
        /// Its path.
        path: PathBuf,
        /// What the operating system says.
        error: std::io::Error,
    },
    /// Somebody else could read it.
    #[error("secret file {path} has mode {mode:04o} and is open to others than its owner: chmod 0400 it", path = path.display())]
    Open {
        /// Its path.
        path: PathBuf,
        /// Permission bits of the file that the path leads to.
        mode: u32,
    },
    /// There is nothing in it.
    #[error("the secret in {place} is empty")]
    Empty {
        /// The reference, for people.
        place: String,
    },
    /// What is in it cannot be a secret.
    #[error("the secret in {place} {what}")]
    Unusable {
        /// The reference, for people.
        place: String,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl SecretRef {
    /// Reads the secret as it is now, without the line break that editors leave at its end.
    ///
    /// # Errors
    /// When it is missing, empty, or readable by others than its owner.
    pub fn resolve(&self) -> Result<SecretString, SecretError> {
        let text = match self {
            Self::Env(name) => std::env::var(name)
                .map_err(|_not_set| SecretError::NotSet { name: name.clone() })?,
            Self::File(path) => self.read(path)?,
        };
        let secret = text.trim_end_matches(['\r', '\n']);
        if secret.trim().is_empty() {
            return Err(SecretError::Empty { place: self.to_string() });
        }
        Ok(SecretString::from(secret))
    }

    fn read(&self, path: &Path) -> Result<String, SecretError> {
        let unreadable = |error| SecretError::Unreadable { path: path.to_owned(), error };
        // Asked before opening: opening a pipe would wait for its writer.
        if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
            return Err(self.unusable("is not in a regular file"));
        }
        let file = File::open(path).map_err(unreadable)?;
        // The handle's mode is that of the link's target, and of the very file that is read.
        let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o7777;
        if mode & 0o077 & !tolerated_bits(path) != 0 {
            return Err(SecretError::Open { path: path.to_owned(), mode });
        }
        let mut text = String::new();
        match file.take(MAX_BYTES + 1).read_to_string(&mut text) {
            Ok(_) if text.len() as u64 > MAX_BYTES => Err(self.unusable("is longer than 64 KiB")),
            Ok(_) => Ok(text),
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                Err(self.unusable("is not text"))
            }
            Err(error) => Err(unreadable(error)),
        }
    }

    fn unusable(&self, what: &'static str) -> SecretError {
        SecretError::Unusable { place: self.to_string(), what }
    }

    fn from_env_name(name: &str) -> Result<Self, &'static str> {
        let valid = |character: char| {
            character.is_ascii_uppercase() || character.is_ascii_digit() || character == '_'
        };
        if name.is_empty()
            || name.starts_with(|c: char| c.is_ascii_digit())
            || !name.chars().all(valid)
        {
            return Err(
                "`env` must be the NAME of an environment variable; write it in capital letters, digits \
                 and underscores, never the secret itself",
            );
        }
        Ok(Self::Env(name.to_owned()))
    }

    fn from_path(path: &str) -> Result<Self, &'static str> {
        if !path.contains('/') {
            return Err(
                "`file` must be a path with a directory; write for example \"/run/secrets/token\" or \
                 \"./token\", never the secret itself",
            );
        }
        Ok(Self::File(PathBuf::from(path)))
    }
}

/// Permission bits beyond the owner's that mean no harm. Systemd lets the service's user read its
/// credentials by an access control list, whose mask shows up as the group's bits; the directory
/// around them is closed to everybody else.
fn tolerated_bits(path: &Path) -> u32 {
    match std::env::var_os("CREDENTIALS_DIRECTORY") {
        Some(directory) if !directory.is_empty() && path.starts_with(&directory) => 0o040,
        _ => 0,
    }
}

/// Names the place, never the secret.
impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "environment variable {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
        }
    }
}

impl Serialize for SecretRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        match self {
            Self::Env(name) => map.serialize_entry("env", name)?,
            Self::File(path) => map.serialize_entry("file", path)?,
        }
        map.end()
    }
}

/// Written by hand because derived messages repeat the value that they did not expect, and the
/// value that people write here by mistake is a token.
impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretRefVisitor)
    }
}

struct SecretRefVisitor;

impl<'de> Visitor<'de> for SecretRefVisitor {
    type Value = SecretRef;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_str<E: de::Error>(self, _value: &str) -> Result<SecretRef, E> {
        Err(E::custom(format_args!("must refer to a secret; write {EXPECTED}")))
    }

    fn visit_i64<E: de::Error>(self, _value: i64) -> Result<SecretRef, E> {
        self.visit_str("")
    }

    fn visit_u64<E: de::Error>(self, _value: u64) -> Result<SecretRef, E> {
        self.visit_str("")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretRef, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<String>()? {
            let wrap: fn(&str) -> Result<SecretRef, &'static str> = match key.as_str() {
                "env" => SecretRef::from_env_name,
                "file" => SecretRef::from_path,
                _ => {
                    return Err(de::Error::custom(format_args!(
                        "must refer to a secret; write {EXPECTED}"
                    )));
                }
            };
            let Text(value) = map.next_value()?;
            if found.replace(wrap(&value).map_err(de::Error::custom)?).is_some() {
                return Err(de::Error::custom("`env` and `file` exclude each other; keep one"));
            }
        }
        found.ok_or_else(|| {
            de::Error::custom(format_args!("must refer to a secret; write {EXPECTED}"))
        })
    }
}

/// A text whose rejection does not repeat what was there instead.
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer) {
            Ok(text) => Ok(Self(text)),
            Err(_) => {
                Err(de::Error::custom(format_args!("must refer to a secret; write {EXPECTED}")))
            }
        }
    }
}

impl JsonSchema for SecretRef {
    fn schema_name() -> Cow<'static, str> {
        "SecretRef".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Where a secret is; never the secret itself.",
            "oneOf": [
                {
                    "type": "object",
                    "description": "In this environment variable.",
                    "properties": { "env": { "type": "string", "pattern": "^[A-Z_][A-Z0-9_]*$" } },
                    "required": ["env"],
                    "additionalProperties": false,
                },
                {
                    "type": "object",
                    "description": "In this file, whose mode must be closed to group and others.",
                    "properties": { "file": { "type": "string", "pattern": "/" } },
                    "required": ["file"],
                    "additionalProperties": false,
                },
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use secrecy::ExposeSecret;

    use super::*;

    const CANARY: &str = "ghp_c4n4ryC4N4RYc4n4ry";

    #[derive(Debug, serde::Deserialize)]
    struct Settings {
        token: SecretRef,
    }

    fn parse(text: &str) -> Result<SecretRef, String> {
        toml::from_str::<Settings>(text)
            .map(|settings| settings.token)
            .map_err(|error| error.message().to_owned())
    }

    fn file(directory: &Path, content: &[u8], mode: u32) -> PathBuf {
        let path = directory.join("token");
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        path
    }

    fn resolve(path: &Path) -> Result<String, String> {
        SecretRef::File(path.to_owned())
            .resolve()
            .map(|secret| secret.expose_secret().to_owned())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_reference_names_a_variable_or_a_file() {
        assert_eq!(parse(r#"token = { env = "TOKEN" }"#), Ok(SecretRef::Env("TOKEN".to_owned())));
        assert_eq!(
            parse(r#"token = { file = "/run/secrets/token" }"#),
            Ok(SecretRef::File("/run/secrets/token".into()))
        );
    }

    #[test]
    fn a_secret_written_in_place_of_its_reference_is_refused_and_not_repeated() {
        for text in [
            format!("token = \"{CANARY}\""),
            format!("token = {{ value = \"{CANARY}\" }}"),
            format!("token = {{ {CANARY} = \"TOKEN\" }}"),
            format!("token = {{ env = \"{CANARY}\" }}"),
            format!("token = {{ file = \"{CANARY}\" }}"),
            format!("token = {{ env = \"TOKEN\", file = \"/{CANARY}\" }}"),
            format!("token = {{ env = [\"{CANARY}\"] }}"),
            format!("token = [\"{CANARY}\"]"),
            "token = {}".to_owned(),
            "token = 12".to_owned(),
        ] {
            let message = parse(&text).expect_err(&text);
            assert!(!message.contains(CANARY), "{text} repeats it: {message}");
            let says = ["never the secret itself", "exclude each other"];
            assert!(
                says.iter().any(|it| message.contains(it)),
                "{text} does not say what to write: {message}"
            );
        }
    }

    #[test]
    fn a_secret_file_is_read_without_its_line_break_and_again_after_rotation() {
        let directory = tempfile::tempdir().unwrap();
        let path = file(directory.path(), b"first\n", 0o400);
        assert_eq!(resolve(&path), Ok("first".to_owned()));
        std::fs::remove_file(&path).unwrap();
        file(directory.path(), b"second\r\n", 0o600);
        assert_eq!(resolve(&path), Ok("second".to_owned()));
    }

    #[test]
    fn a_secret_file_open_to_others_is_refused_with_its_path_and_mode() {
        let directory = tempfile::tempdir().unwrap();
        for mode in [0o640, 0o604, 0o420, 0o401, 0o644] {
            let path = file(directory.path(), CANARY.as_bytes(), mode);
            let message = resolve(&path).expect_err("others could read it");
            let expected = format!(
                "secret file {} has mode {mode:04o} and is open to others than its owner: chmod 0400 it",
                path.display()
            );
            assert_eq!(message, expected);
            std::fs::remove_file(path).unwrap();
        }
    }

    #[test]
    fn of_a_link_the_mode_of_the_target_counts() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("..data");
        std::fs::create_dir(&data).unwrap();
        let target = file(&data, b"mounted", 0o400);
        let link = directory.path().join("token");
        symlink("..data/token", &link).unwrap();
        assert_eq!(resolve(&link), Ok("mounted".to_owned()));
        std::fs::set_permissions(&target, PermissionsExt::from_mode(0o444)).unwrap();
        assert!(resolve(&link).expect_err("its target is open").contains("mode 0444"));
    }

    #[test]
    fn what_cannot_be_a_secret_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("token");
        let place = place.display();
        for (content, expected) in [
            (&b""[..], format!("the secret in file {place} is empty")),
            (b" \n", format!("the secret in file {place} is empty")),
            (b"\xff\xfe", format!("the secret in file {place} is not text")),
            (&[b'a'; 70_000], format!("the secret in file {place} is longer than 64 KiB")),
        ] {
            let path = file(directory.path(), content, 0o600);
            assert_eq!(resolve(&path), Err(expected));
        }
        let missing = directory.path().join("missing");
        assert!(resolve(&missing).expect_err("it is missing").contains("missing: No such file"));
        let folder = resolve(directory.path()).expect_err("a directory is no secret");
        assert!(folder.contains("is not in a regular file"), "{folder}");
    }

    #[test]
    fn a_variable_that_is_not_set_is_named() {
        let error = SecretRef::Env("ENGKPI_TEST_NOT_SET".to_owned()).resolve().unwrap_err();
        assert_eq!(
            error.to_string(),
            "environment variable ENGKPI_TEST_NOT_SET is not set: set it, or refer to a file instead"
        );
    }

    #[test]
    fn neither_the_reference_nor_the_secret_shows_the_secret() {
        let directory = tempfile::tempdir().unwrap();
        let path = file(directory.path(), CANARY.as_bytes(), 0o400);
        let reference = SecretRef::File(path);
        let secret = reference.resolve().unwrap();
        assert!(!format!("{reference:?} {reference} {secret:?}").contains(CANARY));
    }

    #[test]
    fn a_reference_is_written_as_it_is_read() {
        let written = serde_json::to_string(&SecretRef::Env("TOKEN".to_owned())).unwrap();
        assert_eq!(written, r#"{"env":"TOKEN"}"#);
    }
}
