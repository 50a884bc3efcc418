// The protected API as it is written with Express, jose and msal-node: validate, on-behalf-of, Graph, answer. The same
// settings as web-api-obo. MSAL wants https, so its back channel is turned to the stub here.
import express from "express";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { ConfidentialClientApplication } from "@azure/msal-node";

const { AZURE_TENANT_ID: tenant, AZURE_CLIENT_ID: clientId, AZURE_CLIENT_SECRET: clientSecret } = process.env;
const { AZURE_AUTHORITY_BACKCHANNEL: stub, GRAPH_BASE_URL: graph, LISTEN_ADDR: listen } = process.env;
const front = "https://login.microsoftonline.com", authority = `${front}/${tenant}`;

const send = async (url, method, options = {}) => {
  const answer = await fetch(url.replace(front, stub), { method, headers: options.headers, body: options.body });
  return { status: answer.status, headers: Object.fromEntries(answer.headers), body: await answer.json() };
};
const networkClient = {
  sendGetRequestAsync: (url, options) => send(url, "GET", options),
  sendPostRequestAsync: (url, options) => send(url, "POST", options),
};
const client = new ConfidentialClientApplication({ auth: { clientId, clientSecret, authority }, system: { networkClient } });
const keys = createRemoteJWKSet(new URL(`${stub}/${tenant}/discovery/v2.0/keys`));
const rules = { algorithms: ["RS256"], audience: clientId, issuer: `${authority}/v2.0` };

const guard = async (request, response, next) => {
  const [scheme, token] = (request.headers.authorization ?? "").split(" ");
  try {
    if (scheme !== "Bearer") return response.sendStatus(401);
    request.claims = (await jwtVerify(token, keys, rules)).payload;
    request.token = token;
  } catch {
    return response.sendStatus(401);
  }
  return request.claims.scp?.split(" ").includes("access_as_user") ? next() : response.sendStatus(403);
};

const app = express();
app.get("/health/live", (_, response) => response.sendStatus(200));
app.get("/api/profile", guard, async (request, response) => {
  const { accessToken } = await client.acquireTokenOnBehalfOf({ oboAssertion: request.token, scopes: ["User.Read"] });
  const answer = await fetch(`${graph}/me`, { headers: { authorization: `Bearer ${accessToken}` } });
  const { displayName, userPrincipalName, jobTitle, mail, officeLocation, id } = await answer.json();
  response.json({ displayName, userPrincipalName, jobTitle, mail, officeLocation, id, calledBy: request.claims.azp });
});
const [host, port] = listen.split(":");
app.listen(Number(port), host);
