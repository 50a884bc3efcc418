// Scenarios for msal-browser, in a real browser, on a page of its own origin. Talks to the test in lines of JSON.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import puppeteer from "puppeteer-core";

const LAB = JSON.parse(process.env.LAB);
const ALICE = "alice@contoso.test";
const GRAPH = "https://graph.microsoft.com";
const API_SCOPE = LAB.api.scope;
const ME = `${GRAPH}/User.Read`;

const input = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
const passed = (name) => say({ passed: name });
async function ask(what, more = {}) {
  say({ ask: what, ...more });
  return JSON.parse((await input.next()).value);
}
const claims = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url"));

// The page and its redirect bridge, as MSAL's documentation has them.
const page = `<!doctype html><title>A page</title><script src="/msal.js"></script><script>
  (async () => {
    const clientId = new URLSearchParams(location.search).get("client");
    const redirectUri = location.origin + (clientId === "${LAB.page.id}" ? "/redirect" : "/signin-oidc");
    const auth = {
      clientId, redirectUri, authority: "${LAB.host}/${LAB.tenant}", knownAuthorities: ["${new URL(LAB.host).host}"],
      postLogoutRedirectUri: location.origin + "/",
    };
    if (!clientId) return (window.ready = true);
    window.app = new msal.PublicClientApplication({ auth, cache: { cacheLocation: "localStorage" } });
    await app.initialize();
    try {
      window.came = await app.handleRedirectPromise();
    } catch (error) {
      window.failed = { code: error.errorCode, message: error.errorMessage, kind: error.name };
    }
    window.ready = true;
  })();
</script>`;
const bridge = `<!doctype html><title>Back</title><script src="/bridge.js"></script><script>
  msalRedirectBridge.broadcastResponseToMainFrame();
</script>`;
const library = (path) => readFileSync(new URL(`node_modules/@azure/msal-browser/lib/${path}`, import.meta.url));
const files = {
  "/": ["text/html", page],
  "/redirect": ["text/html", bridge],
  "/signin-oidc": ["text/html", bridge],
  "/msal.js": ["text/javascript", library("msal-browser.min.js")],
  "/bridge.js": ["text/javascript", library("redirect-bridge/msal-redirect-bridge.min.js")],
};
const server = createServer((request, response) => {
  const [type, body] = files[new URL(request.url, "http://localhost").pathname] ?? [];
  response.writeHead(body ? 200 : 404, { "content-type": type ?? "text/plain", "cache-control": "no-store" });
  response.end(body);
});
await new Promise((resolve) => server.listen(0, "localhost", resolve));
const origin = `http://localhost:${server.address().port}`;

// A hidden frame is signed in with the cookies of another site. Whoever forbids them is asked instead, as at Entra.
const profile = mkdtempSync(join(tmpdir(), "msal-browser-"));
mkdirSync(join(profile, "Default"));
const cookies = { profile: { cookie_controls_mode: 0, block_third_party_cookies: false } };
writeFileSync(join(profile, "Default", "Preferences"), JSON.stringify(cookies));
process.on("exit", () => rmSync(profile, { recursive: true, force: true }));
const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM,
  userDataDir: profile,
  // It ends with this program, however that ends.
  pipe: true,
  acceptInsecureCerts: true,
  args: ["--no-sandbox", "--no-proxy-server"],
});
const tab = await browser.newPage();
tab.setDefaultTimeout(30_000);
const open = async (client = LAB.page.id) => {
  await tab.goto(`${origin}/?client=${client}`);
  await ready();
};
const ready = () => tab.waitForFunction(() => window.ready === true);

// What a page asks MSAL for, and an error as far as it can be told.
const silently = (request) =>
  tab.evaluate(async (request) => {
    try {
      const account = app.getAllAccounts()[0];
      const answer = await (account ? app.acquireTokenSilent({ account, ...request }) : app.ssoSilent(request));
      return { token: answer.accessToken, fromCache: answer.fromCache };
    } catch (error) {
      const { errorCode: code, errorMessage: message, subError, claims, name: kind } = error;
      return { error: { code, message, subError, claims, kind } };
    }
  }, request);

