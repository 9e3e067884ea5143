//! A hundred malformed rows and files, each with exactly what is said about it.

use expect_test::expect_file;

use super::{Scene, register, survey};

const CASES: &str = include_str!("../../data/files/malformed.txt");

/// The settings for a file, by its name.
fn settings(file: &str) -> String {
    match file.split('.').next().unwrap() {
        "survey" => survey(file),
        name => register(name, file),
    }
}

/// The bytes that a case writes as `\xNN` and `\0`.
fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend(before.as_bytes());
        if let Some(hex) = after.strip_prefix('x') {
            bytes.push(u8::from_str_radix(&hex[..2], 16).unwrap());
            rest = &hex[2..];
        } else {
            rest = after.strip_prefix('0').expect("\\xNN or \\0");
            bytes.push(0);
        }
    }
    bytes.extend(rest.as_bytes());
    bytes
}

#[tokio::test]
async fn each_is_named_exactly() {
    let (preface, cases) = CASES.split_once("\n== ").expect("a case");
    let mut text = preface.to_owned();
    let mut count = 0;
    for case in cases.split("\n== ") {
        let (file, rest) = case.split_once('\n').expect("a name and a text");
        let (content, _) = rest.split_once("\n--").expect("a text and what is said about it");
        let scene = Scene::of(&settings(file));
        scene.write(file, bytes(&format!("{content}\n")));
        let said = scene.said().await;
        assert!(
            said.starts_with(file),
            "nothing is said about this, or not where:\n{case}\n{said}"
        );
        let again = scene.said().await;
        assert_eq!(said, again, "a file that stays bad is bad in the next poll too");
        text += &format!("\n== {file}\n{content}\n--\n{said}\n");
        count += 1;
    }
    assert!(count >= 100, "only {count} cases were found");
    expect_file!["../../data/files/malformed.txt"].assert_eq(&text);
}

#[tokio::test]
async fn files_that_no_text_can_describe() {
    let scene = Scene::of(&register("units", "units.csv"));
    assert_eq!(scene.said().await, "units.csv: is not there");
    std::fs::create_dir(scene.folder.path().join("units.csv")).unwrap();
    assert_eq!(scene.said().await, "units.csv: holds no .csv, .csv.gz, .toml file");

    let scene = Scene::of(&register("units", "*.csv"));
    assert_eq!(scene.said().await, "*.csv: no file matches");

    let scene = Scene::of(&register("units", "units.csv.gz"));
    scene.write("units.csv.gz", "date,service,unit,count\n");
    assert_eq!(scene.said().await, "units.csv.gz: is no complete gzip file: invalid gzip header");
    let whole = super::gzip(b"date,service,unit,count\n2026-03-05,web,request,1\n");
    scene.write("units.csv.gz", &whole[..whole.len() - 9]);
    let said = scene.said().await;
    assert!(
        said.starts_with("units.csv.gz") && said.contains("is no complete gzip file"),
        "{said}"
    );
}

#[tokio::test]
async fn a_quote_that_is_never_closed_does_not_swallow_the_memory() {
    let scene = Scene::of(&register("units", "units.csv"));
    let mut text = b"date,service,unit,count\n2026-03-05,\"web,request,1\n".to_vec();
    for _ in 0..200_000 {
        text.extend(b"2026-03-05,web,request,1\n");
    }
    scene.write("units.csv", text);
    assert_eq!(
        scene.said().await,
        "units.csv:2: a record is longer than 1 MiB; a closing quote may be missing"
    );
}

#[tokio::test]
async fn many_bad_rows_are_counted_and_the_first_are_named() {
    let scene = Scene::of(&register("units", "units.csv"));
    let rows: String = (0..50).map(|it| format!("day {it},web,request,1\n")).collect();
    scene.write("units.csv", format!("date,service,unit,count\n{rows}2026-03-05,web,request,1\n"));
    let report = scene.poll().await;
    assert_eq!(report.rejected.values().sum::<u64>(), 50);
    assert_eq!(report.warnings.len(), 21);
    assert!(report.warnings[20].ends_with("units.csv: 30 more rows are skipped"));
    assert_eq!(scene.count(engkpi::domain::Kind::Units).await, 1, "the rest is kept");
    let again = scene.poll().await;
    assert_eq!(again.warnings, report.warnings, "they are still there");
    assert!(again.rejected.is_empty(), "and are counted once");
}
