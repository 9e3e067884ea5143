//! What is read of each kind of file.

use engkpi::domain::{Fact, Kind};

use super::{Scene, register, survey};

const FOCUS: &str =
    "ChargeCategory,ChargePeriodStart,ChargePeriodEnd,EffectiveCost,BillingCurrency,Tags\n";

fn charge(category: &str, start: &str, end: &str, cost: &str, tags: &str) -> String {
    format!("{category},{start},{end},{cost},EUR,\"{}\"\n", tags.replace('"', "\"\""))
}

#[tokio::test]
async fn usage_is_summed_by_day_and_tag_and_nothing_else_is() {
    let scene = Scene::of(&register("costs", "*.csv*"));
    let (day, next) = ("2026-03-05T00:00:00Z", "2026-03-06T00:00:00Z");
    let web = r#"{"service":"web"}"#;
    let rows = [
        charge("Usage", "2026-03-05T00:00:00Z", "2026-03-05T01:00:00Z", "0.1", web),
        charge("Usage", "2026-03-05T23:00:00Z", "2026-03-06T00:00:00Z", "0.2", web),
        charge("Usage", day, next, "-0.05", r#"{"aws:user/Service":"web"}"#),
        charge("Usage", day, next, "3", r#"{"team":"core"}"#),
        charge("Usage", day, next, "4", ""),
        charge("Tax", day, next, "100", web),
        charge("Credit", day, next, "-100", web),
        charge("Purchase", day, next, "100", web),
    ];
    scene.write("a.csv", format!("{FOCUS}{}", rows.concat()));
    scene.poll().await;
    assert_eq!(scene.costs().await, ["2026-03-05 - 7 EUR", "2026-03-05 web 0.25 EUR"]);
    let mut other: Vec<String> = rows.to_vec();
    other.reverse();
    scene.remove("a.csv");
    scene.write("b.csv.gz", super::gzip(format!("\u{feff}{FOCUS}{}", other.concat()).as_bytes()));
    scene.poll().await;
    assert_eq!(scene.costs().await, ["2026-03-05 - 7 EUR", "2026-03-05 web 0.25 EUR"]);
}

#[tokio::test]
async fn a_charge_of_several_days_is_spread_over_them() {
    let scene = Scene::of(&register("costs", "a.csv"));
    let row = charge(
        "Usage",
        "2026-03-05T12:00:00Z",
        "2026-03-07T12:00:00Z",
        "8",
        "{\"service\":\"web\"}",
    );
    scene.write("a.csv", format!("{FOCUS}{row}"));
    scene.poll().await;
    let expected = ["2026-03-05 web 2 EUR", "2026-03-06 web 4 EUR", "2026-03-07 web 2 EUR"];
    assert_eq!(scene.costs().await, expected);
}

#[tokio::test]
async fn the_service_may_be_in_a_column_or_another_tag() {
    let mut scene = Scene::of("[costs]\nfiles = [\"$/a.csv\"]\nservice_tag = \"app\"");
    let text = "ChargeCategory;ChargePeriodStart;EffectiveCost;BillingCurrency;Tags;x_App\n\
                Usage;2026-03-05 00:00:00;1;EUR;{\"App\":\"web\"};pay\n";
    scene.write("a.csv", text);
    scene.poll().await;
    assert_eq!(scene.costs().await, ["2026-03-05 web 1 EUR"]);
    scene.reconfigure("[costs]\nfiles = [\"$/a.csv\"]\nservice_column = \"x_App\"");
    scene.poll().await;
    assert_eq!(scene.costs().await, ["2026-03-05 pay 1 EUR"]);
}

#[tokio::test]
async fn of_a_survey_only_scores_are_kept_and_the_last_answer_of_each() {
    let scene = Scene::of(&survey("s.csv"));
    let text = "\u{feff}Timestamp;Email;Team;I can focus;I finish;Reviews are fast\n\
        1;ann@acme.example;Core;1;1;1\n\
        2;bob@acme.example;Core;agree;Strongly Agree;\n\
        3;Ann@acme.example ;Core;5;4;2\n\
        4;zoe@acme.example;;3;;3\n";
    scene.write("s.csv", text);
    scene.poll().await;
    let expected = [
        "w1 feedback  [3.0]",
        "w1 feedback Core [2.0]",
        "w1 flow  [3.0]",
        "w1 flow Core [4.5, 4.5]",
    ];
    assert_eq!(scene.cells().await, expected);
    let stored = scene.stored(Kind::SurveyCell).await.to_lowercase();
    for word in ["ann", "bob", "zoe", "acme", "focus", "agree"] {
        assert!(!stored.contains(word), "{word} is stored: {stored}");
    }
}

#[tokio::test]
async fn of_a_person_only_a_hash_is_kept() {
    let scene = Scene::of(&register("mentorship", "*"));
    scene.write("a.csv", "Date,Person,Evidence,Team\n2026-03-05,Ann Lee,https://wiki/1,core\n");
    let entry = "[[mentorship]]\ndate = 2026-03-06\nperson = \"ann lee\"\n";
    scene.write("b.toml", format!("{entry}evidence = \"https://wiki/2\"\nwhat = \"talk\"\n"));
    scene.poll().await;
    let facts = scene.facts(Kind::Mentoring).await;
    let people: Vec<&str> = facts
        .iter()
        .map(|fact| if let Fact::Mentoring(it) = fact { it.person.as_str() } else { panic!() })
        .collect();
    assert_eq!(people.len(), 2);
    assert_eq!(people[0], people[1], "the same person in two files");
    let stored = scene.stored(Kind::Mentoring).await;
    assert!(!stored.to_lowercase().contains("lee"), "the name is stored: {stored}");
}

#[tokio::test]
async fn every_other_register_is_read() {
    let names = ["escalations", "boundaries", "debt", "incidents"];
    let settings: Vec<String> =
        names.iter().map(|name| register(name, &format!("{name}.csv"))).collect();
    let scene = Scene::of(&settings.join("\n"));
    scene.write("escalations.csv", "date,team,group,link\n2026-03-05,core,sales,https://x/1\n2026-03-05,core,sales,https://x/1\n");
    scene.write("boundaries.csv", "name,service,repository,test\ncheckout,web,acme/web,contract\n");
    scene.write(
        "debt.csv",
        "id,opened,closed,outcome,major,service\nd1,2026-01-05,2026-03-05,dropped,no,web\n",
    );
    scene.write(
        "incidents.csv",
        "incident,fault at,Root cause,customer-impact,Problem\n#12,2026-03-05 09:00,dns,few,PROB-12\n",
    );
    assert_eq!(scene.said().await, "");
    assert_eq!(scene.count(Kind::Escalation).await, 2, "equal entries are two");
    let boundary = scene.stored(Kind::Boundary).await;
    assert!(boundary.contains("acme/web") && boundary.contains("contract"), "{boundary}");
    let debt = scene.stored(Kind::DebtItem).await;
    assert!(debt.contains("completed: false") && debt.contains("major: false"), "{debt}");
    let note = scene.stored(Kind::IncidentNote).await;
    for text in ["\"12\"", "2026-03-05T09:00:00Z", "few", "PROB-12"] {
        assert!(note.contains(text), "no {text} in {note}");
    }
}
