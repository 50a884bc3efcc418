"""Scenarios for azure-identity (Python) against the lab. Talks to the test in lines of JSON."""

import os
import tempfile

from talk import API_DEFAULT, ALICE, CAROL, GRAPH, LAB, ask, claims, code_for, passed

os.environ["AZURE_POD_IDENTITY_AUTHORITY_HOST"] = LAB["http"]

from azure.core.exceptions import ClientAuthenticationError
from azure.identity import (
    AuthorizationCodeCredential,
    CertificateCredential,
    ClientAssertionCredential,
    ClientSecretCredential,
    DeviceCodeCredential,
    ManagedIdentityCredential,
    OnBehalfOfCredential,
    WorkloadIdentityCredential,
)

COMMON = {
    "authority": LAB["host"],
    "disable_instance_discovery": True,
    "connection_verify": LAB["ca"],
    "retry_total": 1,
}
TENANT, DAEMON, WEB, API = LAB["tenant"], LAB["daemon"], LAB["web"], LAB["api"]
GRAPH_DEFAULT = f"{GRAPH}/.default"


def refused(call):
    try:
        call()
    except ClientAuthenticationError as error:
        return error
    raise AssertionError("it was not refused")


secret = ClientSecretCredential(TENANT, DAEMON["id"], DAEMON["secret"], **COMMON)
before = ask("token requests")["count"]
first, again = secret.get_token(API_DEFAULT), secret.get_token(API_DEFAULT)
assert claims(first.token)["roles"] == ["Directory.Read"] and again.token == first.token
assert ask("token requests")["count"] == before + 1
passed("secret")

wrong = refused(lambda: ClientSecretCredential(TENANT, DAEMON["id"], "wrong", **COMMON).get_token(API_DEFAULT))
assert "AADSTS7000215" in wrong.message, wrong.message
passed("wrong secret")

certificate = CertificateCredential(TENANT, DAEMON["id"], certificate_data=DAEMON["pem"].encode(), **COMMON)
assert claims(certificate.get_token(API_DEFAULT).token)["azpacr"] == "2"
passed("certificate")

code = code_for(WEB, f"{API['scope']} offline_access", ALICE)
web = AuthorizationCodeCredential(
    TENANT, WEB["id"], code, WEB["redirect"], client_secret=WEB["secret"], **COMMON
)
token = web.get_token(API["scope"]).token
assert claims(token)["preferred_username"] == ALICE
passed("code")

on_behalf = OnBehalfOfCredential(TENANT, API["id"], client_secret=API["secret"], user_assertion=token, **COMMON)
assert claims(on_behalf.get_token(f"{GRAPH}/User.Read").token)["upn"] == ALICE
passed("on-behalf-of")

code = code_for(WEB, f"{API['scope']} offline_access", CAROL)
carol = AuthorizationCodeCredential(
    TENANT, WEB["id"], code, WEB["redirect"], client_secret=WEB["secret"], **COMMON
).get_token(API["scope"])
for_carol = OnBehalfOfCredential(
    TENANT, API["id"], client_secret=API["secret"], user_assertion=carol.token, **COMMON
)
missing = refused(lambda: for_carol.get_token(f"{GRAPH}/Mail.Read"))
assert "AADSTS65001" in missing.message, missing.message
passed("consent missing")

device = DeviceCodeCredential(
    LAB["desktop"]["id"],
    tenant_id=TENANT,
    prompt_callback=lambda uri, code, expires: ask("device", code=code, user=ALICE),
    **COMMON,
)
assert claims(device.get_token(API["scope"]).token)["azpacr"] == "0"
passed("device code")

identity = ManagedIdentityCredential(client_id=LAB["identity"]["id"])
assert claims(identity.get_token(GRAPH_DEFAULT).token)["appid"] == LAB["identity"]["id"]
passed("managed identity")


def exchange():
    return identity.get_token("api://AzureADTokenExchange/.default").token


federated = ClientAssertionCredential(TENANT, DAEMON["id"], exchange, **COMMON)
assert claims(federated.get_token(GRAPH_DEFAULT).token)["appid"] == DAEMON["id"]
passed("federated credential")

with tempfile.NamedTemporaryFile("w", suffix=".token") as file:
    file.write(exchange())
    file.flush()
    workload = WorkloadIdentityCredential(
        tenant_id=TENANT, client_id=DAEMON["id"], token_file_path=file.name, **COMMON
    )
    assert claims(workload.get_token(GRAPH_DEFAULT).token)["appid"] == DAEMON["id"]
passed("workload identity")

# Where it validates the authority, it asks the lab itself. A challenge's claims get through to the token request.
capable = secret.get_token(GRAPH_DEFAULT, enable_cae=True)
assert claims(capable.token)["xms_cc"] == ["cp1"]
passed("continuous access evaluation")
