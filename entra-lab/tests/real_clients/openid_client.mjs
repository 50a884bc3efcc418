// Scenarios for openid-client, a certified OpenID Connect client. Talks to the test in lines of JSON.

import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { createInterface } from "node:readline";
import * as client from "openid-client";

const LAB = JSON.parse(process.env.LAB);
const ALICE = "alice@contoso.test";
const GRAPH = "https://graph.microsoft.com";
const API_DEFAULT = LAB.api.scope.replace(/\/[^/]*$/, "/.default");

const input = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
const passed = (name) => say({ passed: name });
async function ask(what, more = {}) {
  say({ ask: what, ...more });
  return JSON.parse((await input.next()).value);
}
const claims = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url"));
async function refusal(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("it was not refused");
}

// It compares the issuer of the document with the address that it asked, as OpenID Connect Discovery 4.3 says.
const server = new URL(`${LAB.host}/${LAB.tenant}/v2.0`);
async function discover(app, authentication = client.ClientSecretPost(app.secret)) {
  const config = await client.discovery(server, app.id, undefined, authentication);
  // Verify the signature of ID tokens too, although they come over TLS.
  client.enableNonRepudiationChecks(config);
  return config;
}
const web = await discover(LAB.web);
assert.equal(web.serverMetadata().issuer, server.href);
passed("discovery");

async function authorize(config, more = {}) {
  const verifier = client.randomPKCECodeVerifier();
  const checks = { pkceCodeVerifier: verifier, expectedNonce: client.randomNonce(), expectedState: client.randomState() };
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: LAB.web.redirect,
    scope: `openid profile email offline_access ${GRAPH}/User.Read`,
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    nonce: checks.expectedNonce,
    state: checks.expectedState,
    login_hint: ALICE,
    ...more,
  });
  return { answer: await ask("sign in", { url: url.href, user: ALICE }), checks };
}

const { answer, checks } = await authorize(web, { max_age: "3600" });
const tokens = await client.authorizationCodeGrant(web, new URL(answer.url), { ...checks, maxAge: 3600 });
const subject = tokens.claims().sub;
assert.equal(tokens.claims().preferred_username, ALICE);
assert.equal(typeof tokens.claims().auth_time, "number");
passed("code with PKCE, nonce, state and max_age, the signature checked");

const again = await refusal(client.authorizationCodeGrant(web, new URL(answer.url), { ...checks, maxAge: 3600 }));
assert.ok(again instanceof client.ResponseBodyError && again.error === "invalid_grant", String(again));
passed("a code used twice");

const userInfo = await client.fetchUserInfo(web, tokens.access_token, subject);
assert.equal(userInfo.name, "Alice Kim");
passed("UserInfo, same subject");

const renewed = await client.refreshTokenGrant(web, tokens.refresh_token, { scope: `openid ${GRAPH}/User.Read` });
assert.equal(renewed.claims().sub, subject);
passed("refresh");

const declined = await refusal(
  client.authorizationCodeGrant(web, new URL((await ask("decline", { url: (await authorizeUrl()).href })).url), {
    expectedState: "s",
  }),
);
assert.ok(declined instanceof client.AuthorizationResponseError && declined.error === "access_denied", String(declined));
passed("declined");
async function authorizeUrl() {
  return client.buildAuthorizationUrl(web, {
    redirect_uri: LAB.web.redirect, scope: `openid ${GRAPH}/User.Read`, state: "s", prompt: "consent", login_hint: ALICE,
  });
}

const basic = await discover(LAB.daemon, client.ClientSecretBasic(LAB.daemon.secret));
const service = await client.clientCredentialsGrant(basic, { scope: API_DEFAULT });
assert.deepEqual(claims(service.access_token).roles, ["Directory.Read"]);
passed("client credentials, secret in a Basic header");

const wrong = await discover(LAB.daemon, client.ClientSecretPost("wrong"));
const refused = await refusal(client.clientCredentialsGrant(wrong, { scope: API_DEFAULT }));
assert.ok(refused instanceof client.ResponseBodyError && refused.status === 401, String(refused));
assert.equal(refused.error, "invalid_client");
assert.deepEqual(refused.cause.error_codes, [7000215]);
passed("wrong secret");

