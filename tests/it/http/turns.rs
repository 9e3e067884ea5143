//! Work that a client started and did not wait for still counts as work.

use std::sync::mpsc;
use std::time::Duration;

use engkpi::http::WebConfig;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const EXPLAIN: &str = "/api/v1/kpis/incident_frequency/explain";

#[test]
fn an_explanation_whose_client_went_away_is_still_the_only_one() {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    // One thread for long work, so that a test can keep it busy.
    let runtime = builder.enable_all().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let server = super::serve(true, WebConfig::default()).await;
        let (busy, until) = mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || until.recv());
        let (_, address) = server.base.split_once("//").unwrap();
        let request = format!("GET {EXPLAIN} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let mut impatient = TcpStream::connect(address).await.unwrap();
        impatient.write_all(request.as_bytes()).await.unwrap();
        while server.explaining.available_permits() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        drop(impatient);
        tokio::time::sleep(Duration::from_millis(200)).await;
        let next = tokio::time::timeout(Duration::from_secs(60), server.get(EXPLAIN)).await;
        assert_eq!(next.expect("it is told at once").status(), 503);
        drop(busy);
        while server.get(EXPLAIN).await.status() == 503 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(server.get(EXPLAIN).await.status(), 200, "its turn ends with its work");
    });
}
