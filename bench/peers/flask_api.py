"""The protected API as it is written with Flask, PyJWT and MSAL Python: `gunicorn -w 1 --threads 8 flask_api:app`.

The same settings as web-api-obo. MSAL Python never answers on-behalf-of from its cache, so the cache is asked first, as its
documentation proposes. It wants https, so its back channel is turned to the stub here.
"""
import os

import jwt
import msal
import requests
from flask import Flask, abort, jsonify, request

TENANT, CLIENT = os.environ["AZURE_TENANT_ID"], os.environ["AZURE_CLIENT_ID"]
STUB, GRAPH = os.environ["AZURE_AUTHORITY_BACKCHANNEL"], os.environ["GRAPH_BASE_URL"]
FRONT = "https://login.microsoftonline.com"


class BackChannel:
    """What MSAL asks of the public cloud, asked of the stub."""

    def __init__(self):
        self.session = requests.Session()
        self.session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=32))

    def get(self, url, **options):
        return self.session.get(url.replace(FRONT, STUB), **options)

    def post(self, url, **options):
        return self.session.post(url.replace(FRONT, STUB), **options)

    def close(self):
        self.session.close()


app = Flask(__name__)
back_channel = BackChannel()
keys = jwt.PyJWKClient(f"{STUB}/{TENANT}/discovery/v2.0/keys", cache_keys=True)
client = msal.ConfidentialClientApplication(
    CLIENT, authority=f"{FRONT}/{TENANT}", client_credential=os.environ["AZURE_CLIENT_SECRET"],
    http_client=back_channel)


def caller():
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Bearer":
        abort(401)
    try:
        key = keys.get_signing_key_from_jwt(token)
        claims = jwt.decode(token, key, algorithms=["RS256"], audience=CLIENT, issuer=f"{FRONT}/{TENANT}/v2.0")
    except jwt.PyJWTError:
        abort(401)
    if "access_as_user" not in claims.get("scp", "").split():
        abort(403)
    return token, claims


def graph_token(token, claims):
    accounts = client.get_accounts(username=claims["preferred_username"])
    found = client.acquire_token_silent(["User.Read"], account=accounts[0]) if accounts else None
    return (found or client.acquire_token_on_behalf_of(token, ["User.Read"]))["access_token"]


@app.get("/health/live")
def live():
    return ""


@app.get("/api/profile")
def profile():
    token, claims = caller()
    bearer = {"Authorization": "Bearer " + graph_token(token, claims)}
    me = back_channel.session.get(f"{GRAPH}/me", headers=bearer, timeout=10).json()
    shown = ("displayName", "userPrincipalName", "jobTitle", "mail", "officeLocation", "id")
    return jsonify({name: me.get(name) for name in shown} | {"calledBy": claims["azp"]})
