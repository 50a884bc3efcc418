"""The token cache of MSAL Python: written for the test, and read from it. One line of JSON asks, one answers."""

import json
import os
import sys
from urllib.parse import parse_qsl

import msal

LAB = json.loads(os.environ["LAB"])
GRAPH = "https://graph.microsoft.com/.default"


def client(cache):
    return msal.ConfidentialClientApplication(
        LAB["client"],
        client_credential=LAB["secret"],
        authority=f"{LAB['host']}/{LAB['tenant']}",
        verify=LAB["ca"],
        instance_discovery=False,
        token_cache=cache,
    )


def good(result):
    assert result and "access_token" in result, result
    return {"token": result["access_token"], "cached": result["token_source"] == "cache"}


written = msal.SerializableTokenCache()
app = client(written)
flow = None

for line in sys.stdin:
    asked = json.loads(line)
    if asked["do"] == "begin":
        flow = app.initiate_auth_code_flow([LAB["scope"]], redirect_uri=LAB["redirect"], login_hint=LAB["user"])
        answer = {"url": flow["auth_uri"]}
    elif asked["do"] == "write":
        user = app.acquire_token_by_auth_code_flow(flow, dict(parse_qsl(asked["query"])))
        answer = {"user": good(user), "app": good(app.acquire_token_for_client([GRAPH])), "cache": written.serialize()}
    else:
        cache = msal.SerializableTokenCache()
        cache.deserialize(asked["cache"])
        reader = client(cache)
        [account] = reader.get_accounts()
        answer = {
            "username": account["username"],
            "user": good(reader.acquire_token_silent([LAB["scope"]], account)),
            "app": good(reader.acquire_token_for_client([GRAPH])),
            "renewed": good(reader.acquire_token_silent(["User.Read"], account)),
            "cache": cache.serialize(),
        }
    print(json.dumps(answer), flush=True)
