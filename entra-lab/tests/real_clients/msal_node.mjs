// Scenarios for msal-node against the lab. Talks to the test in lines of JSON.

import assert from "node:assert/strict";
import { createHash, X509Certificate } from "node:crypto";
import { createInterface } from "node:readline";
import * as msal from "@azure/msal-node";

const LAB = JSON.parse(process.env.LAB);
const ALICE = "alice@contoso.test";
const CAROL = "carol@contoso.test";
const GRAPH = "https://graph.microsoft.com";
const API_SCOPE = LAB.api.scope;
const API_DEFAULT = API_SCOPE.replace(/\/[^/]*$/, "/.default");

const input = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
const passed = (name) => say({ passed: name });
async function ask(what, more = {}) {
  say({ ask: what, ...more });
  return JSON.parse((await input.next()).value);
}

const claims = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url"));
const auth = (app, more) => ({
  auth: {
    clientId: app.id,
    authority: `${LAB.host}/${LAB.tenant}`,
    knownAuthorities: [new URL(LAB.host).host],
    ...more,
  },
});
const confidential = (app, credential = { clientSecret: app.secret }) =>
  new msal.ConfidentialClientApplication(auth(app, credential));

async function signIn(app, scopes, user, more = {}) {
  const { verifier, challenge } = await new msal.CryptoProvider().generatePkceCodes();
  const nonce = new msal.CryptoProvider().createNewGuid();
  const redirectUri = LAB.web.redirect;
  const url = await app.getAuthCodeUrl({
    scopes, redirectUri, nonce, state: "s", loginHint: user,
    codeChallenge: challenge, codeChallengeMethod: "S256", ...more,
  });
  const answer = await ask("sign in", { url, user });
  const code = new URL(answer.url).searchParams.get("code");
  assert.ok(code, answer.url);
  return app.acquireTokenByCode({ scopes, redirectUri, code, codeVerifier: verifier, nonce });
}

async function refusal(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("it was not refused");
}

// A service, by secret and by certificate.
const daemon = confidential(LAB.daemon);
const first = await daemon.acquireTokenByClientCredential({ scopes: [API_DEFAULT] });
assert.deepEqual(claims(first.accessToken).roles, ["Directory.Read"]);
const again = await daemon.acquireTokenByClientCredential({ scopes: [API_DEFAULT] });
assert.ok(again.fromCache && again.accessToken === first.accessToken);
passed("secret");

const privateKey = LAB.daemon.pem.split("-----BEGIN CERTIFICATE-----")[0];
const x5c = LAB.daemon.pem.slice(privateKey.length);
const der = new X509Certificate(x5c).raw;
const print = (name) => createHash(name).update(der).digest("hex");
const modern = confidential(LAB.daemon, { clientCertificate: { thumbprintSha256: print("sha256"), privateKey } });
const strong = await modern.acquireTokenByClientCredential({ scopes: [API_DEFAULT] });
assert.equal(claims(strong.accessToken).azpacr, "2");
passed("certificate, PS256");

const old = confidential(LAB.daemon, { clientCertificate: { thumbprint: print("sha1"), privateKey, x5c } });
await old.acquireTokenByClientCredential({ scopes: [API_DEFAULT] });
passed("certificate, RS256 with chain");

// A web application.
const web = confidential(LAB.web);
const result = await signIn(web, [API_SCOPE], ALICE);
assert.equal(result.account.username, ALICE);
passed("code");

const silent = await web.acquireTokenSilent({ scopes: [API_SCOPE], account: result.account });
assert.ok(silent.fromCache && silent.accessToken === result.accessToken);
passed("silent from the cache");

const fresh = await web.acquireTokenSilent({ scopes: [API_SCOPE], account: result.account, forceRefresh: true });
assert.ok(!fresh.fromCache && fresh.accessToken !== result.accessToken);
passed("refresh");

// An API on behalf of its caller.
const api = confidential(LAB.api);
const onBehalf = (token, scope) =>
  api.acquireTokenOnBehalfOf({ oboAssertion: token, scopes: [`${GRAPH}/${scope}`] });
assert.equal(claims((await onBehalf(result.accessToken, "User.Read")).accessToken).upn, ALICE);
passed("on-behalf-of");

const carol = await signIn(confidential(LAB.web), [API_SCOPE], CAROL);
const missing = await refusal(onBehalf(carol.accessToken, "Mail.Read"));
assert.ok(missing instanceof msal.InteractionRequiredAuthError, String(missing));
assert.equal(missing.subError, "consent_required");
passed("consent missing");

const wrong = confidential(LAB.daemon, { clientSecret: "not the secret" });
const error = await refusal(wrong.acquireTokenByClientCredential({ scopes: [API_DEFAULT] }));
assert.ok(error instanceof msal.ServerError && error.errorCode === "invalid_client", String(error));
assert.match(error.errorMessage, /AADSTS7000215/);
passed("wrong secret");

// A second factor for Graph: the exchange is challenged, the sign-in satisfies it.
const policy = await ask("policy", { change: { kind: "require_mfa", resource: "Microsoft Graph" } });
const other = await signIn(confidential(LAB.web), [API_SCOPE], ALICE);
const challenged = await refusal(onBehalf(other.accessToken, "User.Read"));
assert.ok(challenged instanceof msal.InteractionRequiredAuthError, String(challenged));
assert.ok(challenged.claims.includes(policy.id), challenged.claims);
const stronger = await signIn(web, [API_SCOPE], ALICE, { claims: challenged.claims });
assert.ok((await onBehalf(stronger.accessToken, "User.Read")).accessToken);
await ask("policy", { change: { kind: "remove", id: policy.id } });
passed("claims challenge");

// A terminal.
const desktop = new msal.PublicClientApplication(auth(LAB.desktop));
const device = await desktop.acquireTokenByDeviceCode({
  scopes: [API_SCOPE],
  deviceCodeCallback: (shown) => ask("device", { code: shown.userCode, user: ALICE }),
});
assert.equal(claims(device.accessToken).azpacr, "0");
passed("device code");

const typed = (password) => desktop.acquireTokenByUsernamePassword({ scopes: [API_SCOPE], username: ALICE, password });
assert.equal((await typed(LAB.password)).account.username, ALICE);
assert.match((await refusal(typed("wrong"))).errorMessage, /AADSTS50126/);
passed("password");

// Throttled once, MSAL answers by itself until the time is over.
await ask("throttle");
const throttled = confidential(LAB.daemon);
const before = (await ask("token requests")).count;
for (let i = 0; i < 3; i += 1) {
  const refused = await refusal(throttled.acquireTokenByClientCredential({ scopes: [`${GRAPH}/.default`] }));
  assert.ok(refused instanceof msal.ServerError, String(refused));
}
assert.equal((await ask("token requests")).count, before + 1);
passed("throttling");
process.exit(0);
