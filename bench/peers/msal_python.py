"""Cached acquisitions of MSAL Python: `msal_python.py CASE ENTRIES DOCUMENT`, CASE is app or silent; with import, how long
it takes to read the document.

The cache is the document that `hits document` wrote, the same for every peer. Nothing is asked of a network: discovery
is answered from here, and a token request is an error. One JSON object on stdout, in microseconds of CPU a call.
"""
import json
import statistics
import sys
import time

import msal

case, entries, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
HOST, TENANT = "login.microsoftonline.com", "0000071d-0000-4000-8000-000000000001"
CLIENT = "000000a9-0000-4000-8000-000000000001"


class Answer:
    status_code, headers = 200, {}

    def __init__(self, body):
        self.text = json.dumps(body)

    def raise_for_status(self):
        pass


class Discovery:
    def get(self, url, **_):
        base = f"https://{HOST}/{TENANT}"
        return Answer({
            "issuer": f"{base}/v2.0", "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "token_endpoint": f"{base}/oauth2/v2.0/token", "tenant_discovery_endpoint": f"{base}/v2.0",
            "metadata": [{"preferred_network": HOST, "preferred_cache": HOST, "aliases": [HOST]}],
        })

    def post(self, url, **_):
        raise AssertionError("the token service was asked: this was no hit")

    def close(self):
        pass


with open(path) as file:
    document = json.load(file)
for token in document["AccessToken"].values():
    token["home_account_id"] = token["home_account_id"] or None  # MSAL Python's word for "nobody's"
cache, text = msal.SerializableTokenCache(), json.dumps(document)
cache.deserialize(text)
app = msal.ConfidentialClientApplication(
    CLIENT, authority=f"https://{HOST}/{TENANT}", client_credential="s3cret", token_cache=cache,
    http_client=Discovery())

if case == "app":
    def hit():
        return app.acquire_token_for_client(["https://graph.microsoft.com/.default"])
elif case.startswith("import"):
    def hit():
        cache.deserialize(text)
else:
    account = next(iter(document["Account"].values()))

    def hit():
        return app.acquire_token_silent(["User.Read"], account=account)

assert case.startswith("import") or hit().get("token_source") == "cache"
figures = []
for _ in range(5):
    calls, started, began = 0, time.process_time(), time.perf_counter()
    while time.perf_counter() - began < 0.5:
        hit()
        calls += 1
    figures.append((time.process_time() - started) / calls * 1e6)
print(json.dumps({"peer": "MSAL Python", "case": case, "entries": entries, "us": statistics.median(figures)}))