// Leaves the page for the lab, fills the lab's forms, and comes back.
async function byRedirect(how, request, { otp } = {}) {
  await Promise.all([tab.waitForNavigation(), tab.evaluate((how, request) => void app[how](request), how, request)]);
  for (let steps = 0; steps < 8 && tab.url().startsWith(LAB.host); steps += 1) {
    const press = (id) => Promise.all([tab.waitForNavigation(), tab.click(id)]);
    if (await tab.$("#account-alice")) {
      await press("#account-alice");
    } else if (await tab.$("#password")) {
      await tab.type("#password", LAB.password);
      await press("#sign-in");
    } else if (await tab.$("#otp")) {
      await tab.type("#otp", otp);
      await press("#verify");
    } else if (await tab.$("#accept")) {
      await press("#accept");
    } else {
      throw new Error(`stuck at ${await tab.content()}`);
    }
  }
  await tab.waitForFunction((home) => location.href.startsWith(home) && window.ready === true, {}, `${origin}/?client`);
}

await open();
await byRedirect("loginRedirect", { scopes: [API_SCOPE], extraScopesToConsent: [ME] });
const came = await tab.evaluate(() => window.came);
assert.equal(came.account.username, ALICE);
assert.equal(claims(came.accessToken).azpacr, "0");
passed("sign-in by redirect, the code redeemed by the page");

const cached = await silently({ scopes: [API_SCOPE] });
assert.ok(cached.fromCache && cached.token === came.accessToken);
passed("silent from the cache");

const fresh = await silently({ scopes: [API_SCOPE], forceRefresh: true });
assert.ok(!fresh.fromCache && fresh.token !== came.accessToken, JSON.stringify(fresh));
passed("refresh");

const graph = await silently({ scopes: [ME] });
const me = await tab.evaluate(async (url, token) => {
  const answer = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
  return { name: (await answer.json()).displayName, id: answer.headers.get("request-id") };
}, `${LAB.host}/v1.0/me`, graph.token);
assert.equal(me.name, "Alice Kim");
assert.ok(me.id, "the page can read the headers that Graph lets it");
passed("Graph, called by the page");

const missing = await silently({ scopes: [`${GRAPH}/Mail.Read`] });
assert.equal(missing.error.kind, "InteractionRequiredAuthError", JSON.stringify(missing));
assert.match(missing.error.message, /AADSTS65001/);
passed("consent missing");

const policy = await ask("policy", { change: { kind: "require_mfa", resource: "Microsoft Graph" } });
const challenged = await silently({ scopes: [ME], forceRefresh: true });
assert.equal(challenged.error.kind, "InteractionRequiredAuthError", JSON.stringify(challenged));
const change = { scopes: [ME], claims: challenged.error.claims || undefined, loginHint: ALICE };
await byRedirect("acquireTokenRedirect", change, { otp: "246810" });
assert.deepEqual(claims(await tab.evaluate(() => window.came.accessToken)).amr, ["pwd", "mfa"]);
await ask("policy", { change: { kind: "remove", id: policy.id } });
passed("claims challenge");

await tab.evaluate(() => localStorage.clear());
await open();
const again = await silently({ scopes: [API_SCOPE], loginHint: ALICE });
assert.ok(again.token, JSON.stringify(again));
passed("single sign-on in a hidden frame");

// Registered for the platform "web", a page learns why it gets nothing.
await open(LAB.web.id);
await byRedirect("loginRedirect", { scopes: [API_SCOPE], loginHint: ALICE });
const failed = await tab.evaluate(() => window.failed);
assert.equal(failed.code, "invalid_request");
assert.match(failed.message, /AADSTS9002326/);
passed("the wrong platform");

await open();
await tab.evaluate(() => void app.logoutRedirect({ account: app.getAllAccounts()[0] }));
const home = () => location.pathname === "/" && !location.search.includes("client=");
await tab.waitForFunction(home).catch(() => assert.fail(`it ended at ${tab.url()}`));
await open();
const nobody = await silently({ scopes: [API_SCOPE], loginHint: ALICE });
assert.equal(nobody.error.code, "login_required", JSON.stringify(nobody));
passed("sign-out");

await byRedirect("loginRedirect", { scopes: [API_SCOPE] });
await ask("hours later", { hours: 25 });
const ended = await silently({ scopes: [API_SCOPE], forceRefresh: true });
assert.equal(ended.error.kind, "InteractionRequiredAuthError", JSON.stringify(ended));
assert.ok((await ask("refusals")).codes.includes(700084));
passed("the end of the day");

await browser.close();
process.exit(0);
