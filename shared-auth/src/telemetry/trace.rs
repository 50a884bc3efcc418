//! The trace that a request belongs to: its W3C context (`traceparent`, `tracestate`) goes out with every request and is
//! taken up from those that come in.
//!
//! The form of the context is the process's choice, as everywhere in OpenTelemetry: its global propagator. Without the
//! feature `otel` there are spans and no context.

#[cfg(all(feature = "otel", feature = "actix"))]
use std::marker::PhantomData;

use reqwest::header::HeaderMap;
#[cfg(any(feature = "otel", feature = "actix"))]
use tracing::Span;
use uuid::Uuid;

#[cfg(feature = "otel")]
use opentelemetry::{global, propagation, trace::TraceContextExt};
#[cfg(feature = "otel")]
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Adds the context of the current span.
pub(crate) fn inject(headers: &mut HeaderMap) {
    #[cfg(feature = "otel")]
    global::get_text_map_propagator(|form| {
        form.inject_context(&Span::current().context(), &mut Outgoing(headers));
    });
    #[cfg(not(feature = "otel"))]
    let _ = headers;
}

/// Makes a span part of the trace that an incoming request names. `header` looks a header up.
#[cfg(feature = "actix")]
pub(crate) fn continue_from<'a>(span: &Span, header: impl Fn(&str) -> Option<&'a str>) {
    #[cfg(feature = "otel")]
    {
        let context = global::get_text_map_propagator(|form| form.extract(&Incoming(&header, PhantomData)));
        let _nobody_listens = span.set_parent(context);
    }
    #[cfg(not(feature = "otel"))]
    let _ = (span, header);
}

/// The id of the current trace. It is as long as a correlation id, and makes a good one: the same on every hop.
pub(crate) fn trace_id() -> Option<Uuid> {
    #[cfg(feature = "otel")]
    {
        let context = Span::current().context();
        let span = context.span();
        let context = span.span_context();
        context.is_valid().then(|| Uuid::from_bytes(context.trace_id().to_bytes()))
    }
    #[cfg(not(feature = "otel"))]
    None
}

#[cfg(feature = "otel")]
struct Outgoing<'a>(&'a mut HeaderMap);

#[cfg(feature = "otel")]
impl propagation::Injector for Outgoing<'_> {
    fn set(&mut self, name: &str, value: String) {
        use reqwest::header::{HeaderName, HeaderValue};
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(&value)) {
            self.0.insert(name, value);
        }
    }
}

#[cfg(all(feature = "otel", feature = "actix"))]
struct Incoming<'a, F>(F, PhantomData<&'a str>);

#[cfg(all(feature = "otel", feature = "actix"))]
impl<'a, F: Fn(&str) -> Option<&'a str>> propagation::Extractor for Incoming<'a, F> {
    fn get(&self, name: &str) -> Option<&str> {
        self.0(name)
    }

    /// Propagators look up what they know.
    fn keys(&self) -> Vec<&str> {
        Vec::new()
    }
}
