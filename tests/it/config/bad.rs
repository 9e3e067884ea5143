//! Bad configurations, each with everything that is said about it. Change a message in `src/config`
//! and bless these with `UPDATE_EXPECT=1 cargo test --test it config`.

#![expect(clippy::too_many_lines, reason = "these are tables of messages")]

use expect_test::{Expect, expect};

use super::{BASE, parse};

/// What is said about `text` on top of the base.
#[track_caller]
fn bad(text: &str, said: Expect) {
    check(&[("base.toml", BASE), ("bad.toml", text)], &[], said);
}

/// What is said about `text` alone.
#[track_caller]
fn bad_alone(text: &str, said: Expect) {
    check(&[("bad.toml", text)], &[], said);
}

/// What is said about variables on top of the base.
#[track_caller]
fn bad_variables(environment: &[(&str, &str)], said: Expect) {
    check(&[("base.toml", BASE)], environment, said);
}

#[track_caller]
fn check(texts: &[(&str, &str)], environment: &[(&str, &str)], said: Expect) {
    let text = match parse(texts, environment) {
        Ok(_) => "nothing is wrong".to_owned(),
        Err(problems) => problems.to_string(),
    };
    said.assert_eq(&text);
}

#[test]
fn the_base_itself_is_fine() {
    bad("", expect![["nothing is wrong"]]);
}

