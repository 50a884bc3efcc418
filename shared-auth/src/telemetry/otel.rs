//! Traces and metrics to an OpenTelemetry collector, over OTLP/HTTP.
//!
//! A program that is run by [`service::run`](crate::service::run) gets all of it by setting `OTEL_EXPORTER_OTLP_ENDPOINT`. One that
//! has an OpenTelemetry of its own needs a `tracing-opentelemetry` layer, the global propagator of its choice, and
//! [`observe`]; the library's spans are `tracing` spans of the target `shared_auth` at the level DEBUG.
//!
//! No span and no metric holds a token, a secret, a name or a path: those are not among their fields.

use std::time::Duration;

use opentelemetry::metrics::{AsyncInstrument, Meter, MeterProvider};
use opentelemetry::trace::TracerProvider;
use opentelemetry::{KeyValue, global};
use opentelemetry_otlp::{MetricExporter, Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::level_filters::LevelFilter;
use tracing::{Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{Targets, filter_fn};
use tracing_subscriber::registry::LookupSpan;
use url::Url;

use super::registry;

/// The name under which the library traces and counts.
pub(super) const SCOPE: &str = "shared-auth";
/// How long the end of a program waits for a collector that does not answer.
const LAST_EXPORT: Duration = Duration::from_secs(3);

/// Traces and metrics on their way to a collector. To be kept until the program ends.
///
/// ```no_run
/// use shared_auth::otel::OtlpExport;
/// use tracing_subscriber::prelude::*;
///
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let export = OtlpExport::start(&"http://localhost:4318".parse()?, "my-program")?;
/// tracing_subscriber::registry().with(export.layer()).try_init()?;
/// // … the program …
/// export.shutdown();
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct OtlpExport {
    traces: SdkTracerProvider,
    metrics: SdkMeterProvider,
}

impl OtlpExport {
    /// Exports to the collector at `endpoint` (`http://localhost:4318`): `/v1/traces` and `/v1/metrics` below it. From here on the
    /// process has a meter, and passes W3C trace context on. To be started before clients are made, and not from within
    /// an async function: the exporters have threads and connections of their own.
    ///
    /// `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_TRACES_SAMPLER` and their like count as their specification says.
    ///
    /// # Errors
    /// A sentence for an address that cannot be used.
    pub fn start(endpoint: &Url, service_name: &str) -> Result<Self, String> {
        if !matches!(endpoint.scheme(), "http" | "https") || endpoint.cannot_be_a_base() {
            return Err("is not an address such as http://localhost:4318".to_owned());
        }
        let at = |path: &str| format!("{}/{path}", endpoint.as_str().trim_end_matches('/'));
        let unusable = |error: &dyn std::fmt::Display| format!("cannot be exported to: {error}");
        let spans = SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
        let spans = spans.with_endpoint(at("v1/traces")).build().map_err(|error| unusable(&error))?;
        let figures = MetricExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
        let figures = figures.with_endpoint(at("v1/metrics")).build().map_err(|error| unusable(&error))?;

        let resource = Resource::builder().with_service_name(service_name.to_owned()).build();
        let traces =
            SdkTracerProvider::builder().with_batch_exporter(spans).with_resource(resource.clone()).build();
        let metrics =
            SdkMeterProvider::builder().with_periodic_exporter(figures).with_resource(resource).build();
        observe(&metrics.meter(SCOPE));
        global::set_meter_provider(metrics.clone());
        global::set_text_map_propagator(TraceContextPropagator::new());
        Ok(Self { traces, metrics })
    }

    /// The layer that takes spans, with the log lines in them, to the collector. The libraries that export would otherwise
    /// tell of themselves.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let silent = ["hyper", "hyper_util", "h2", "reqwest", "rustls", "opentelemetry", "opentelemetry_sdk"];
        let silent = Targets::new().with_targets(silent.map(|name| (name, LevelFilter::TRACE)));
        let wanted = filter_fn(move |metadata| {
            let deepest = if metadata.is_span() { Level::DEBUG } else { Level::INFO };
            *metadata.level() <= deepest && !silent.would_enable(metadata.target(), metadata.level())
        })
        .with_max_level_hint(LevelFilter::DEBUG);
        tracing_opentelemetry::layer()
            .with_tracer(self.traces.tracer(SCOPE))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(wanted)
    }

    /// Sends what has not been sent, and ends. Waits at most a few seconds for a collector that is away.
    pub fn shutdown(self) {
        // Nobody is left to be told where they went if they went nowhere.
        let _ = self.traces.shutdown_with_timeout(LAST_EXPORT);
        let _ = self.metrics.shutdown_with_timeout(LAST_EXPORT);
    }
}

/// Lets a meter of the program's own read what every client, Redis and key ring of this process counts.
///
/// ```
/// use opentelemetry::metrics::MeterProvider;
///
/// let provider = opentelemetry_sdk::metrics::SdkMeterProvider::builder().build();
/// shared_auth::otel::observe(&provider.meter("shared-auth"));
/// ```
pub fn observe(meter: &Meter) {
    for (name, unit, what) in [
        (super::ACQUISITIONS, "{acquisition}", "Tokens that were asked for, by where they came from"),
        (super::CACHE_HITS, "{lookup}", "Lookups that a level of the token cache answered"),
        (super::CACHE_MISSES, "{lookup}", "Lookups that no level of the token cache answered"),
        (super::THROTTLED, "{request}", "Times to wait that Entra named, and requests kept back by them"),
        (super::VALIDATIONS, "{token}", "Access tokens of callers that were checked"),
        (super::REDIS_FAILURES, "{call}", "Calls of Redis that failed or took too long"),
        (super::REDIS_OUTAGES, "{outage}", "How often Redis was given up for a while"),
        (super::SEALED_VALUES_REFUSED, "{value}", "Shared values that could not be opened"),
        (super::CACHE_FILES_SET_ASIDE, "{file}", "Cache files that could not be used and were renamed"),
    ] {
        let counter = meter.u64_observable_counter(name).with_unit(unit).with_description(what);
        counter.with_callback(move |observer| tell(name, observer)).build();
    }
    let name = super::REDIS_CIRCUITS_OPEN;
    let gauge = meter.u64_observable_gauge(name).with_unit("{circuit}");
    gauge
        .with_description("Redis servers that are not asked at present because they did not answer")
        .with_callback(move |observer| tell(name, observer))
        .build();
}

fn tell(name: &str, observer: &dyn AsyncInstrument<u64>) {
    for ((found, labels), value) in registry::read() {
        if found == name {
            let labels: Vec<_> = labels.iter().map(|&(key, value)| KeyValue::new(key, value)).collect();
            observer.observe(value, &labels);
        }
    }
}
