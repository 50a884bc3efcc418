// The token cache of msal-node: written for the test, and read from it. One line of JSON asks, one answers.

import assert from "node:assert/strict";
import { createInterface } from "node:readline";
import * as msal from "@azure/msal-node";

const LAB = JSON.parse(process.env.LAB);
const GRAPH = "https://graph.microsoft.com/.default";

const client = () =>
  new msal.ConfidentialClientApplication({
    auth: {
      clientId: LAB.client,
      clientSecret: LAB.secret,
      authority: `${LAB.host}/${LAB.tenant}`,
      knownAuthorities: [new URL(LAB.host).host],
    },
  });
const good = (result) => ({ token: result.accessToken, cached: result.fromCache });

const app = client();
const { verifier, challenge } = await new msal.CryptoProvider().generatePkceCodes();
const redirectUri = LAB.redirect;

async function answer(asked) {
  if (asked.do === "begin") {
    const url = await app.getAuthCodeUrl({
      scopes: [LAB.scope], redirectUri, loginHint: LAB.user, codeChallenge: challenge, codeChallengeMethod: "S256",
    });
    return { url };
  }
  if (asked.do === "write") {
    const code = new URLSearchParams(asked.query).get("code");
    const user = await app.acquireTokenByCode({ scopes: [LAB.scope], redirectUri, code, codeVerifier: verifier });
    const itself = await app.acquireTokenByClientCredential({ scopes: [GRAPH] });
    return { user: good(user), app: good(itself), cache: app.getTokenCache().serialize() };
  }
  const reader = client();
  reader.getTokenCache().deserialize(asked.cache);
  const accounts = await reader.getTokenCache().getAllAccounts();
  assert.equal(accounts.length, 1, JSON.stringify(accounts));
  const [account] = accounts;
  return {
    username: account.username,
    user: good(await reader.acquireTokenSilent({ account, scopes: [LAB.scope] })),
    app: good(await reader.acquireTokenByClientCredential({ scopes: [GRAPH] })),
    renewed: good(await reader.acquireTokenSilent({ account, scopes: ["User.Read"] })),
    cache: reader.getTokenCache().serialize(),
  };
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await answer(JSON.parse(line)))}\n`);
}
