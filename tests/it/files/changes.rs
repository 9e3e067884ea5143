//! What a poll makes of files that come, change and go.

use engkpi::domain::Kind;

use super::{Scene, register, survey};

const HEADER: &str = "date,service,unit,count\n";

#[tokio::test]
async fn a_file_that_did_not_change_is_not_read_again() {
    let scene = Scene::of(&register("units", "units.csv"));
    scene.write("units.csv", format!("{HEADER}2026-03-05,web,request,1\n"));
    scene.poll().await;
    let path = scene.folder.path().join("units.csv");
    let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
    // The same size and time: it seems unchanged, and is not read.
    scene.write("units.csv", format!("{HEADER}2026-03-05,web,request,2\n"));
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(modified).unwrap();
    scene.poll().await;
    let text = format!("{:?}", scene.facts(Kind::Units).await);
    assert!(text.contains("count: 1.0"), "{text}");
    // A comparison reads everything.
    use engkpi::source::Source as _;
    scene.source.reconcile(&scene.context()).await.unwrap();
    let text = format!("{:?}", scene.facts(Kind::Units).await);
    assert!(text.contains("count: 2.0"), "{text}");
}

#[tokio::test]
async fn a_file_that_was_written_just_now_is_read_again_whatever_its_time() {
    let mut scene = Scene::of(&register("units", "units.csv"));
    scene.write("units.csv", format!("{HEADER}2026-03-05,web,request,1\n"));
    let path = scene.folder.path().join("units.csv");
    let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
    scene.now = modified.into();
    scene.poll().await;
    scene.write("units.csv", format!("{HEADER}2026-03-05,web,request,2\n"));
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
    scene.poll().await;
    let text = format!("{:?}", scene.facts(Kind::Units).await);
    assert!(text.contains("count: 2.0"), "{text}");
}

#[tokio::test]
async fn what_is_no_more_in_a_file_is_removed() {
    let scene = Scene::of(&register("units", "units.csv"));
    scene.write(
        "units.csv",
        format!("{HEADER}2026-03-05,web,request,1\n2026-03-06,web,request,1\n"),
    );
    scene.poll().await;
    assert_eq!(scene.count(Kind::Units).await, 2);
    scene.write("units.csv", format!("{HEADER}2026-03-06,web,request,100\n"));
    scene.poll().await;
    let text = format!("{:?}", scene.facts(Kind::Units).await);
    assert!(text.contains("2026-03-06") && !text.contains("2026-03-05"), "{text}");
}

#[tokio::test]
async fn what_was_in_a_file_that_is_gone_is_removed() {
    let scene = Scene::of(&register("units", "*.csv"));
    scene.write("a.csv", format!("{HEADER}2026-03-05,web,request,1\n"));
    scene.write("b.csv", format!("{HEADER}2026-03-06,web,request,1\n"));
    scene.poll().await;
    assert_eq!(scene.count(Kind::Units).await, 2);
    scene.remove("a.csv");
    scene.poll().await;
    let text = format!("{:?}", scene.facts(Kind::Units).await);
    assert!(text.contains("2026-03-06") && !text.contains("2026-03-05"), "{text}");
}

#[tokio::test]
async fn of_a_folder_that_lost_everything_what_was_known_is_kept() {
    let scene = Scene::of(&register("units", "*.csv"));
    scene.write("a.csv", format!("{HEADER}2026-03-05,web,request,1\n"));
    scene.poll().await;
    scene.remove("a.csv");
    assert_eq!(scene.said().await, "*.csv: no file matches", "a disk may not be mounted");
    assert_eq!(scene.count(Kind::Units).await, 1);
}

#[tokio::test]
async fn a_bad_file_keeps_what_was_known_of_it_and_spoils_no_other() {
    let scene = Scene::of(&register("units", "*.csv"));
    scene.write("a.csv", format!("{HEADER}2026-03-05,web,request,1\n"));
    scene.write("b.csv", format!("{HEADER}2026-03-06,web,request,1\n"));
    scene.poll().await;
    scene.write("a.csv", "who knows\n");
    scene.write("b.csv", format!("{HEADER}2026-03-06,web,request,1\n2026-03-07,web,request,1\n"));
    assert_eq!(scene.said().await, "a.csv:1: has no column \"date\"; it has \"who knows\"");
    assert_eq!(scene.count(Kind::Units).await, 3);
    scene.write("a.csv", format!("{HEADER}2026-03-04,web,request,1\n"));
    assert_eq!(scene.said().await, "");
    assert_eq!(scene.count(Kind::Units).await, 3);
}

