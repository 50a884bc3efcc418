//! Calls of the broker on D-Bus: `com.microsoft.identity.Broker1`, three texts in, one out, a time limit on each.
//!
//! The methods are called directly: brokers since 2.0.2 cannot be introspected.

use std::time::Duration;

use tokio::time::timeout;
use uuid::Uuid;
use zbus::Connection;
use zbus::connection::Builder;
use zbus::fdo::DBusProxy;
use zbus::names::BusName;

use super::Broker;
use crate::error::BrokerAway;

const NAME: &str = "com.microsoft.identity.broker1";
const PATH: &str = "/com/microsoft/identity/broker1";
const INTERFACE: &str = "com.microsoft.identity.Broker1";
/// "Whatever you speak": what Microsoft's own library asks for.
const PROTOCOL: &str = "0.0";
/// A bus is on this machine.
const BUS_LIMIT: Duration = Duration::from_secs(3);

impl Broker {
    pub(super) async fn call(
        &self,
        method: &'static str,
        id: Uuid,
        request: String,
        limit: Duration,
    ) -> Result<String, BrokerAway> {
        let connection = timeout(BUS_LIMIT, self.connect())
            .await
            .map_err(|_| BrokerAway::NoBus("it does not answer".to_owned()))??;
        let called = async {
            let arguments = (PROTOCOL, id.to_string(), request);
            let reply = connection.call_method(Some(NAME), PATH, Some(INTERFACE), method, &arguments).await?;
            reply.body().deserialize::<String>()
        };
        match timeout(limit, called).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(BrokerAway::Failed { method, reason: said(&error) }),
            Err(_) => Err(BrokerAway::NotInTime { method }),
        }
    }

    async fn connect(&self) -> Result<Connection, BrokerAway> {
        let no_bus = |error: zbus::Error| BrokerAway::NoBus(said(&error));
        let builder = match &self.address {
            Some(address) => Builder::address(address.as_str()),
            None => Builder::session(),
        };
        let connection = builder.map_err(no_bus)?.build().await.map_err(no_bus)?;
        let bus = DBusProxy::new(&connection).await.map_err(no_bus)?;
        let name = BusName::try_from(NAME).map_err(|error| no_bus(error.into()))?;
        // It may run, or be one that the bus starts when it is called.
        if bus.name_has_owner(name).await.unwrap_or_default() {
            return Ok(connection);
        }
        let startable = bus.list_activatable_names().await.unwrap_or_default();
        if startable.iter().any(|name| name.as_str() == NAME) {
            return Ok(connection);
        }
        Err(BrokerAway::NotThere)
    }
}

/// A line for the log: what the other side wrote may be anything.
fn said(error: &zbus::Error) -> String {
    error.to_string().chars().filter(|c| !c.is_control()).take(200).collect()
}
