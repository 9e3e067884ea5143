//! Credentials and addresses.

use engkpi::domain::Kind;
use engkpi_fakes::Fault;

use super::*;

/// Made for this test and good for nothing else.
pub(crate) fn private_key(directory: &std::path::Path) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let path = directory.join("app.pem");
    let made = std::process::Command::new("openssl")
        .args(["genrsa", "-traditional", "-out"])
        .arg(&path)
        .arg("2048")
        .stderr(std::process::Stdio::null())
        .status();
    assert!(made.is_ok_and(|it| it.success()), "the test needs the program openssl for a key");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

#[tokio::test]
async fn an_app_mints_its_tokens_and_a_refused_one_is_replaced() {
    // The proof is dated by the machine's clock, as the vendor's check of it.
    let mut world = World::new("acme");
    let yesterday = world.now.instant() - chrono::Duration::days(1);
    world.add_repository("shop", |shop| {
        shop.push(yesterday, "Initial commit", &["README.md"]);
        shop.pull(1, yesterday, |_| {});
    });
    let (app, installation) = (world.access.app, world.access.installation);
    let directory = tempfile::tempdir().unwrap();
    let key = private_key(directory.path());
    let settings = format!(
        "organisation = \"acme\"\napp = {{ app_id = {app}, installation_id = {installation}, \
         private_key = {{ file = {key:?} }} }}"
    );
    let site = Site::with(world, Needs::default(), &settings).await;
    site.poll().await;
    assert_eq!(site.count(Kind::Change).await, 1);
    assert_eq!(site.fakes.github.requests_to("/access_tokens").len(), 1, "one token for all");
    site.fakes.github.fault(Fault::status(401).on("/graphql"));
    site.poll().await;
    assert_eq!(site.fakes.github.requests_to("/access_tokens").len(), 2);
}

#[tokio::test]
async fn a_token_that_expires_in_the_middle_of_a_sync_is_replaced_and_nothing_is_lost() {
    // The proof is dated by the machine's clock, as the vendor's check of it.
    let mut world = World::new("acme");
    let now = world.now.instant();
    world.access.installation_token_seconds = 300;
    world.add_repository("shop", |shop| {
        shop.push(now - chrono::Duration::days(1), "Initial commit", &["README.md"]);
        for number in 1..=150_u32 {
            let at = now - chrono::Duration::minutes(i64::from(number));
            shop.pull(u64::from(number), at, |_| {});
        }
    });
    let (app, installation) = (world.access.app, world.access.installation);
    let directory = tempfile::tempdir().unwrap();
    let key = private_key(directory.path());
    let settings = format!(
        "organisation = \"acme\"\napp = {{ app_id = {app}, installation_id = {installation}, \
         private_key = {{ file = {key:?} }} }}"
    );
    let site = Site::with(world, Needs::default(), &settings).await;
    let slow = Fault::delay(Duration::from_millis(400));
    site.fakes.github.fault(slow.on(" PullRequests"));
    let expires = async {
        while site.fakes.github.requests_to("CommitHistory").is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // Our clock does not say so: the vendor's is ahead.
        site.fakes.set_now(now + chrono::Duration::seconds(310));
    };
    let (polled, ()) = tokio::join!(site.try_poll(), expires);
    polled.unwrap();
    assert_eq!(site.count(Kind::Change).await, 150);
    assert_eq!(site.fakes.github.requests_to("/access_tokens").len(), 2);
    let refused = site.fakes.github.usage().by_status.get("401").copied();
    assert!(refused.is_some_and(|it| it > 0), "the token did expire on the way");
}

#[tokio::test]
async fn an_enterprise_server_answers_below_its_own_paths() {
    let mut world = world();
    let shop = world.repository_mut("shop");
    shop.pull(1, "2026-03-01 09:00", |_| {});
    let sha = shop.pushes[0].1.clone();
    shop.run("Deploy", &sha, "2026-03-01 09:00", |_| {});
    let now = world.now.instant();
    let fakes = Fakes::start(world).await;
    let api = format!("{}api/v3", fakes.github.url());
    let mut site = Site::on(fakes, now, needs(), "organisation = \"acme\"");
    let directory = tempfile::tempdir().unwrap();
    let token = directory.path().join("token");
    std::fs::write(&token, GITHUB_TOKEN).unwrap();
    std::fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let settings: Settings = toml::from_str(&format!(
        "api_url = \"{api}\"\nhistory_start = \"2026-01-01\"\ntoken = {{ file = {token:?} }}\n\
         organisation = \"acme\""
    ))
    .unwrap();
    let environment = Environment {
        clock: site.clock.clone(),
        telemetry: Telemetry::new(),
        budgets: Budgets::default(),
    };
    site.source = GitHub::with_limits(name(), &settings, needs(), limits(), &environment).unwrap();
    site.poll().await;
    assert_eq!(site.count(Kind::Change).await, 1);
    assert_eq!(site.count(Kind::WorkflowRun).await, 1);
}
