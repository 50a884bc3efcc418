"""Scenarios for MSAL Python against the lab. Talks to the test in lines of JSON."""

import base64
import hashlib
from urllib.parse import parse_qsl, urlsplit

import msal
import requests

from talk import ALICE, API_DEFAULT, API_SCOPE, CAROL, GRAPH, LAB, ask, claims, passed

AUTHORITY = f"{LAB['host']}/{LAB['tenant']}"
COMMON = {"authority": AUTHORITY, "verify": LAB["ca"], "instance_discovery": False}


def good(result):
    assert "access_token" in result, result
    return result


def confidential(app, credential=None, **more):
    options = {**COMMON, **more}
    return msal.ConfidentialClientApplication(app["id"], client_credential=credential or app["secret"], **options)


def sign_in(app, scopes, user, **more):
    flow = app.initiate_auth_code_flow(scopes, redirect_uri=LAB["web"]["redirect"], login_hint=user, **more)
    answer = ask("sign in", url=flow["auth_uri"], user=user)
    query = dict(parse_qsl(urlsplit(answer["url"]).query))
    return app.acquire_token_by_auth_code_flow(flow, query)


# A service, by secret and by certificate.
daemon = confidential(LAB["daemon"])
first = good(daemon.acquire_token_for_client([API_DEFAULT]))
assert claims(first["access_token"])["roles"] == ["Directory.Read"]
again = good(daemon.acquire_token_for_client([API_DEFAULT]))
assert again["token_source"] == "cache" and again["access_token"] == first["access_token"]
passed("secret")

key, _, certificate = LAB["daemon"]["pem"].partition("-----BEGIN CERTIFICATE-----")
certificate = "-----BEGIN CERTIFICATE-----" + certificate
with_chain = confidential(LAB["daemon"], {"private_key": key, "public_certificate": certificate})
token = good(with_chain.acquire_token_for_client([API_DEFAULT]))["access_token"]
assert claims(token)["azpacr"] == "2", claims(token)
passed("certificate, PS256")
der = base64.b64decode("".join(certificate.splitlines()[1:-1]))
thumbprint = hashlib.sha1(der).hexdigest()
by_thumbprint = confidential(LAB["daemon"], {"private_key": key, "thumbprint": thumbprint})
good(by_thumbprint.acquire_token_for_client([API_DEFAULT]))
passed("certificate, RS256 by thumbprint")

# A web application.
web = confidential(LAB["web"])
result = good(sign_in(web, [API_SCOPE], ALICE))
assert result["id_token_claims"]["preferred_username"] == ALICE
passed("code")

account = web.get_accounts()[0]
assert account["username"] == ALICE
silent = good(web.acquire_token_silent([API_SCOPE], account))
assert silent["access_token"] == result["access_token"]
passed("silent from the cache")

fresh = good(web.acquire_token_silent([API_SCOPE], account, force_refresh=True))
assert fresh["access_token"] != result["access_token"] and fresh["token_source"] == "identity_provider"
passed("refresh")

# An API on behalf of its caller.
api = confidential(LAB["api"])
on_behalf = good(api.acquire_token_on_behalf_of(result["access_token"], [f"{GRAPH}/User.Read"]))
assert claims(on_behalf["access_token"])["upn"] == ALICE
passed("on-behalf-of")

carol = good(sign_in(confidential(LAB["web"]), [API_SCOPE], CAROL))
refused = api.acquire_token_on_behalf_of(carol["access_token"], [f"{GRAPH}/Mail.Read"])
assert refused["error"] == "invalid_grant" and refused["error_codes"] == [65001], refused
assert refused["suberror"] == "consent_required", refused
passed("consent missing")

wrong = confidential(LAB["daemon"], "not the secret").acquire_token_for_client([API_DEFAULT])
assert (wrong["error"], wrong["error_codes"]) == ("invalid_client", [7000215]), wrong
passed("wrong secret")

# A second factor for Graph: the exchange is challenged, the sign-in satisfies it.
policy = ask("policy", change={"kind": "require_mfa", "resource": "Microsoft Graph"})
challenged = api.acquire_token_on_behalf_of(result["access_token"], [f"{GRAPH}/Mail.Read"])
assert challenged["error_codes"] == [50076] and challenged["suberror"] == "basic_action", challenged
stronger = good(sign_in(web, [API_SCOPE], ALICE, claims_challenge=challenged["claims"]))
good(api.acquire_token_on_behalf_of(stronger["access_token"], [f"{GRAPH}/User.Read"]))
ask("policy", change={"kind": "remove", "id": policy["id"]})
passed("claims challenge")

capable = confidential(LAB["web"], client_capabilities=["cp1"])
long = good(sign_in(capable, [f"{GRAPH}/User.Read"], ALICE))
assert claims(long["access_token"])["xms_cc"] == ["cp1"] and long["expires_in"] > 70000, long
passed("capabilities")

# A terminal.
desktop = msal.PublicClientApplication(LAB["desktop"]["id"], **COMMON)
flow = desktop.initiate_device_flow([API_SCOPE])
assert "user_code" in flow, flow
ask("device", code=flow["user_code"], user=ALICE)
device = good(desktop.acquire_token_by_device_flow(flow))
assert claims(device["access_token"])["azpacr"] == "0"
passed("device code")


class WithPort(requests.Session):
    """MSAL Python leaves the port away when it asks for the user realm, so that only 443 would do."""

    def get(self, url, **more):
        return super().get(url.replace("https://localhost/", f"{LAB['host']}/"), **more)


session = WithPort()
session.verify = LAB["ca"]
options = {"authority": AUTHORITY, "instance_discovery": False, "http_client": session}
by_password = msal.PublicClientApplication(LAB["desktop"]["id"], **options)
good(by_password.acquire_token_by_username_password(ALICE, LAB["password"], [API_SCOPE]))
mistyped = by_password.acquire_token_by_username_password(ALICE, "wrong", [API_SCOPE])
assert mistyped["error_codes"] == [50126], mistyped
passed("password")

# The ways to trust an authority that MSAL does not know.
instance = f"{LAB['host']}/common/discovery/instance"
validated = confidential(LAB["daemon"], instance_discovery=instance)
good(validated.acquire_token_for_client([API_DEFAULT]))
passed("instance discovery")

oidc = msal.ConfidentialClientApplication(
    LAB["daemon"]["id"],
    client_credential=LAB["daemon"]["secret"],
    oidc_authority=f"{AUTHORITY}/v2.0",
    verify=LAB["ca"],
)
good(oidc.acquire_token_for_client([API_DEFAULT]))
passed("OIDC authority")

# Throttled once, MSAL answers by itself until the time is over.
ask("throttle")
throttled = confidential(LAB["daemon"])
before = ask("token requests")["count"]
for _ in range(3):
    result = throttled.acquire_token_for_client([f"{GRAPH}/.default"])
    assert result["error_codes"] == [90055], result
assert ask("token requests")["count"] == before + 1
passed("throttling")
