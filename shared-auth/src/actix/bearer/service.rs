//! A guard as actix-web wraps it around a service.

use std::future::{Ready, ready};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use super::{Guard, Rules, check};

impl<S, B, C> Transform<S, ServiceRequest> for Guard<C>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = actix_web::Error;
    type Transform = Guarded<S>;
    type InitError = ();
    type Future = Ready<Result<Guarded<S>, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(Guarded { rules: Arc::clone(&self.rules), service: Rc::new(service) }))
    }
}

/// A service behind a guard; what actix-web makes of [`Guard`].
#[derive(Debug)]
pub struct Guarded<S> {
    rules: Arc<Rules>,
    service: Rc<S>,
}

impl<S, B> Service<ServiceRequest> for Guarded<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(context)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let (rules, service) = (Arc::clone(&self.rules), Rc::clone(&self.service));
        async move {
            match check(&rules, &request).await {
                Ok(()) => service.call(request).await.map(ServiceResponse::map_into_left_body),
                // A response and not an error, so that what is wrapped around sees and logs it like any other.
                Err(refusal) => Ok(request.into_response(refusal).map_into_right_body()),
            }
        }
        .boxed_local()
    }
}
