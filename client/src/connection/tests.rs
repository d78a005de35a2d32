//! Connections against scripted brokers.

use super::*;
use crate::testing::{Asked, Reply, broker, options};
use crate::transport::MemNetwork;
use wire::api_versions::{ApiVersion, ApiVersionsResponse};
use wire::heartbeat::{HeartbeatRequest, HeartbeatResponse};

fn heartbeat(generation_id: i32) -> HeartbeatRequest {
    HeartbeatRequest { generation_id, ..HeartbeatRequest::default() }
}

/// Answers every heartbeat with its generation id in the throttle time.
fn echo(asked: &Asked) -> Option<Reply> {
    (asked.key() == ApiKey::Heartbeat).then(|| {
        let generation_id = asked.body::<HeartbeatRequest>().generation_id;
        asked.answer(&HeartbeatResponse { throttle_time_ms: generation_id, ..HeartbeatResponse::default() })
    })
}

async fn connect(script: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static) -> Connection {
    let network = MemNetwork::default();
    let address = broker(&network, "127.0.0.1:9092", script).await;
    Connection::open(&network, &address, options()).await.unwrap()
}

#[tokio::test]
async fn concurrent_calls_get_their_own_answers() {
    let connection = connect(echo).await;
    let calls = (0..50).map(|id| {
        let connection = connection.clone();
        async move { connection.call(&heartbeat(id)).await.unwrap().throttle_time_ms }
    });
    let answers = futures_util::future::join_all(calls).await;
    assert_eq!(answers, (0..50).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_version_is_the_newest_that_both_know() {
    let connection = connect(|asked| match asked.key() {
        ApiKey::ApiVersions => Some(asked.answer(&ApiVersionsResponse {
            api_keys: vec![
                ApiVersion { api_key: ApiKey::Heartbeat.code(), min_version: 0, max_version: 2 },
                ApiVersion { api_key: ApiKey::Fetch.code(), min_version: 90, max_version: 99 },
                ApiVersion { api_key: 999, min_version: 0, max_version: 1 },
            ],
            ..ApiVersionsResponse::default()
        })),
        _ => None,
    })
    .await;
    assert_eq!(connection.version_of::<HeartbeatRequest>(None).unwrap(), 2);
    assert_eq!(connection.version_of::<HeartbeatRequest>(Some(1)).unwrap(), 1);
    assert!(connection.version_of::<wire::FetchRequest>(None).is_err(), "no version in common");
    assert!(connection.version_of::<wire::ProduceRequest>(None).is_err(), "not served");
    assert_eq!(connection.api_versions().len(), 3);
}

/// A broker answers an ApiVersions above its own in version 0; before Kafka 2.4 without saying which versions it knows.
#[tokio::test]
async fn an_old_broker_is_asked_again_in_its_version() {
    for listed in [Some(2), None] {
        let connection = connect(move |asked| {
            let supported = asked.version() <= listed.unwrap_or(0);
            let own = listed.map(|max_version| ApiVersion { api_key: 18, min_version: 0, max_version });
            let answer = ApiVersionsResponse {
                error_code: if supported { 0 } else { ErrorCode::UnsupportedVersion as i16 },
                api_keys: own.into_iter().collect(),
                ..ApiVersionsResponse::default()
            };
            let version = if supported { asked.version() } else { 0 };
            let frame = wire::encode_response(ApiKey::ApiVersions, version, asked.header.correlation_id, &answer);
            Some(Reply::Bytes(frame.unwrap().into_bytes().unwrap()))
        })
        .await;
        assert_eq!(connection.supports(ApiKey::ApiVersions), listed.is_some());
        assert!(!connection.supports(ApiKey::Fetch));
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_closes_the_connection() {
    let connection = connect(|asked| (asked.key() == ApiKey::Heartbeat).then_some(Reply::Silence)).await;
    let error = connection.call(&heartbeat(1)).await.unwrap_err();
    assert_eq!(error.to_string(), "127.0.0.1:9092 did not answer Heartbeat within 1000 ms");
    let error = connection.call(&heartbeat(2)).await.unwrap_err();
    assert!(error.to_string().ends_with("lost during Heartbeat: Heartbeat was not answered in time"), "{error}");
    assert!(connection.is_closed());
}

#[tokio::test]
async fn broken_answers_fail_everybody_who_waits() {
    let frame = |bytes: &'static [u8]| Reply::Bytes(Bytes::from_static(bytes));
    for (case, reason) in [
        (0, "the broker closed the connection"),
        (1, "read failed: a response of 2147483647 bytes (the limit is 268435456)"),
        (2, "read failed: a response of -1 bytes (the limit is 268435456)"),
        (3, "response Some(77) came where 1 was due"),
    ] {
        let connection = connect(move |asked| {
            (asked.key() == ApiKey::Heartbeat).then(|| match case {
                0 => Reply::Close,
                1 => frame(&[0x7f, 0xff, 0xff, 0xff, 0]),
                2 => frame(&[0xff, 0xff, 0xff, 0xff]),
                _ => frame(&[0, 0, 0, 6, 0, 0, 0, 77, 0, 0]),
            })
        })
        .await;
        let (one, two) = (heartbeat(1), heartbeat(2));
        let (one, two) = tokio::join!(connection.call(&one), connection.call(&two));
        for error in [one.unwrap_err(), two.unwrap_err()] {
            let want = format!("connection to 127.0.0.1:9092 lost during Heartbeat: {reason}");
            assert_eq!(error.to_string(), want);
            assert!(error.is_retriable());
        }
    }
}

#[tokio::test]
async fn an_answer_cut_short_is_an_error_of_its_call_only() {
    let connection = connect(|asked| {
        (asked.key() == ApiKey::Heartbeat).then(|| {
            let full = echo(asked);
            match (asked.header.correlation_id, full) {
                (1, _) => Reply::Bytes(Bytes::from_static(&[0, 0, 0, 4, 0, 0, 0, 1])),
                (_, Some(full)) => full,
                _ => Reply::Close,
            }
        })
    })
    .await;
    assert!(matches!(connection.call(&heartbeat(1)).await, Err(ClientError::Decode { .. })));
    assert_eq!(connection.call(&heartbeat(5)).await.unwrap().throttle_time_ms, 5);
}

#[tokio::test]
async fn security_that_is_not_built_is_refused() {
    let wanted = ConnectionOptions { security: SecurityProtocol::SaslSsl, ..options() };
    let error = Connection::open(&MemNetwork::default(), "localhost:1", wanted).await.unwrap_err();
    assert_eq!(error.to_string(), "security.protocol=SASL_SSL is not built yet");
}
