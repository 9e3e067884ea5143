//! A FOCUS export of 200 MB in little memory.

use std::io::{BufWriter, Write as _};

use super::{Scene, register};

/// The most memory that this process has ever had, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("Linux says it");
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Writes 200 MB to disk and takes a while; run alone, because the peak is that of the process:
/// `cargo test --test it -- --ignored --exact files::large::an_export_of_200_mb_fits_in_150_mib`
#[tokio::test]
#[ignore = "writes 200 MB; its command is in its documentation"]
async fn an_export_of_200_mb_fits_in_150_mib() {
    let scene = Scene::of(&register("costs", "focus.csv"));
    let path = scene.folder.path().join("focus.csv");
    let mut file = BufWriter::new(std::fs::File::create(&path).unwrap());
    let header = "BilledCost,BillingAccountId,BillingCurrency,ChargeCategory,ChargeDescription,\
                  ChargePeriodEnd,ChargePeriodStart,EffectiveCost,ResourceId,ServiceName,Tags";
    writeln!(file, "{header}").unwrap();
    let mut written = 0;
    let mut rows = 0_u64;
    while written < 200_000_000 {
        let (day, hour, service) = (rows / 24 % 28 + 1, rows % 24, rows % 300);
        let end = if hour == 23 {
            format!("{:02}T00", day + 1)
        } else {
            format!("{day:02}T{:02}", hour + 1)
        };
        let row = format!(
            "0.25,123456789012,EUR,Usage,\"$0.0416 per On Demand Linux t3.medium Instance Hour, region {service}\",\
             2026-03-{end}:00:00Z,2026-03-{day:02}T{hour:02}:00:00Z,0.25,\
             arn:aws:ec2:eu-central-1:123456789012:instance/i-{rows:017x},Amazon Elastic Compute Cloud,\
             \"{{\"\"service\"\":\"\"service-{service}\"\",\"\"team\"\":\"\"core\"\",\"\"env\"\":\"\"prod\"\"}}\"\n"
        );
        file.write_all(row.as_bytes()).unwrap();
        written += row.len();
        rows += 1;
    }
    file.flush().unwrap();
    drop(file);
    let before = peak();
    let started = std::time::Instant::now();
    assert_eq!(scene.said().await, "");
    let (after, took) = (peak(), started.elapsed());
    let costs = scene.costs().await.len();
    eprintln!(
        "{rows} rows, {written} bytes, {costs} sums: peak {before} -> {after} KiB in {took:?}"
    );
    assert!(costs > 1000);
    assert!(after < 150 * 1024, "{after} KiB");
}
