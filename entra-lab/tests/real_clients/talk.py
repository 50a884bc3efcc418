"""What the Python judges share: the conversation with the test, and the look into a token."""

import base64
import json
import os
import sys
from urllib.parse import parse_qs, urlencode, urlsplit

LAB = json.loads(os.environ["LAB"])
ALICE, CAROL = "alice@contoso.test", "carol@contoso.test"
GRAPH = "https://graph.microsoft.com"
API_SCOPE = LAB["api"]["scope"]
API_DEFAULT = API_SCOPE.rsplit("/", 1)[0] + "/.default"


def say(value):
    print(json.dumps(value), flush=True)


def ask(what, **more):
    say({"ask": what, **more})
    return json.loads(sys.stdin.readline())


def passed(name):
    say({"passed": name})


def claims(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def code_for(app, scope, user):
    """An authorization code of a person who signs in."""
    query = {"client_id": app["id"], "response_type": "code", "redirect_uri": app["redirect"], "scope": scope}
    url = f"{LAB['host']}/{LAB['tenant']}/oauth2/v2.0/authorize?{urlencode({**query, 'login_hint': user})}"
    answer = ask("sign in", url=url, user=user)
    return parse_qs(urlsplit(answer["url"]).query)["code"][0]