#[tokio::test]
async fn what_is_not_configured_any_more_is_removed() {
    let mut scene =
        Scene::of(&format!("{}\n{}", register("units", "u.csv"), register("debt", "d.csv")));
    scene.write("u.csv", format!("{HEADER}2026-03-05,web,request,1\n"));
    scene.write("d.csv", "id,opened\nd1,2026-03-05\n");
    scene.poll().await;
    assert_eq!((scene.count(Kind::Units).await, scene.count(Kind::DebtItem).await), (1, 1));
    scene.reconfigure(&register("units", "u.csv"));
    scene.poll().await;
    assert_eq!((scene.count(Kind::Units).await, scene.count(Kind::DebtItem).await), (1, 0));
}

#[tokio::test]
async fn other_settings_read_a_file_again() {
    let mut scene = Scene::of(&survey("s.csv"));
    scene.write("s.csv", "Email,Team,I can focus,I finish,Reviews are fast\na,core,1,2,3\n");
    scene.poll().await;
    assert_eq!(scene.cells().await, ["w1 feedback core [3.0]", "w1 flow core [1.5]"]);
    scene.reconfigure(&survey("s.csv").replace("feedback", "reviews"));
    scene.poll().await;
    assert_eq!(scene.cells().await, ["w1 flow core [1.5]", "w1 reviews core [3.0]"]);
}

#[tokio::test]
async fn one_file_may_hold_several_registers() {
    let scene =
        Scene::of(&format!("{}\n{}", register("units", "all.toml"), register("debt", "all.toml")));
    let units = "[[units]]\ndate = 2026-03-05\nservice = \"web\"\nunit = \"request\"\ncount = 5\n";
    let debt = "[[debt]]\nid = \"d1\"\nopened = 2026-03-05\n";
    scene.write("all.toml", format!("{units}{debt}"));
    scene.poll().await;
    assert_eq!((scene.count(Kind::Units).await, scene.count(Kind::DebtItem).await), (1, 1));
    scene.write("all.toml", debt);
    scene.poll().await;
    assert_eq!((scene.count(Kind::Units).await, scene.count(Kind::DebtItem).await), (0, 1));
}

#[tokio::test]
async fn a_link_out_of_the_folder_is_not_followed_and_one_within_counts_once() {
    use std::os::unix::fs::symlink;
    let scene = Scene::of(&register("units", "in/**.csv"));
    scene.write("secret.csv", format!("{HEADER}2026-03-01,web,request,1\n"));
    scene.write("in/deep/a.csv", format!("{HEADER}2026-03-05,web,request,1\n"));
    symlink(scene.folder.path().join("in/deep/a.csv"), scene.folder.path().join("in/latest.csv"))
        .unwrap();
    symlink(scene.folder.path().join("secret.csv"), scene.folder.path().join("in/out.csv"))
        .unwrap();
    symlink(scene.folder.path().join("in"), scene.folder.path().join("in/deep/again")).unwrap();
    assert_eq!(scene.said().await, "in/out.csv: is a link out of in, it is not read");
    assert_eq!(scene.count(Kind::Units).await, 1);
}

#[tokio::test]
async fn hidden_files_are_not_read_as_a_mounted_configuration_has_them() {
    use std::os::unix::fs::symlink;
    let scene = Scene::of(&register("units", "volume"));
    scene.write("volume/..2026/units.csv", format!("{HEADER}2026-03-05,web,request,1\n"));
    symlink("..2026", scene.folder.path().join("volume/..data")).unwrap();
    symlink("..data/units.csv", scene.folder.path().join("volume/units.csv")).unwrap();
    assert_eq!(scene.said().await, "");
    assert_eq!(scene.count(Kind::Units).await, 1);
}
