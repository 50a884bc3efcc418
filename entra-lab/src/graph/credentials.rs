//! How a registration proves itself: `addPassword`, whose text is shown once, and federated credentials.
//!
//! Certificates come through `keyCredentials` of the registration itself.

use actix_web::HttpResponse;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use crate::directory::{Application, ClientSecret, FederatedCredential, ForeignKeys, Secret};
use crate::graph::applications::{changed, named};
use crate::graph::call::Call;
use crate::graph::caller::Caller;
use crate::graph::errors::GraphError;
use crate::graph::permissions::{REGISTRATIONS, REGISTRATIONS_WRITE};
use crate::graph::{collection, manifest};
use crate::random;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wanted {
    password_credential: Option<Password>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Password {
    display_name: Option<String>,
    end_date_time: Option<Timestamp>,
}

/// `POST /applications/{id}/addPassword`
pub fn add_password(call: &Call<'_>) -> Result<HttpResponse, GraphError> {
    let (caller, app) = writer(call)?;
    let wanted: Wanted = call.ask.json()?;
    let wanted = wanted.password_credential.unwrap_or_default();
    let now = call.state.clock.now();
    // Without an end Entra takes two years.
    let end =
        wanted.end_date_time.or_else(|| now.checked_add(jiff::SignedDuration::from_hours(2 * 8760)).ok());
    let text = random::handle(2);
    let secret =
        ClientSecret { name: wanted.display_name.clone(), value: Secret::new(text.clone()), expires: end };
    let id = changed(call, &caller, app, |app, _| {
        let id = manifest::secret_id(app, &secret);
        app.secrets.push(secret);
        Ok(id)
    })?;
    let hint: String = text.chars().take(3).collect();
    Ok(call.json(&json!({
        "@odata.context": call.context("microsoft.graph.passwordCredential"),
        "keyId": id, "displayName": wanted.display_name, "hint": hint, "secretText": text,
        "startDateTime": now, "endDateTime": end, "customKeyIdentifier": null,
    })))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Which {
    key_id: Uuid,
}

/// `POST /applications/{id}/removePassword`
pub fn remove_password(call: &Call<'_>) -> Result<HttpResponse, GraphError> {
    let (caller, app) = writer(call)?;
    let Which { key_id } = call.ask.json()?;
    changed(call, &caller, app, |app, _| {
        let position = app.secrets.iter().position(|s| manifest::secret_id(app, s) == key_id);
        let position =
            position.ok_or_else(|| GraphError::invalid("There is no password with this keyId."))?;
        app.secrets.remove(position);
        Ok(())
    })?;
    Ok(HttpResponse::NoContent().finish())
}

/// `GET /applications/{id}/federatedIdentityCredentials`
pub fn federated(call: &Call<'_>) -> Result<HttpResponse, GraphError> {
    let caller = Caller::of(call)?;
    caller.must(&REGISTRATIONS, GraphError::directory_denied)?;
    let app = named(call, caller.tenant()?).ok_or_else(|| missing(call))?;
    collection::page(
        call,
        "federatedIdentityCredentials",
        app.federated.iter().map(|f| shown(app, f)).collect(),
    )
}

#[derive(Deserialize)]
struct Federated {
    name: String,
    issuer: String,
    subject: String,
    audiences: Vec<String>,
}

/// `POST /applications/{id}/federatedIdentityCredentials`
pub fn add_federated(call: &Call<'_>) -> Result<HttpResponse, GraphError> {
    let (caller, app) = writer(call)?;
    let wanted: Federated = call.ask.json()?;
    let [audience] = wanted.audiences.as_slice() else {
        return Err(GraphError::invalid("audiences has exactly one entry."));
    };
    let own = call.state.tenant_of_issuer(&wanted.issuer).is_some();
    let address = Url::parse(&wanted.issuer).ok().filter(|u| matches!(u.scheme(), "http" | "https"));
    let address = address.ok_or_else(|| GraphError::invalid("The issuer must be a web address."))?;
    let credential = FederatedCredential {
        name: wanted.name,
        issuer: wanted.issuer,
        subject: wanted.subject,
        audience: audience.clone(),
        keys: if own { ForeignKeys::Own } else { ForeignKeys::Discovered(address) },
    };
    let item = changed(call, &caller, app, |app, _| {
        let same = |f: &FederatedCredential| f.issuer == credential.issuer && f.subject == credential.subject;
        if app.federated.iter().any(|f| f.name == credential.name || same(f)) {
            return Err(GraphError::conflict(
                "There is a credential with this name, or this issuer and subject.",
            ));
        }
        let item = shown(app, &credential);
        app.federated.push(credential);
        Ok(item)
    })?;
    Ok(call.created(&collection::with_context(call, "federatedIdentityCredentials", item)))
}

/// `DELETE /applications/{id}/federatedIdentityCredentials/{id or name}`
pub fn remove_federated(call: &Call<'_>) -> Result<HttpResponse, GraphError> {
    let (caller, app) = writer(call)?;
    let wanted = call.path_part("credential");
    changed(call, &caller, app, |app, _| {
        let is =
            |f: &FederatedCredential| f.name == wanted || id(app, f).to_string().eq_ignore_ascii_case(wanted);
        let position = app.federated.iter().position(is);
        app.federated.remove(position.ok_or_else(|| GraphError::not_found("federated credential", wanted))?);
        Ok(())
    })?;
    Ok(HttpResponse::NoContent().finish())
}

fn writer(call: &Call<'_>) -> Result<(Caller, Uuid), GraphError> {
    let caller = Caller::of(call)?;
    caller.must(&REGISTRATIONS_WRITE, GraphError::directory_denied)?;
    let app = named(call, caller.tenant()?).ok_or_else(|| missing(call))?.id;
    Ok((caller, app))
}

fn missing(call: &Call<'_>) -> GraphError {
    GraphError::not_found("application", call.path_part("id"))
}

fn id(app: &Application, credential: &FederatedCredential) -> Uuid {
    Uuid::new_v5(&app.id, credential.name.as_bytes())
}

fn shown(app: &Application, credential: &FederatedCredential) -> Value {
    json!({
        "id": id(app, credential), "name": credential.name, "issuer": credential.issuer,
        "subject": credential.subject, "audiences": [credential.audience], "description": null,
    })
}
