//! The server around an app: every limit on what a client may cost stands here, and none of them in a sample.
//!
//! | file | what it is |
//! |---|---|
//! | `limits.rs` | the figures, and the settings among them |
//! | `admission.rs` | what is looked at before a route is: size of the head, body, and who catches a panic |
//! | `body.rs` | a body that ends at its limit of bytes or of time |
//! | `connection.rs` | connections of clients that neither read nor ask |
//! | `client_address.rs` | who is asking, behind proxies that are trusted |
//! | `attempts.rs` | how often one address may try what costs others |
//!
//! What the HTTP library decides before anybody here sees a request: 96 headers, 128 KiB of head (431), and 408 for a
//! first head that does not come in time.

mod admission;
mod attempts;
mod body;
mod client_address;
mod connection;
mod limits;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{Server, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};

use self::admission::Door;
pub(super) use self::attempts::Attempt;
pub use self::client_address::client_address;
pub use self::limits::ServerLimits;

/// Connections of one worker; more wait to be accepted.
const CONNECTIONS: usize = 10_000;

/// Serves an app on a port that is open already, within limits. `Ctrl-C` and SIGTERM end it, after at most five seconds for
/// requests that are under way; a second one ends it at once.
///
/// ```no_run
/// use actix_web::{App, web};
/// use shared_auth::actix::{self, ServerLimits};
/// use shared_auth::service;
///
/// # async fn example() -> std::io::Result<()> {
/// let listener = service::bind(([127, 0, 0, 1], 4000).into())?;
/// let hello = || async { "hello" };
/// let server = actix::server(listener, ServerLimits::default(), move || App::new().route("/", web::get().to(hello)))?;
/// server.await
/// # }
/// ```
///
/// # Errors
/// When the operating system does not give the port.
pub fn server<F, T, B>(listener: TcpListener, limits: ServerLimits, app: F) -> io::Result<Server>
where
    F: Fn() -> App<T> + Send + Clone + 'static,
    T: ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<B>,
            Error = actix_web::Error,
            InitError = (),
        > + 'static,
    B: MessageBody + 'static,
{
    let (head_time, idle_time, stall_time) = (limits.head_time, limits.idle_time, limits.stall_time);
    crate::service::end_when_asked_twice();
    // One for the whole process: what an address tried at one worker counts at the others.
    let door = Arc::new(Door::new(limits));
    let server = HttpServer::new(move || {
        app().app_data(web::Data::from(Arc::clone(&door))).wrap(from_fn(admission::admit))
    })
    .client_request_timeout(head_time)
    .keep_alive(idle_time)
    .max_connections(CONNECTIONS)
    .on_connect(move |io, data| connection::watch(io, data, stall_time))
    .shutdown_timeout(5)
    .listen(listener)?;
    Ok(server.run())
}
