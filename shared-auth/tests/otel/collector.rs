//! A collector on loopback that understands what it is sent (OTLP/HTTP, protobuf).

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::{metric::Data, number_data_point};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use shared_auth::otel::OtlpExport;
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

pub struct Collector {
    server: MockServer,
}

impl Collector {
    pub async fn start() -> Self {
        let server = MockServer::start().await;
        Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
        Self { server }
    }

    /// The way to it, under a service's name.
    pub fn export(&self, service: &str) -> OtlpExport {
        OtlpExport::start(&self.server.uri().parse().unwrap(), service).unwrap()
    }

    /// Everything that was sent, as bytes.
    pub async fn bytes(&self) -> Vec<u8> {
        let requests = self.server.received_requests().await.unwrap();
        requests.into_iter().flat_map(|request| request.body).collect()
    }

    /// Every span, with the name of the service that sent it.
    pub async fn spans(&self) -> Vec<(String, Span)> {
        let mut spans = Vec::new();
        for body in self.bodies("/v1/traces").await {
            let request = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
            for resource in request.resource_spans {
                let attributes = resource.resource.unwrap().attributes;
                let service = attribute(&attributes, "service.name").unwrap();
                let found = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
                spans.extend(found.map(|span| (service.clone(), span)));
            }
        }
        spans
    }

    /// The last figures: name and labels, value. Of a histogram, how often.
    pub async fn figures(&self) -> BTreeMap<String, u64> {
        let mut figures = BTreeMap::new();
        for body in self.bodies("/v1/metrics").await {
            let request = ExportMetricsServiceRequest::decode(body.as_slice()).unwrap();
            let scopes = request.resource_metrics.into_iter().flat_map(|resource| resource.scope_metrics);
            for metric in scopes.flat_map(|scope| scope.metrics) {
                let points: Vec<_> = match metric.data.unwrap() {
                    Data::Sum(sum) => sum.data_points.into_iter().map(number).collect(),
                    Data::Gauge(gauge) => gauge.data_points.into_iter().map(number).collect(),
                    Data::Histogram(histogram) => histogram
                        .data_points
                        .into_iter()
                        .map(|point| (point.attributes, point.count))
                        .collect(),
                    other => panic!("{other:?}"),
                };
                for (labels, value) in points {
                    figures.insert(format!("{}{}", metric.name, shown(&labels)), value);
                }
            }
        }
        figures
    }

    async fn bodies(&self, path: &str) -> Vec<Vec<u8>> {
        let requests = self.server.received_requests().await.unwrap();
        requests
            .into_iter()
            .filter(|request| request.url.path() == path)
            .map(|request| request.body)
            .collect()
    }
}

fn number(point: opentelemetry_proto::tonic::metrics::v1::NumberDataPoint) -> (Vec<KeyValue>, u64) {
    match point.value.unwrap() {
        number_data_point::Value::AsInt(value) => (point.attributes, value.try_into().unwrap()),
        number_data_point::Value::AsDouble(value) => panic!("{value}"),
    }
}

fn shown(labels: &[KeyValue]) -> String {
    let mut pairs: Vec<_> = labels.iter().map(|label| format!("{}={}", label.key, text(label))).collect();
    pairs.sort();
    if pairs.is_empty() { String::new() } else { format!("{{{}}}", pairs.join(",")) }
}

/// What a span or a resource says under this name.
pub fn attribute(attributes: &[KeyValue], name: &str) -> Option<String> {
    attributes.iter().find(|attribute| attribute.key == name).map(text)
}

fn text(attribute: &KeyValue) -> String {
    match &attribute.value {
        Some(AnyValue { value: Some(Value::StringValue(text)) }) => text.clone(),
        Some(AnyValue { value: Some(Value::IntValue(number)) }) => number.to_string(),
        other => format!("{other:?}"),
    }
}