#[test]
fn text_that_is_not_toml() {
    bad(
        "[rules\nbots = 'x'\n",
        expect![[r#"
            bad.toml:1:7: not TOML: unclosed table
                fix: write `]` here
            1 problem in the configuration; whether settings fit each other is seen once the text is TOML"#]],
    );
    bad(
        "[rules]\nbots = ['a', 'b'\nbulk_import = 5\n",
        expect![[r#"
            bad.toml:3:1: not TOML: missing comma between array elements
                fix: separate the elements of a list with commas and close it with ]
            1 problem in the configuration; whether settings fit each other is seen once the text is TOML"#]],
    );
    bad(
        "[rules]\nbulk_import = 5\nbulk_import = 6\n",
        expect![[r#"
            bad.toml:3:1: not TOML: duplicate key
                fix: keep one of them; a table may be opened once only
            1 problem in the configuration; whether settings fit each other is seen once the text is TOML"#]],
    );
    bad(
        "[services.shop]\nteam = payments\n\n[calendar]\nzone = \"Mars\"\n",
        expect![[r#"
            bad.toml:2:8: not TOML: string values must be quoted
                fix: write the text in quotes: key = "text"
            bad.toml:5:8: calendar.zone: "Mars" is not a time zone of the IANA database
                fix: write for example "Europe/Berlin"
            2 problems in the configuration; whether settings fit each other is seen once the text is TOML"#]],
    );
    bad(
        "[teams.a]\n[teams.a]\n",
        expect![[r#"
            bad.toml:2:8: not TOML: duplicate key
                fix: keep one of them; a table may be opened once only
            1 problem in the configuration; whether settings fit each other is seen once the text is TOML"#]],
    );
    bad(
        "[calendar]\nholidays = [2026-02-30]\n",
        expect![[r#"
            bad.toml:2:13: not TOML: invalid date
                fix: write day between 01 and 28 here
            1 problem in the configuration; whether settings fit each other is seen once the text is TOML"#]],
    );
}

#[test]
fn keys_that_do_not_exist() {
    bad(
        "[evaluat]\n",
        expect![[r#"
        bad.toml:1:2: evaluat: is not a section
            fix: did you mean "evaluate"?
        1 problem in the configuration"#]],
    );
    bad(
        "interval = 5\n",
        expect![[r#"
            bad.toml:1:1: interval: is not a setting
                fix: remove it; known are store, sources, evaluate, web, calendar, teams, services, endpoints, units, slos, rules, standards and 3 more
            1 problem in the configuration"#]],
    );
    bad(
        "[evaluate]\nintervall = '5m'\nthreads = 4\n",
        expect![[r#"
        bad.toml:2:1: evaluate.intervall: is not a setting
            fix: did you mean "interval"?
        bad.toml:3:1: evaluate.threads: is not a setting
            fix: remove it; known are interval, service_windows, service_history
        2 problems in the configuration"#]],
    );
    bad(
        "[services.checkout.deployments]\nenvironment = ['production']\n",
        expect![[r#"
        bad.toml:2:1: services.checkout.deployments.environment: is not a setting
            fix: did you mean "environments"?
        1 problem in the configuration"#]],
    );
    bad(
        "[teams.payments]\nlead = 'Ada'\n",
        expect![[r#"
        bad.toml:2:1: teams.payments.lead: is not a setting
            fix: remove it
        1 problem in the configuration"#]],
    );
    bad(
        "[sources.github]\napi-url = 'https://x'\n",
        expect![[r#"
        bad.toml:2:1: sources.github.api-url: is not a setting
            fix: did you mean "api_url"?
        1 problem in the configuration"#]],
    );
    bad(
        "[rules.fields]\nrootcause = 'x'\n",
        expect![[r#"
        bad.toml:2:1: rules.fields.rootcause: is not a setting
            fix: did you mean "root_cause"?
        1 problem in the configuration"#]],
    );
}

#[test]
fn values_of_the_wrong_type() {
    bad(
        "[evaluate]\ninterval = 5\nservice_history = 'yes'\nservice_windows = '7d'\n",
        expect![[r#"
            bad.toml:2:12: evaluate.interval: must be a text, not the number 5
                fix: put it in quotes
            bad.toml:3:19: evaluate.service_history: must be true or false, not the text "yes"
                fix: write true or false, without quotes
            bad.toml:4:19: evaluate.service_windows: must be a list, not the text "7d"
                fix: write ["7d"]
            3 problems in the configuration"#]],
    );
    bad(
        "[services.checkout]\ntier = 'gold'\npaths = 'a/**'\n",
        expect![[r#"
            bad.toml:2:8: services.checkout.tier: must be a whole number from 0 to 255, not the text "gold"
                fix: write for example 3, without quotes
            bad.toml:3:9: services.checkout.paths: must be a list, not the text "a/**"
                fix: write ["a/**"]
            2 problems in the configuration"#]],
    );
    bad(
        "[rules]\nbots = { a = 1 }\nbulk_import = -1\nseverity = 3\n",
        expect![[r#"
            bad.toml:2:8: rules.bots: must be a list, not a table
                fix: write ["one", "two"]
            bad.toml:3:15: rules.bulk_import: must be a whole number, 0 or more, not the number -1
                fix: write for example 3, without quotes
            bad.toml:4:12: rules.severity: must be a table, not the number 3
                fix: write { key = value }
            3 problems in the configuration"#]],
    );
    bad(
        "rules = 'strict'\nteams = ['payments', 'search']\n",
        expect![[r#"
            bad.toml:1:9: rules: must be a table, not the text "strict"
                fix: write a section: [name]
            bad.toml:2:9: teams: must be a table of named entries
                fix: write a section: [name]
            2 problems in the configuration"#]],
    );
    bad(
        "[kpis.change_failure]\ntarget = true\nmin_n = 1.5\n",
        expect![[r#"
            bad.toml:2:10: kpis.change_failure.target: must be a number or a length of time, not true
                fix: write for example 0.1 or "15m"
            bad.toml:3:9: kpis.change_failure.min_n: must be a whole number, 0 or more, not the number 1.5
                fix: write for example 3, without quotes
            2 problems in the configuration"#]],
    );
    bad(
        "[calendar]\nfiscal_year_start_month = 99999999999999999999\n",
        expect![[r#"
            bad.toml:2:27: calendar.fiscal_year_start_month: must be a whole number, 0 or more, not the number 1e+20
                fix: write for example 3, without quotes
            1 problem in the configuration"#]],
    );
}

#[test]
fn values_that_make_no_sense() {
    bad(
        "[evaluate]\ninterval = '5 min'\nservice_windows = ['30d', '14d']\n",
        expect![[r#"
        bad.toml:2:12: evaluate.interval: "5 min" is not a length of time
            fix: write for example "15m", "6h" or "30d"
        bad.toml:3:27: evaluate.service_windows[1]: "14d" is not a window of /metrics
            fix: write one of 7d, 30d, 90d, 365d, month, quarter, year
        2 problems in the configuration"#]],
    );
    bad(
        "[evaluate]\ninterval = '0s'\n",
        expect![[r#"
        bad.toml:2:12: evaluate.interval: a length of time must be longer than zero, not "0s"
            fix: write for example "15m"
        1 problem in the configuration"#]],
    );
    bad(
        "[evaluate]\ninterval = '2h'\n",
        expect![[r#"
        bad.toml:2:12: evaluate.interval: 2h is longer than an hour
            fix: write 1h or less
        1 problem in the configuration"#]],
    );
    bad(
        "[web]\nlisten_address = 'localhost'\n",
        expect![[r#"
        bad.toml:2:18: web.listen_address: is not an address with a port
            fix: write for example "127.0.0.1:9780"
        1 problem in the configuration"#]],
    );
    bad(
        "[calendar]\nzone = 'Europe/Berln'\nholidays = ['2026-13-01']\nfiscal_year_start_month = 13\n",
        expect![[r#"
            bad.toml:2:8: calendar.zone: "Europe/Berln" is not a time zone of the IANA database
                fix: did you mean "Europe/Berlin"?
            bad.toml:3:13: calendar.holidays[0]: "2026-13-01" is not a day
                fix: write it like 2026-12-25
            bad.toml:4:27: calendar.fiscal_year_start_month: 13 is not a month
                fix: write 1 for January to 12 for December
            3 problems in the configuration"#]],
    );
    bad(
        "[calendar]\nholidays_file = '/no/such/file.ics'\n",
        expect![[r#"
        bad.toml:2:17: calendar.holidays_file: /no/such/file.ics cannot be read: No such file or directory (os error 2)
            fix: mend the path
        1 problem in the configuration"#]],
    );
    bad(
        "[services.checkout]\npaths = ['/services', 'a/{b,c}', 'x/../y']\ntier = 7\n",
        expect![[r#"
        bad.toml:2:10: services.checkout.paths[0]: "/services" is not below the repository's root
            fix: write it without the leading / or ./
        bad.toml:2:23: services.checkout.paths[1]: "a/{b,c}" uses ? or {}
            fix: only * and ** are special; write one glob for each case
        bad.toml:2:34: services.checkout.paths[2]: "x/../y" has a segment . or ..
            fix: write the path as the repository shows it
        bad.toml:3:8: services.checkout.tier: 7 is not a tier
            fix: write 1 for the most important to 5 for the least
        4 problems in the configuration"#]],
    );
    bad(
        "[services.checkout]\ndeployments = { releases = '^v(' }\n",
        expect![[r#"
        bad.toml:2:28: services.checkout.deployments.releases: "^v(" is not a regular expression: unclosed group
            fix: see https://docs.rs/regex/#syntax
        1 problem in the configuration"#]],
    );
    bad(
        "[services.checkout]\nrepository = 'https://github.com/acme/shop'\n",
        expect![[r#"
        bad.toml:2:14: services.checkout.repository: "https://github.com/acme/shop" is not a repository
            fix: write "owner/name"
        1 problem in the configuration"#]],
    );
    bad(
        "[services.checkout]\npagerduty = ['checkout service', '']\n",
        expect![[r#"
        bad.toml:2:14: services.checkout.pagerduty[0]: "checkout service" is not the id of a PagerDuty service
            fix: write the last part of https://….pagerduty.com/service-directory/ID, such as "PABC123"
        bad.toml:2:34: services.checkout.pagerduty[1]: is an empty text
            fix: write something or remove the key
        2 problems in the configuration"#]],
    );
    bad(
        "[rules.severity]\nP1 = 0\nCritical = 6\n",
        expect![[r#"
        bad.toml:2:6: rules.severity.P1: 0 is not a severity
            fix: write 1 for the most severe to 5 for the least
        bad.toml:3:12: rules.severity.Critical: 6 is not a severity
            fix: write 1 for the most severe to 5 for the least
        2 problems in the configuration"#]],
    );
    bad(
        "[rules.statuses]\nshipped = 'acceptd'\n",
        expect![[r#"
        bad.toml:2:11: rules.statuses.shipped: "acceptd" is not one of its values
            fix: did you mean "accepted"?
        1 problem in the configuration"#]],
    );
    bad(
        "[rules]\nrollout_window = '1 hour'\nbulk_import = 1\nhotfix_labels = ['']\n",
        expect![[r#"
        bad.toml:2:18: rules.rollout_window: "1 hour" is not a length of time
            fix: write for example "15m", "6h" or "30d"
        bad.toml:3:15: rules.bulk_import: 1 is too few
            fix: write 2 or more: with 1 every record would be a bulk import
        bad.toml:4:18: rules.hotfix_labels[0]: is an empty text
            fix: write something or remove the key
        3 problems in the configuration"#]],
    );
    bad(
        "[sources.github]\nhistory_start = 2099-01-01\n",
        expect![[r#"
        bad.toml:2:17: sources.github.history_start: lies in the future
            fix: write the day from which on history is wanted
        1 problem in the configuration"#]],
    );
    bad(
        "[sources.github]\nhistory_start = 'last year'\n",
        expect![[r#"
        bad.toml:2:17: sources.github.history_start: "last year" is neither a date nor a time with its offset
            fix: write for example "2025-01-01" or "2025-01-01T09:00:00Z"
        1 problem in the configuration"#]],
    );
    bad(
        "[sources.github]\napi_url = 'github.example.com'\n",
        expect![[r#"
            bad.toml:2:11: sources.github.api_url: "github.example.com" is not an address: relative URL without a base
                fix: write for example "https://api.example.com"
            1 problem in the configuration"#]],
    );
    bad(
        "[sources.'my github']\ntype = 'github'\n",
        expect![[r#"
            bad.toml:1:10: sources."my github": cannot be the name of a source
                fix: use letters, digits, - and _, at most 64: it becomes a label and a part of ids
            bad.toml:1:10: sources."my github".history_start: is missing
                fix: add `history_start = …`
            bad.toml:1:10: sources."my github".organisation: is missing, and repositories is empty
                fix: name an organisation, a list of repositories, or both
            bad.toml:1:10: sources."my github".token: is missing
                fix: give either token = { env = "GITHUB_TOKEN" } or app = { app_id, installation_id, private_key }
            4 problems in the configuration"#]],
    );
    bad(
        "[teams.' x']\n",
        expect![[r#"
        bad.toml:1:8: teams." x": cannot be a name
            fix: use 1 to 100 printable characters without spaces around them: it becomes a label
        1 problem in the configuration"#]],
    );
}

#[test]
fn secrets_in_the_wrong_place() {
    bad(
        "[sources.github]\ntoken = 'ghp_c4n4ryc4n4ry'\n",
        expect![[r#"
        bad.toml:2:9: sources.github.token: must refer to a secret
            fix: write { env = "NAME" } or { file = "/path" }, never the secret itself
        1 problem in the configuration"#]],
    );
    bad(
        "[sources.github]\ntoken = { env = 'ghp_c4n4ryc4n4ry' }\n",
        expect![[r#"
            bad.toml:2:1: sources.github.token: is missing
                fix: give either token = { env = "GITHUB_TOKEN" } or app = { app_id, installation_id, private_key }
            bad.toml:2:9: sources.github.token: `env` must be the NAME of an environment variable
                fix: write it in capital letters, digits and underscores, never the secret itself
            2 problems in the configuration"#]],
    );
    bad(
        "[sources.github]\ntoken = { env = 'TOKEN', file = '/run/token' }\n",
        expect![[r#"
            bad.toml:2:1: sources.github.token: is missing
                fix: give either token = { env = "GITHUB_TOKEN" } or app = { app_id, installation_id, private_key }
            bad.toml:2:9: sources.github.token: `env` and `file` exclude each other
                fix: keep one
            2 problems in the configuration"#]],
    );
    bad(
        "[sources.github]\ntokn = 'ghp_c4n4ryc4n4ry'\norganisation = 'ghp_c4n4ryc4n4ry'\n",
        expect![[r#"
            bad.toml:2:1: sources.github.tokn: is not a setting
                fix: did you mean "token"?
            1 problem in the configuration"#]],
    );
}

#[test]
fn settings_that_contradict_each_other() {
    bad(
        "[services.checkout]\nteam = 'paymnts'\n[services.search]\nteam = 'data'\nrepository = 'acme/search'\n",
        expect![[r#"
            bad.toml:2:8: services.checkout.team: there is no team "paymnts"
                fix: did you mean "payments"?
            bad.toml:4:8: services.search.team: there is no team "data"
                fix: add [teams.data]; known are payments, search
            2 problems in the configuration"#]],
    );
    bad(
        "[services.cart]\nteam = 'payments'\nrepository = 'Acme/Shop'\npaths = ['cart/**', 'services/checkout/**']\n",
        expect![[r#"
            bad.toml:4:21: services.cart.paths[1]: "services/checkout/**" belongs to the service "checkout" already
                fix: give each path to one service
            1 problem in the configuration"#]],
    );
    bad(
        "[services.checkout]\nrepository = 'other/shop'\n",
        expect![[r#"
        bad.toml:2:14: services.checkout.repository: no source reads the repository "other/shop"
            fix: add it to `repositories` of a GitHub source
        1 problem in the configuration"#]],
    );
    bad(
        "[services.checkout.deployments]\nenvironments = []\nworkflow = ['Deploy']\n",
        expect![[r#"
        bad.toml:2:16: services.checkout.deployments.environments: is an empty list
            fix: name at least one: an empty list matches no deployment
        bad.toml:3:12: services.checkout.deployments.workflow: excludes environments
            fix: keep one: what counts as a production deployment has one rule
        2 problems in the configuration"#]],
    );
    bad(
        "[services.checkout.deployments]\nreleases = '^v'\ntask = 'deploy'\npayload = { a = 'b', c = 'd' }\n",
        expect![[r#"
            bad.toml:3:8: services.checkout.deployments.task: is for deployments to environments, and there is releases
                fix: remove one of them
            bad.toml:4:11: services.checkout.deployments.payload: has 2 keys
                fix: write one: payload = { service = "checkout" }
            bad.toml:4:11: services.checkout.deployments.payload: is for deployments to environments, and there is releases
                fix: remove one of them
            3 problems in the configuration"#]],
    );
    bad(
        "[rules.decisions.'acme/shop']\nfolders = ['docs/adr', '/adr', 'docs/*']\ndecision_event = 'mrge'\n",
        expect![[r#"
            bad.toml:2:24: rules.decisions."acme/shop".folders[1]: "/adr" is not a folder of a repository
                fix: write a path from the repository's root, for example "docs/adr"
            bad.toml:2:32: rules.decisions."acme/shop".folders[2]: "docs/*" is not a folder of a repository
                fix: write a path from the repository's root, for example "docs/adr"
            bad.toml:3:18: rules.decisions."acme/shop".decision_event: "mrge" is not one of its values
                fix: did you mean "merge"?
            3 problems in the configuration"#]],
    );
    bad(
        "[rules.decisions.'other/adrs']\nfolders = []\n[rules.decisions.shop]\nfolders = ['adr']\n",
        expect![[r#"
            bad.toml:1:18: rules.decisions."other/adrs": no source reads the repository "other/adrs"
                fix: add it to `repositories` of a GitHub source
            bad.toml:2:11: rules.decisions."other/adrs".folders: is an empty list
                fix: name at least one, for example "docs/adr"
            bad.toml:3:18: rules.decisions.shop: "shop" is not a repository
                fix: write [rules.decisions."owner/name"]
            3 problems in the configuration"#]],
    );
    bad(
        "[rules.fields]\nroot_cause = 'cause'\ncaused_by = 'cause'\n",
        expect![[r#"
        bad.toml:3:13: rules.fields.caused_by: names the field "cause", as root_cause does
            fix: name a field of its own
        1 problem in the configuration"#]],
    );
    bad(
        "[rules.fields]\nproblem = 'root_cause'\n",
        expect![[r#"
        bad.toml:2:11: rules.fields.problem: names the field "root_cause", as root_cause does
            fix: name a field of its own
        1 problem in the configuration"#]],
    );
    bad(
        "[rules.severity]\nHigh = 1\nhigh = 2\n",
        expect![[r#"
        bad.toml:3:1: rules.severity.high: is the same as "High": case is ignored
            fix: keep one of them
        1 problem in the configuration"#]],
    );
    bad(
        "[sources.github]\napi_url = 'http://ghes.example.com/api/v3'\n",
        expect![[r#"
        bad.toml:2:11: sources.github.api_url: would send tokens over plain http
            fix: use https, or set allow_insecure = true if something else protects the way there
        1 problem in the configuration"#]],
    );
    bad(
        "[sources.github]\npoll_every = '2h'\nstale_after = '1h'\n",
        expect![[r#"
        bad.toml:3:15: sources.github.stale_after: is shorter than poll_every (2h)
            fix: make it several times as long, so that one failed poll is not staleness
        1 problem in the configuration"#]],
    );
    bad(
        "[store]\nsqlite = 'a.db'\npostgres = { env = 'DATABASE_URL' }\n",
        expect![[r#"
        bad.toml:2:10: store.sqlite: is given together with postgres
            fix: keep one of the two: facts are stored in one place
        1 problem in the configuration"#]],
    );
    bad(
        "[services.Checkout]\nteam = 'payments'\nrepository = 'acme/shop'\n",
        expect![[r#"
        bad.toml:1:11: services.Checkout: differs from "checkout" only in capitals
            fix: rename or remove one of them
        1 problem in the configuration"#]],
    );
    bad_alone(
        "[teams.a]\n[services.s]\nteam = 'a'\nrepository = 'a/b'\npagerduty = ['P1']\n",
        expect![[r#"
            bad.toml:4:14: services.s.repository: no source reads the repository "a/b"
                fix: add it to `repositories` of a GitHub source
            bad.toml:5:13: services.s.pagerduty: names PagerDuty services, and no source reads PagerDuty
                fix: add [sources.pagerduty] with type = "pagerduty", or remove the ids
            2 problems in the configuration"#]],
    );
}

#[test]
fn targets_that_do_not_fit() {
    bad(
        "[kpis.change_failur]\ntarget = 0.1\n",
        expect![[r#"
            bad.toml:1:7: kpis.change_failur: there is no such KPI
                fix: did you mean "change_failure"?
            1 problem in the configuration"#]],
    );
    bad(
        "[kpis.change_failure]\ntarget = 12\ngood = 0.2\n",
        expect![[r#"
        bad.toml:2:10: kpis.change_failure.target: is a share above 1
            fix: write 10 % as 0.1
        1 problem in the configuration"#]],
    );
    bad(
        "[kpis.change_failure]\ntarget = '15m'\n[kpis.incident_detection_time]\ntarget = 0.5\n",
        expect![[r#"
            bad.toml:2:10: kpis.change_failure.target: is a length of time, and the KPI is not
                fix: write a number
            bad.toml:4:10: kpis.incident_detection_time.target: is shorter than a second
                fix: write seconds, or for example "15m"
            2 problems in the configuration"#]],
    );
    bad(
        "[kpis.change_failure]\ntarget = 0.1\ngood = 0.2\nmin_n = 0\n",
        expect![[r#"
        bad.toml:3:8: kpis.change_failure.good: is no better than the target (0.1)
            fix: of change_failure, good lies below it
        bad.toml:4:9: kpis.change_failure.min_n: 0 is too few
            fix: write 1 or more
        2 problems in the configuration"#]],
    );
    bad(
        "[kpis.change_failure]\nimprovement = 0.2\n",
        expect![[r#"
        bad.toml:2:15: kpis.change_failure.improvement: does not apply to change_failure
            fix: it is judged by target
        1 problem in the configuration"#]],
    );
    bad(
        "[kpis.change_failure]\nlow = 1\nhigh = 2\n",
        expect![[r#"
        bad.toml:2:7: kpis.change_failure.low: does not apply to change_failure
            fix: it is judged by target
        1 problem in the configuration"#]],
    );
    bad(
        "[kpis.incident_recovery_time]\nimprovement = 20\n",
        expect![[r#"
            bad.toml:2:15: kpis.incident_recovery_time.improvement: must lie between 0 and 1
                fix: 0.2 asks for 20 % better than the baseline
            1 problem in the configuration"#]],
    );
    bad(
        "[kpis.incident_recovery_time]\nimprovement = 0.2\n",
        expect![[r#"
            bad.toml:2:15: kpis.incident_recovery_time.improvement: needs a baseline, and there is none
                fix: add [baseline] with start and end, or give a target
            1 problem in the configuration"#]],
    );
    bad(
        "[kpis.incident_recovery_time]\nimprovement = 0.2\ntarget = '1h'\n",
        expect![[r#"
            bad.toml:2:15: kpis.incident_recovery_time.improvement: excludes target
                fix: keep one of them; incident_recovery_time is judged by target or improvement
            1 problem in the configuration"#]],
    );
    bad(
        "[kpis.incident_frequency]\nratio = 0.0\ngood = 1\n",
        expect![[r#"
        bad.toml:3:8: kpis.incident_frequency.good: is for a target or an improvement only
            fix: remove it
        1 problem in the configuration"#]],
    );
    bad(
        "[kpis.incident_frequency]\nratio = 0.0\n",
        expect![[r#"
        bad.toml:2:9: kpis.incident_frequency.ratio: must be above 0
            fix: 1 asks for no change
        1 problem in the configuration"#]],
    );
    bad(
        "[kpis.change_failure.teams.paymnts]\ntarget = 0.1\n[kpis.change_failure.services.cart]\ngood = 0.9\n",
        expect![[r#"
            bad.toml:1:28: kpis.change_failure.teams.paymnts: there is no team "paymnts"
                fix: did you mean "payments"?
            bad.toml:3:31: kpis.change_failure.services.cart: there is no service "cart"
                fix: remove it; known are checkout
            bad.toml:4:8: kpis.change_failure.services.cart.good: is no better than the target (0.1)
                fix: of change_failure, good lies below it
            3 problems in the configuration"#]],
    );
    bad(
        "[baseline]\nstart = 2026-04-01\nend = 2026-01-01\n",
        expect![[r#"
        bad.toml:3:7: baseline.end: is not after the start (2026-04-01)
            fix: write the first day, and the first day after the interval
        1 problem in the configuration"#]],
    );
    bad(
        "[baseline]\nstart = 2024-01-01\nend = 2024-04-01\n",
        expect![[r#"
        bad.toml:2:9: baseline.start: begins before any source has history (first: github, 2025-01-01)
            fix: move it, or set an earlier history_start
        1 problem in the configuration"#]],
    );
    bad(
        "[baseline]\nstart = 2026-10-01\nend = 2027-01-01\n",
        expect![[r#"
        bad.toml:3:7: baseline.end: lies in the future
            fix: choose an interval that is over: a baseline never changes
        1 problem in the configuration"#]],
    );
    bad(
        "[kpis.architecture_throughput]\nlow = 9\n[kpis.deployment_frequency]\ntarget = '1d'\n",
        expect![[r#"
            bad.toml:2:7: kpis.architecture_throughput.low: makes no band: 9 to 8
                fix: write 0 <= low <= high
            bad.toml:4:10: kpis.deployment_frequency.target: is a length of time, and the KPI is not
                fix: write a number
            2 problems in the configuration"#]],
    );
    bad(
        "[baseline]\nend = 2026-01-01\n",
        expect![[r#"
        bad.toml:1:2: baseline.start: is missing beside end
            fix: add `start = …`: the baseline is a fixed interval
        1 problem in the configuration"#]],
    );
}

#[test]
fn a_broken_entry_is_checked_against_the_others_all_the_same() {
    bad(
        "[services.cart]\nteam = 'nobody'\nrepository = 'shop'\npagerduty = ['x']\n",
        expect![[r#"
            bad.toml:2:8: services.cart.team: there is no team "nobody"
                fix: add [teams.nobody]; known are payments, search
            bad.toml:3:14: services.cart.repository: "shop" is not a repository
                fix: write "owner/name"
            bad.toml:4:14: services.cart.pagerduty[0]: "x" is not the id of a PagerDuty service
                fix: write the last part of https://….pagerduty.com/service-directory/ID, such as "PABC123"
            3 problems in the configuration"#]],
    );
    bad(
        "[services.cart]\nteam = 5\nrepository = 'other/shop'\ntier = 9\n",
        expect![[r#"
        bad.toml:2:8: services.cart.team: must be a text, not the number 5
            fix: put it in quotes
        bad.toml:3:14: services.cart.repository: no source reads the repository "other/shop"
            fix: add it to `repositories` of a GitHub source
        bad.toml:4:8: services.cart.tier: 9 is not a tier
            fix: write 1 for the most important to 5 for the least
        3 problems in the configuration"#]],
    );
    bad_alone(
        "[sources.github]\ntype = 'github'\nhistory_start = 'x'\napi_url = 'http://ghes'\n[baseline]\nstart = 2000-01-01\nend = 1999-01-01\n",
        expect![[r#"
            bad.toml:1:10: sources.github.organisation: is missing, and repositories is empty
                fix: name an organisation, a list of repositories, or both
            bad.toml:1:10: sources.github.token: is missing
                fix: give either token = { env = "GITHUB_TOKEN" } or app = { app_id, installation_id, private_key }
            bad.toml:3:17: sources.github.history_start: "x" is neither a date nor a time with its offset
                fix: write for example "2025-01-01" or "2025-01-01T09:00:00Z"
            bad.toml:4:11: sources.github.api_url: would send tokens over plain http
                fix: use https, or set allow_insecure = true if something else protects the way there
            bad.toml:7:7: baseline.end: is not after the start (2000-01-01)
                fix: write the first day, and the first day after the interval
            5 problems in the configuration"#]],
    );
}

#[test]
fn things_that_are_missing() {
    bad(
        "[services.cart]\ntier = 2\n",
        expect![[r#"
        bad.toml:1:11: services.cart.repository: is missing
            fix: add `repository = …`
        bad.toml:1:11: services.cart.team: is missing
            fix: add `team = …`
        2 problems in the configuration"#]],
    );
    bad(
        "[sources.jenkins]\nurl = 'https://ci'\n[sources.gitlab]\ntype = 'gitlab'\n",
        expect![[r#"
            bad.toml:1:10: sources.jenkins.type: is missing
                fix: add `type = …`: github, pagerduty, files, prometheus
            bad.toml:4:8: sources.gitlab.type: "gitlab" is not a kind of source
                fix: did you mean "github"?
            2 problems in the configuration"#]],
    );
    bad_alone(
        "[sources.github]\ntype = 'github'\n",
        expect![[r#"
            bad.toml:1:10: sources.github.history_start: is missing
                fix: add `history_start = …`
            bad.toml:1:10: sources.github.organisation: is missing, and repositories is empty
                fix: name an organisation, a list of repositories, or both
            bad.toml:1:10: sources.github.token: is missing
                fix: give either token = { env = "GITHUB_TOKEN" } or app = { app_id, installation_id, private_key }
            3 problems in the configuration"#]],
    );
    bad_alone(
        "[sources.github]\ntype = 'github'\nhistory_start = 2025-01-01\n",
        expect![[r#"
        bad.toml:1:10: sources.github.organisation: is missing, and repositories is empty
            fix: name an organisation, a list of repositories, or both
        bad.toml:1:10: sources.github.token: is missing
            fix: give either token = { env = "GITHUB_TOKEN" } or app = { app_id, installation_id, private_key }
        2 problems in the configuration"#]],
    );
    bad(
        "[rules.decisions.'acme/shop']\ndecision_event = 'merge'\n",
        expect![[r#"
        bad.toml:1:18: rules.decisions."acme/shop".folders: is missing
            fix: add `folders = …`
        1 problem in the configuration"#]],
    );
}

#[test]
fn things_that_are_there_twice() {
    bad(
        "[rules]\nbots = ['renovate', 'x', 'renovate']\n",
        expect![[r#"
        bad.toml:2:26: rules.bots[2]: "renovate" is in the list twice
            fix: remove one of them
        1 problem in the configuration"#]],
    );
    bad(
        "[services.checkout]\npaths = ['a/**', 'a/**']\n[calendar]\nholidays = [2026-12-25, '2026-12-25']\n",
        expect![[r#"
            bad.toml:2:18: services.checkout.paths[1]: "a/**" is in the list twice
                fix: remove one of them
            bad.toml:4:25: calendar.holidays[1]: "2026-12-25" is in the list twice
                fix: remove one of them
            2 problems in the configuration"#]],
    );
    bad_variables(
        &[("ENGKPI__EVALUATE__INTERVAL", "1m"), ("engkpi__evaluate__interval", "2m")],
        expect![[r#"
            environment engkpi__evaluate__interval: sets the same as ENGKPI__EVALUATE__INTERVAL
                fix: keep one of them
            1 problem in the configuration"#]],
    );
}

#[test]
fn environment_variables() {
    bad_variables(
        &[
            ("ENGKPI__EVALUATE__INTERVAL", "soon"),
            ("ENGKPI__EVALUATE__INTERVALL", "1m"),
            ("ENGKPI__SERVICES__CHECKOUT__TIER", "gold"),
            ("ENGKPI__SERVICES__CHECKOUT__TEAM", "nobody"),
            ("ENGKPI__SOURCES__GITHUB__TOKEN", "ghp_c4n4ryc4n4ry"),
            ("ENGKPI__SOURCES__GITHUB__ARCHIVED", "maybe"),
            ("ENGKPI__NOTHING", "1"),
        ],
        expect![[r#"
            environment ENGKPI__EVALUATE__INTERVAL: evaluate.interval: "soon" is not a length of time
                fix: write for example "15m", "6h" or "30d"
            environment ENGKPI__EVALUATE__INTERVALL: evaluate.intervall: is not a setting
                fix: did you mean "interval"?
            environment ENGKPI__NOTHING: nothing: is not a setting
                fix: remove it; known are store, sources, evaluate, web, calendar, teams, services, endpoints, units, slos, rules, standards and 3 more
            environment ENGKPI__SERVICES__CHECKOUT__TEAM: services.checkout.team: there is no team "nobody"
                fix: add [teams.nobody]; known are payments, search
            environment ENGKPI__SERVICES__CHECKOUT__TIER: services.checkout.tier: must be a whole number from 0 to 255, not the text "gold"
                fix: write for example 3, without quotes
            environment ENGKPI__SOURCES__GITHUB__ARCHIVED: sources.github.archived: must be true or false, not the text "maybe"
                fix: write true or false, without quotes
            environment ENGKPI__SOURCES__GITHUB__TOKEN: sources.github.token: must refer to a secret
                fix: write { env = "NAME" } or { file = "/path" }, never the secret itself
            7 problems in the configuration"#]],
    );
}

#[test]
fn one_run_says_everything() {
    bad(
        r#"
[evaluate]
interval = "soon"

[rules
bots = ["x"]

[calendar]
zone = "Mars/Olympus"

[services.checkout]
teem = "payments"
tier = "gold"

[kpis.change_failure]
target = "lots"
"#,
        expect![[r#"
            bad.toml:3:12: evaluate.interval: "soon" is not a length of time
                fix: write for example "15m", "6h" or "30d"
            bad.toml:5:7: not TOML: unclosed table
                fix: write `]` here
            bad.toml:9:8: calendar.zone: "Mars/Olympus" is not a time zone of the IANA database
                fix: write for example "Europe/Berlin"
            bad.toml:12:1: services.checkout.teem: is not a setting
                fix: did you mean "team"?
            bad.toml:13:8: services.checkout.tier: must be a whole number from 0 to 255, not the text "gold"
                fix: write for example 3, without quotes
            bad.toml:16:10: kpis.change_failure.target: "lots" is not a length of time
                fix: write a number without quotes, or for example "15m"
            6 problems in the configuration; whether settings fit each other is seen once the text is TOML"#]],
    );
}

/// A metric store for what needs one.
const STORE: &str = "[sources.prometheus]\ntype = 'prometheus'\nurl = 'http://prometheus'\nhistory_start = 2025-01-01\n";

#[test]
fn endpoints_and_their_metric_store() {
    let endpoint =
        "[endpoints.pay]\nservice = 'checkout'\nbuckets = 'x_bucket'\nbudget = '300ms'\n";
    bad(&format!("{STORE}{endpoint}"), expect!["nothing is wrong"]);
    bad(
        endpoint,
        expect![[r#"
            bad.toml:1:12: endpoints.pay: needs a metric store, and there is none
                fix: add [sources.prometheus] with type = "prometheus"
            1 problem in the configuration"#]],
    );
    bad(
        &format!(
            "{STORE}[endpoints.a]\nservice = 'checkuot'\nsource = 'prometheu'\nbuckets = 'x_count'\n\
             budget = '300'\n[endpoints.b]\nservice = 'checkout'\nbuckets = 'rate(x[5m])'\n\
             budget = '1s'\nquantile = 'p50'\n[endpoints.c]\nservice = 'checkout'\n\
             buckets = 'x_bucket{{le=\"0.3\"}}'\nbudget = '1s'\nunit = 'ms'\n"
        ),
        expect![[r#"
            bad.toml:9:10: endpoints.a.budget: "300" is not a latency
                fix: write for example "250ms" or "1.5s"
            bad.toml:12:11: endpoints.b.buckets: "rate(x[5m])" is not a selector: it is an expression
                fix: name the series that are counted up
            bad.toml:14:12: endpoints.b.quantile: "p50" is not one of its values
                fix: write one of p95, p99
            bad.toml:17:11: endpoints.c.buckets: picks single buckets
                fix: leave `le` out: all buckets are needed
            bad.toml:19:8: endpoints.c.unit: "ms" is not one of its values
                fix: write one of seconds, milliseconds
            5 problems in the configuration"#]],
    );
    bad(
        &format!("{STORE}{}{endpoint}", STORE.replace("prometheus]", "mimir]")),
        expect![[r#"
            bad.toml:9:12: endpoints.pay.source: is missing: there are several metric stores
                fix: add `source = …`: prometheus, mimir
            1 problem in the configuration"#]],
    );
    bad(
        "[sources.prometheus]\ntype = 'prometheus'\nurl = 'http://prometheus/api/v1'\n\
         history_start = 2025-01-01\ntoken = { env = 'T' }\nuser = 'me'\n",
        expect![[r#"
            bad.toml:3:7: sources.prometheus.url: ends in /api/v1, which is added to it
                fix: write the address without /api/v1
            bad.toml:3:7: sources.prometheus.url: would send tokens over plain http
                fix: use https, or set allow_insecure = true if something else protects the way there
            bad.toml:5:1: sources.prometheus.token: is given together with user or password
                fix: keep one of the two ways to authenticate
            3 problems in the configuration"#]],
    );
}

#[test]
fn units_and_their_metric_store() {
    let units = "[units.pay]\nservice = 'checkout'\ncounter = 'x_total{job=\"pay\"}'\n";
    bad(&format!("{STORE}{units}"), expect!["nothing is wrong"]);
    bad(
        units,
        expect![[r#"
        bad.toml:1:8: units.pay: needs a metric store, and there is none
            fix: add [sources.prometheus] with type = "prometheus"
        1 problem in the configuration"#]],
    );
    bad(
        &format!(
            "{STORE}[units.a]\nservice = 'checkuot'\nsource = 'prometheu'\ncounter = 'x_bucket'\n\
             unit = ' '\n[units.b]\nservice = 'checkout'\ncounter = 'rate(x_total[5m])'\n\
             [units.c]\nservice = 'checkout'\ncounter = 'x_sum'\nper = 'order'\n[units.d]\n"
        ),
        expect![[r#"
            bad.toml:6:11: units.a.service: there is no service "checkuot"
                fix: did you mean "checkout"?
            bad.toml:7:10: units.a.source: there is no Prometheus source "prometheu"
                fix: did you mean "prometheus"?
            bad.toml:8:11: units.a.counter: counts each unit once for each bucket
                fix: name the histogram's series that ends in _count
            bad.toml:9:8: units.a.unit: is an empty text
                fix: write something or remove the key
            bad.toml:12:11: units.b.counter: "rate(x_total[5m])" is not a selector: it is an expression
                fix: name the series that are counted up
            bad.toml:15:11: units.c.counter: adds up something else than units
                fix: name the series that ends in _count or _total
            bad.toml:16:1: units.c.per: is not a setting
                fix: remove it; known are service, unit, source, counter
            bad.toml:17:8: units.d.counter: is missing
                fix: add `counter = …`
            bad.toml:17:8: units.d.service: is missing
                fix: add `service = …`
            9 problems in the configuration"#]],
    );
    bad(
        &format!("{STORE}{}{units}", STORE.replace("prometheus]", "mimir]")),
        expect![[r#"
            bad.toml:9:8: units.pay.source: is missing: there are several metric stores
                fix: add `source = …`: prometheus, mimir
            1 problem in the configuration"#]],
    );
}

#[test]
fn maintenance_that_cannot_be() {
    bad(
        "[slos]
maintenance = [
  { name = 'database', start = 2026-03-05T22:00:00Z, end = 2026-03-05T22:00:00Z },
  { name = ' ', start = 2026-03-05, end = 2026-03-06, services = ['chekout'] },
]
",
        expect![[r#"
            bad.toml:3:60: slos.maintenance[0].end: is not after `start`
                fix: write when the maintenance is over
            bad.toml:4:12: slos.maintenance[1].name: is an empty text
                fix: write something or remove the key
            bad.toml:4:67: slos.maintenance[1].services[0]: there is no service "chekout"
                fix: did you mean "checkout"?
            3 problems in the configuration"#]],
    );
    bad(
        "[slos]
maintenance = [{ name = 'database', start = '2026-03-05T22:00:00+01:00', end = 2026-03-06T02:00:00Z, services = ['checkout'] }]
",
        expect![["nothing is wrong"]],
    );
}

#[test]
fn a_window_of_objectives_that_is_none() {
    bad(
        "[slos]\nwindow = 'fortnight'\n",
        expect![[r#"
        bad.toml:2:10: slos.window: "fortnight" is no window
            fix: write a length such as 30d or 4w, or week, month, quarter or year
        1 problem in the configuration"#]],
    );
    bad("[slos]\nwindow = 'quarter'\n", expect![["nothing is wrong"]]);
}

#[test]
fn standards_that_check_nothing_or_what_cannot_be() {
    bad(
        r#"
[standards.empty]
checks = []

[standards.optional]
checks = [{ file = "README.md", optional = true }]
tiers = [0, 6]
except = ["checkuot"]

[standards.odd]
checks = [
  {},
  { file = "CODEOWNERS", uses = "acme/ci" },
  { file = "/etc/passwd" },
  { file = "*/README.md" },
  { file = "../README.md" },
  { uses = "checkout" },
  { property = "tier", matches = "gold" },
  { file = "LICENSE", values = ["MIT"] },
  { file = "LICENSE", matches = "(" },
  { file = "LICENSE", optinal = true },
]

[standards.""]
checks = [{ property = "tier" }]

[standards.none]
"#,
        expect![[r#"
            bad.toml:3:10: standards.empty.checks: names nothing
                fix: add one that a service must pass, for example { file = "CODEOWNERS" }
            bad.toml:6:10: standards.optional.checks: are all optional
                fix: add one that a service must pass, for example { file = "CODEOWNERS" }
            bad.toml:7:10: standards.optional.tiers[0]: 0 is not a tier
                fix: write 1 for the most important to 5 for the least
            bad.toml:7:13: standards.optional.tiers[1]: 6 is not a tier
                fix: write 1 for the most important to 5 for the least
            bad.toml:8:11: standards.optional.except[0]: there is no service "checkuot"
                fix: did you mean "checkout"?
            bad.toml:12:3: standards.odd.checks[0]: checks nothing
                fix: write one of file, uses and property
            bad.toml:13:33: standards.odd.checks[1].uses: excludes file
                fix: write two checks: both must hold
            bad.toml:14:12: standards.odd.checks[2].file: "/etc/passwd" is not a path of a repository
                fix: write it from the root, with * in the last segment only
            bad.toml:15:12: standards.odd.checks[3].file: "*/README.md" is not a path of a repository
                fix: write it from the root, with * in the last segment only
            bad.toml:16:12: standards.odd.checks[4].file: "../README.md" is not a path of a repository
                fix: write it from the root, with * in the last segment only
            bad.toml:17:12: standards.odd.checks[5].uses: "checkout" is not an action or a reusable workflow
                fix: write "owner/name" or "owner/name/path"
            bad.toml:18:34: standards.odd.checks[6].matches: is for a file only
                fix: add file, or remove it
            bad.toml:19:32: standards.odd.checks[7].values: are for a property only
                fix: add property, or remove it
            bad.toml:20:33: standards.odd.checks[8].matches: "(" is not a regular expression: unclosed group
                fix: see https://docs.rs/regex/#syntax
            bad.toml:21:23: standards.odd.checks[9].optinal: is not a setting
                fix: did you mean "optional"?
            bad.toml:24:12: standards."": cannot be a name
                fix: use 1 to 100 printable characters: it becomes a label
            bad.toml:27:12: standards.none.checks: names nothing
                fix: add one that a service must pass, for example { file = "CODEOWNERS" }
            17 problems in the configuration"#]],
    );
    bad(
        "[standards.fine]\ntiers = [1]\nexcept = ['checkout']\n\
         checks = [{ file = 'docs/*.md', matches = 'owner' }, { uses = 'acme/ci/build.yml@v2' },\n\
         { property = 'tier', values = ['gold'], optional = true, name = 'tiered' }]\n",
        expect!["nothing is wrong"],
    );
}

#[test]
fn boundaries_that_nothing_tests() {
    bad(
        r#"
[boundaries.orders]
workflow = "Contract tests"

[boundaries.users]
service = "checkuot"
workflow = "Contract tests"

[boundaries.rates]
repository = "other/rates"
workflow = 7

[boundaries.prices]
service = "checkout"

[boundaries.stock]
repository = "stock"
workflow = "Contract tests"
passes_for = "a month"
jobs = "pact"
"#,
        expect![[r#"
            bad.toml:2:13: boundaries.orders: says neither which service nor which repository
                fix: name the service that offers it, or the repository that tests it
            bad.toml:6:11: boundaries.users.service: there is no service "checkuot"
                fix: did you mean "checkout"?
            bad.toml:10:14: boundaries.rates.repository: no source reads the repository "other/rates"
                fix: add it to `repositories` of a GitHub source
            bad.toml:11:12: boundaries.rates.workflow: must be a text, not the number 7
                fix: put it in quotes
            bad.toml:13:13: boundaries.prices.workflow: is missing
                fix: add `workflow = …`
            bad.toml:17:14: boundaries.stock.repository: "stock" is not a repository
                fix: write "owner/name"
            bad.toml:19:14: boundaries.stock.passes_for: "a month" is not a length of time
                fix: write for example "15m", "6h" or "30d"
            bad.toml:20:1: boundaries.stock.jobs: is not a setting
                fix: did you mean "job"?
            8 problems in the configuration"#]],
    );
    bad(
        "[boundaries.orders]\nservice = 'checkout'\nrepository = 'acme/contracts'\nworkflow = 'CI'\n\
         job = 'pact'\npasses_for = '14d'\n",
        expect!["nothing is wrong"],
    );
}

#[test]
fn findings_of_no_tool_and_times_of_nobody() {
    bad(
        r#"
[rules.findings]
tools = []

[rules.findings.severity]
secret_scanning = "urgent"

[rules.findings.sla]
critical = "soon"
severe = "7d"

[rules.findings.teams.paymnts]
critical = "5d"

[rules.findings.services.checkuot]
high = "-1d"
"#,
        expect![[r#"
            bad.toml:3:9: rules.findings.tools: is an empty list
                fix: name at least one, or remove [rules.findings]
            bad.toml:6:19: rules.findings.severity.secret_scanning: "urgent" is not one of its values
                fix: write one of critical, high, medium, low
            bad.toml:9:12: rules.findings.sla.critical: "soon" is not a length of time
                fix: write for example "15m", "6h" or "30d"
            bad.toml:10:1: rules.findings.sla.severe: is not a setting
                fix: remove it; known are critical, high, medium, low
            bad.toml:12:23: rules.findings.teams.paymnts: there is no team "paymnts"
                fix: did you mean "payments"?
            bad.toml:15:26: rules.findings.services.checkuot: there is no service "checkuot"
                fix: did you mean "checkout"?
            bad.toml:16:8: rules.findings.services.checkuot.high: "-1d" is not a length of time
                fix: write for example "15m", "6h" or "30d"
            7 problems in the configuration"#]],
    );
    bad(
        "[rules.findings]\ntools = ['dependabot', 'renovate']\n[rules.findings.teams.payments]\ncritical = '5d'\n",
        expect![[r#"
            bad.toml:2:24: rules.findings.tools[1]: "renovate" is not one of its values
                fix: write one of dependabot, code_scanning, secret_scanning
            1 problem in the configuration"#]],
    );
}
