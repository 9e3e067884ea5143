//! The migrations of both backends: forward only, each a file that is never edited once released.

use sqlx::SqlSafeStr;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};

use super::StoreError;

/// Keeps the record of applied migrations apart from that of any other program in the same
/// database.
pub(super) const TABLE: &str = "engkpi_migrations";

/// Version, description and text.
type Step = (i64, &'static str, &'static str);

pub(super) const SQLITE: &[Step] = &[
    (1, "facts", include_str!("migrations/sqlite/0001_facts.sql")),
    (2, "extent", include_str!("migrations/sqlite/0002_extent.sql")),
];

pub(super) const POSTGRES: &[Step] = &[
    (1, "facts", include_str!("migrations/postgres/0001_facts.sql")),
    (2, "extent", include_str!("migrations/postgres/0002_extent.sql")),
];

/// Runs `steps` that are missing.
pub(super) fn migrator(steps: &[Step]) -> Migrator {
    let migrations = steps.iter().map(|&(version, description, sql)| {
        let kind = MigrationType::Simple;
        Migration::new(version, description.into(), kind, sql.into_sql_str(), false)
    });
    let mut migrator = Migrator::with_migrations(migrations.collect());
    migrator.dangerous_set_table_name(TABLE);
    migrator
}

/// Says why migrating failed, given what the backend says about its own errors.
pub(super) fn failed(
    error: MigrateError,
    of_backend: impl Fn(sqlx::Error) -> StoreError,
) -> StoreError {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            of_backend(error)
        }
        MigrateError::VersionMissing(version) => newer(version),
        MigrateError::VersionMismatch(version) => StoreError::Unusable(format!(
            "its schema was made by another build: migration {version} has a different text here"
        )),
        other => StoreError::Unusable(other.to_string()),
    }
}

/// Whether a store on which the versions `applied` have run can be read with `steps`.
pub(super) fn readable(applied: &[i64], steps: &[Step]) -> Result<(), StoreError> {
    let known = |version: &i64| steps.iter().any(|(step, ..)| step == version);
    if let Some(unknown) = applied.iter().find(|version| !known(version)) {
        return Err(newer(*unknown));
    }
    if applied.len() < steps.len() {
        return Err(StoreError::Unusable(
            "its schema is older than this version; `engkpi run` or `engkpi sync` brings it up to \
             date"
                .to_owned(),
        ));
    }
    Ok(())
}

fn newer(version: i64) -> StoreError {
    StoreError::Unusable(format!(
        "a newer version of engkpi has written it (migration {version} is unknown here); run that \
         version, or a newer one"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_backends_take_the_same_steps() {
        let names =
            |steps: &[Step]| steps.iter().map(|&(v, name, _)| (v, name)).collect::<Vec<_>>();
        assert_eq!(names(SQLITE), names(POSTGRES));
    }

    #[test]
    fn only_the_very_schema_is_readable() {
        let steps: &[Step] = &[(1, "one", ""), (2, "two", "")];
        assert!(readable(&[1, 2], steps).is_ok());
        assert!(readable(&[1], steps).unwrap_err().to_string().contains("older"));
        assert!(readable(&[1, 2, 3], steps).unwrap_err().to_string().contains("newer"));
    }
}
