//! A PostgreSQL server for the tests.
//!
//! `ENGKPI_TEST_POSTGRES` may hold the address of a server on which databases may be created.
//! Otherwise a private one is started from the installed binaries; it ends with the test process.
//! Where there is neither, the tests that need one say so and pass, unless `ENGKPI_REQUIRE_TOOLS`
//! is set.

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use url::Url;

/// The address of a fresh database, or `None` where no server can be had.
pub(crate) async fn fresh_database() -> Option<String> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let server = server()?;
    let name =
        format!("engkpi_test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let mut connection = PgConnection::connect(server.as_str())
        .await
        .expect("the PostgreSQL server of the tests must answer; see ENGKPI_TEST_POSTGRES");
    connection.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
    connection.close().await.unwrap();
    let mut address = server;
    address.set_path(&name);
    Some(address.into())
}

fn server() -> Option<Url> {
    static PRIVATE: OnceLock<Option<Server>> = OnceLock::new();
    if let Ok(address) = std::env::var("ENGKPI_TEST_POSTGRES") {
        return Some(address.parse().expect("ENGKPI_TEST_POSTGRES is an address"));
    }
    let server = PRIVATE.get_or_init(|| match binaries() {
        Some(binaries) => Some(Server::start(&binaries)),
        None => {
            let required = std::env::var_os("ENGKPI_REQUIRE_TOOLS").is_some();
            assert!(!required, "install PostgreSQL: initdb and pg_ctl were not found");
            // Not `eprintln!`, which the test runner would swallow.
            let _ = writeln!(
                std::io::stderr(),
                "\nSKIPPED: the PostgreSQL tests. Install postgresql, or set \
                 ENGKPI_TEST_POSTGRES=postgres://user@host/database.\n"
            );
            None
        }
    });
    server.as_ref().map(|server| server.address.clone())
}

/// The directory of `initdb` and `pg_ctl`, of the newest version that is installed.
fn binaries() -> Option<PathBuf> {
    let mut candidates: Vec<PathBuf> =
        std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect();
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .collect();
    versions.sort();
    candidates.splice(0..0, versions.into_iter().rev());
    candidates.into_iter().find(|directory| directory.join("initdb").exists())
}

struct Server {
    address: Url,
    /// Stops the server when its input ends, which it does when this process is gone.
    _keeper: Child,
}

impl Server {
    fn start(binaries: &Path) -> Self {
        let directory = text(as_postgres("mktemp").args(["-d", "/tmp/engkpi-postgres.XXXXXX"]));
        let data = format!("{directory}/data");
        let initdb = binaries.join("initdb");
        text(as_postgres(&initdb).args([
            "--no-sync",
            "--auth=trust",
            "--username=postgres",
            "--encoding=UTF8",
            "--no-locale",
            "--pgdata",
            &data,
        ]));
        let pg_ctl = binaries.join("pg_ctl");
        let options = format!("-h '' -k {directory} -c max_connections=300 -c fsync=off");
        let log = format!("{directory}/log");
        text(as_postgres(&pg_ctl).args([
            "start",
            "--wait",
            "--pgdata",
            &data,
            "--log",
            &log,
            "--options",
            &options,
        ]));
        let keeper = as_postgres("sh")
            .args([
                "-c",
                "read -r _; \"$0\" stop --mode=immediate --pgdata \"$1/data\"; rm -rf \"$1\"",
            ])
            .args([pg_ctl.as_os_str(), directory.as_ref()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut address: Url = "postgres://postgres@localhost/postgres".parse().unwrap();
        address.query_pairs_mut().append_pair("host", &directory);
        Self { address, _keeper: keeper }
    }
}

/// PostgreSQL refuses to run as root, and in a language that is not installed.
fn as_postgres(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let root = std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    let mut command = if root {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(program).current_dir("/");
        command
    } else {
        Command::new(program)
    };
    command.env("LC_ALL", "C");
    command
}

fn text(command: &mut Command) -> String {
    // `pg_ctl start` hands its output on to the server: a pipe would never end.
    let output = tempfile::tempfile().unwrap();
    let status = command
        .stdin(Stdio::null())
        .stdout(output.try_clone().unwrap())
        .stderr(output.try_clone().unwrap())
        .status()
        .unwrap();
    let mut text = String::new();
    let mut output = output;
    std::io::Seek::rewind(&mut output).unwrap();
    std::io::Read::read_to_string(&mut output, &mut text).unwrap();
    assert!(status.success(), "{command:?}: {text}");
    text.trim().to_owned()
}
