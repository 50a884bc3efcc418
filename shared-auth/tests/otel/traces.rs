//! One trace from the caller through the API to Entra and Graph, in the context that the caller began.

use actix_web::middleware::from_fn;
use actix_web::{App, HttpResponse, test, web};
use entra_lab::EntraLab;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::json;
use shared_auth::actix::{BearerAuth, UserCaller, request_span};
use shared_auth::{ApiConfig, ClientCredential, ConfidentialClient, DownstreamApi, EntraConfig};
use tracing_subscriber::layer::SubscriberExt;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::collector::{Collector, attribute};
use crate::support::{API, WEB_APP, access_as_user, client, sign_in};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// A token endpoint and an API that keep what they are sent.
async fn sts_and_graph() -> (MockServer, ConfidentialClient) {
    const TENANT: &str = "10000000-0000-4000-8000-000000000001";
    let server = MockServer::start().await;
    let host = server.uri();
    let document = json!({
        "issuer": format!("{host}/{TENANT}/v2.0"),
        "authorization_endpoint": format!("{host}/authorize"),
        "token_endpoint": format!("{host}/token"),
        "jwks_uri": format!("{host}/keys"),
    });
    let tokens = json!({ "access_token": "s3cret.graph.token", "token_type": "Bearer", "expires_in": 3600 });
    let me = json!({ "displayName": "Alice Kim" });
    for (verb, at, body) in [("POST", "/token", &tokens), ("GET", "/me/alice@contoso.test", &me)] {
        let answer = ResponseTemplate::new(200).set_body_json(body);
        Mock::given(method(verb)).and(path(at)).respond_with(answer).mount(&server).await;
    }
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(200).set_body_json(document))
        .with_priority(9)
        .mount(&server)
        .await;
    let secret = ClientCredential::secret("s3cret");
    let config = EntraConfig::new(host.parse().unwrap(), TENANT, API, secret);
    (server, ConfidentialClient::new(config).unwrap())
}

async fn profile(caller: UserCaller, apis: web::Data<(ConfidentialClient, DownstreamApi)>) -> HttpResponse {
    let (client, graph) = &**apis;
    let token = client.acquire_token_on_behalf_of(caller.assertion(), "User.Read").await.unwrap();
    let me: serde_json::Value = graph.get("/me/alice@contoso.test", &token.access_token).await.unwrap();
    HttpResponse::Ok().json(me)
}

/// `POST /token`, `GET /me`: what arrived under a header's name.
async fn arrived(server: &MockServer, at: &str, header: &str) -> String {
    let requests = server.received_requests().await.unwrap();
    let request = requests.iter().find(|request| request.url.path().starts_with(at)).unwrap();
    request.headers.get(header).unwrap().to_str().unwrap().to_owned()
}

fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let names: Vec<_> = spans.iter().map(|span| &span.name).collect();
    spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no {name} among {names:?}"))
}

/// Asks the API once, as the caller whose trace this is. Gives back what Entra and Graph got, and the token.
async fn ask_the_api() -> (MockServer, String) {
    let lab = EntraLab::start().await.unwrap();
    let user = sign_in(&client(&lab, WEB_APP), "alice", &access_as_user()).await;
    let token = user.result.access_token.expose_secret().to_owned();
    let validator = client(&lab, API).access_token_validator(&ApiConfig::new(API));
    let users = BearerAuth::new(validator).require_scope("access_as_user");
    let (server, downstream) = sts_and_graph().await;
    let graph = DownstreamApi::new("Graph", server.uri().parse().unwrap(), &downstream);
    let app = App::new()
        .app_data(web::Data::new((downstream, graph)))
        .service(web::resource("/api/{what}").wrap(users).route(web::get().to(profile)))
        .wrap(from_fn(request_span));
    let api = test::init_service(app).await;
    let request = test::TestRequest::get()
        .uri("/api/s3cret-path?code=s3cret-query")
        .insert_header(("authorization", format!("Bearer {token}")))
        .insert_header(("traceparent", format!("00-{TRACE}-{CALLER}-01")))
        .insert_header(("tracestate", "vendor=opaque"))
        .to_request();
    assert!(test::call_service(&api, request).await.status().is_success());
    (server, token)
}

#[::core::prelude::v1::test]
fn a_callers_trace_goes_on_through_the_api_to_entra_and_graph() {
    let _turn = crate::turn();
    // The exporter is started where a program starts it: before there is a runtime.
    let system = actix_web::rt::System::new();
    let collector = system.block_on(Collector::start());
    let export = collector.export("the-api");
    let subscriber = tracing_subscriber::registry().with(export.layer());
    // With a single subscriber in the process, tracing lets whichever test comes first decide what is of interest.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());

    let (server, token) = tracing::subscriber::with_default(subscriber, || system.block_on(ask_the_api()));
    export.shutdown();

    let spans: Vec<Span> = system
        .block_on(collector.spans())
        .into_iter()
        .map(|(service, span)| {
            assert_eq!(service, "the-api");
            span
        })
        .collect();
    let ours: Vec<Span> = spans.into_iter().filter(|span| hex(&span.trace_id) == TRACE).collect();

    // What arrived belongs to the caller's trace, under the span that sent it, and so does the id in Entra's log.
    for (at, sender) in [("/token", "sending the on-behalf-of request"), ("/me/", "calling Graph")] {
        let arrived = |header: &str| system.block_on(arrived(&server, at, header));
        let sender = named(&ours, sender);
        assert_eq!(sender.kind(), SpanKind::Client);
        assert_eq!(arrived("traceparent"), format!("00-{TRACE}-{}-01", hex(&sender.span_id)));
        assert_eq!(arrived("tracestate"), "vendor=opaque");
        assert_eq!(arrived("client-request-id").replace('-', ""), TRACE);
    }

    // Who stands under whom.
    let request = named(&ours, "GET /api/{what}");
    assert_eq!((request.kind(), hex(&request.parent_span_id).as_str()), (SpanKind::Server, CALLER));
    assert_eq!(attribute(&request.attributes, "http.response.status_code").unwrap(), "200");
    for (child, parent) in [
        ("validate_token", "GET /api/{what}"),
        ("acquire_token", "GET /api/{what}"),
        ("token_request", "acquire_token"),
        ("sending the on-behalf-of request", "token_request"),
        ("calling Graph", "GET /api/{what}"),
    ] {
        assert_eq!(named(&ours, child).parent_span_id, named(&ours, parent).span_id, "{child}");
    }
    let acquired = named(&ours, "acquire_token");
    assert_eq!(attribute(&acquired.attributes, "source").unwrap(), "identity provider");
    assert_eq!(attribute(&acquired.attributes, "scopes").unwrap(), "User.Read");

    // Nothing of it tells a secret, a name or an address.
    let sent = system.block_on(collector.bytes());
    for secret in [token.as_str(), "s3cret", "alice", "contoso.test", "lab-secret"] {
        assert!(!sent.windows(secret.len()).any(|found| found == secret.as_bytes()), "found {secret}");
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
