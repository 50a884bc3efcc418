//! `device_code` (RFC 8628 3.4): a device asks whether somebody has signed in for it yet.

use crate::devices::Polled;
use crate::errors::{
    CODE_REDEEMED, DECLINED, DEVICE_EXPIRED, DEVICE_PENDING, DEVICE_UNKNOWN, FOREIGN_CODE, INVALID_SCOPE,
};
use crate::grants::TokenRequest;
use crate::refusal::Refusal;
use crate::scopes;
use crate::tokens::mint::TokenAnswer;

pub fn answer(request: &TokenRequest<'_>) -> Result<TokenAnswer, Refusal> {
    let device_code = request.params.required("device_code")?;
    let sign_in = match request.state.devices.poll(device_code, request.client.id, request.state.clock.now())
    {
        Polled::Approved(sign_in) => *sign_in,
        Polled::Unknown => return Err(DEVICE_UNKNOWN.into()),
        Polled::Expired => return Err(DEVICE_EXPIRED.into()),
        Polled::Pending => return Err(DEVICE_PENDING.into()),
        Polled::TooFast => return Err(Refusal::from(DEVICE_PENDING).with_error("slow_down")),
        Polled::Declined => return Err(Refusal::from(DECLINED).with_error("authorization_declined")),
        Polled::Redeemed => return Err(CODE_REDEEMED.into()),
    };
    if !request.authority.admits(sign_in.tenant) {
        return Err(FOREIGN_CODE.into());
    }
    let (tenant, user) = request.person(sign_in.tenant, sign_in.user)?;
    let mut requested = scopes::parse(tenant, request.client.id, &sign_in.scope, INVALID_SCOPE)?;
    requested.resources.truncate(1);
    let (oidc, resource) = requested.single_resource()?;
    let answer = request.for_user(tenant, user, oidc, sign_in).answer(&resource)?;
    if request.state.devices.redeem(device_code) { Ok(answer) } else { Err(CODE_REDEEMED.into()) }
}