const onBehalf = await discover(LAB.api);
const webToken = await client.refreshTokenGrant(web, tokens.refresh_token, { scope: LAB.api.scope }).catch(async () => {
  // The API was not agreed to yet: one more sign-in.
  const next = await authorize(web, { scope: `openid offline_access ${LAB.api.scope}` });
  return client.authorizationCodeGrant(web, new URL(next.answer.url), next.checks);
});
const exchanged = await client.genericGrantRequest(onBehalf, "urn:ietf:params:oauth:grant-type:jwt-bearer", {
  assertion: webToken.access_token, requested_token_use: "on_behalf_of", scope: `${GRAPH}/User.Read`,
});
assert.equal(claims(exchanged.access_token).upn, ALICE);
passed("on-behalf-of");

const privateKey = await crypto.subtle.importKey(
  "pkcs8",
  createPrivateKey(LAB.daemon.pem).export({ format: "der", type: "pkcs8" }),
  { name: "RSA-PSS", hash: "SHA-256" },
  false,
  ["sign"],
);
const thumbprint = LAB.daemon.x5tS256;
const assertion = client.PrivateKeyJwt(privateKey, {
  [client.modifyAssertion]: (header, payload) => {
    header["x5t#S256"] = thumbprint;
    // It names the issuer as audience; Entra wants the address of the token endpoint.
    payload.aud = web.serverMetadata().token_endpoint;
  },
});
const certified = await discover(LAB.daemon, assertion);
const strong = await client.clientCredentialsGrant(certified, { scope: API_DEFAULT });
assert.equal(claims(strong.access_token).azpacr, "2");
passed("private_key_jwt");

const desktop = await discover(LAB.desktop, client.None());
const device = await client.initiateDeviceAuthorization(desktop, { scope: `openid ${LAB.api.scope}` });
await ask("device", { code: device.user_code, user: ALICE });
const polled = await client.pollDeviceAuthorizationGrant(desktop, { ...device, interval: 1 });
assert.equal(claims(polled.access_token).azpacr, "0");
passed("device code");

// The hybrid flow has to be switched on in the registration, as an administrator does it.
const tool = await discover(LAB.tool);
const admin = await client.clientCredentialsGrant(tool, { scope: `${GRAPH}/.default` });
const switched = await fetch(`${LAB.host}/v1.0/applications(appId='${LAB.web.id}')`, {
  method: "PATCH",
  headers: { authorization: `Bearer ${admin.access_token}`, "content-type": "application/json" },
  body: JSON.stringify({ web: { implicitGrantSettings: { enableIdTokenIssuance: true } } }),
});
assert.equal(switched.status, 204);
const hybrid = await discover(LAB.web);
client.useCodeIdTokenResponseType(hybrid);
const first = await authorize(hybrid, { response_type: "code id_token" });
const both = await client.authorizationCodeGrant(hybrid, new URL(first.answer.url), first.checks);
assert.equal(both.claims().sub, subject);
passed("hybrid flow, the ID token from the front channel checked with its c_hash");

const second = await authorize(hybrid, { response_type: "code id_token" });
const swapped = new URL(second.answer.url);
const members = new URLSearchParams(swapped.hash.slice(1));
members.set("code", new URLSearchParams(new URL(first.answer.url).hash.slice(1)).get("code"));
swapped.hash = members.toString();
const noticed = await refusal(client.authorizationCodeGrant(hybrid, swapped, second.checks));
assert.ok(!(noticed instanceof client.ResponseBodyError), "it does not get as far as the token endpoint");
passed("a code that is not the ID token's");

const end = client.buildEndSessionUrl(web, { post_logout_redirect_uri: LAB.web.signedOut });
assert.equal((await ask("visit", { url: end.href })).url, LAB.web.signedOut);
passed("sign-out");
process.exit(0);
