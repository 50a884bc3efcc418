// Cached acquisitions of msal-node: `msal_node.mjs CASE ENTRIES DOCUMENT`, CASE is app or silent; with import, how long it
// takes to read the document.
// The cache is the document that `hits document` wrote, the same for every peer. Nothing is asked of a network:
// discovery is answered from here, and a token request is an error. One JSON object, in microseconds of CPU a call.
import { readFileSync } from "node:fs";
import { ConfidentialClientApplication } from "@azure/msal-node";

const [kind, entries, path] = process.argv.slice(2);
const HOST = "login.microsoftonline.com", TENANT = "0000071d-0000-4000-8000-000000000001";
const base = `https://${HOST}/${TENANT}`;
const networkClient = {
  sendGetRequestAsync: async () => ({
    status: 200, headers: {}, body: {
      issuer: `${base}/v2.0`, authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
      token_endpoint: `${base}/oauth2/v2.0/token`, jwks_uri: `${base}/discovery/v2.0/keys`,
      tenant_discovery_endpoint: `${base}/v2.0`,
      metadata: [{ preferred_network: HOST, preferred_cache: HOST, aliases: [HOST] }],
    },
  }),
  sendPostRequestAsync: async () => { throw new Error("the token service was asked: this was no hit"); },
};
const auth = { clientId: "000000a9-0000-4000-8000-000000000001", authority: base, clientSecret: "s3cret" };
const client = new ConfidentialClientApplication({ auth, system: { networkClient } });
const text = readFileSync(path, "utf8");
client.getTokenCache().deserialize(text);

const one = Object.values(JSON.parse(text).Account)[0];
const account = one && {
  homeAccountId: one.home_account_id, environment: HOST, tenantId: one.realm,
  username: one.username, localAccountId: one.local_account_id,
};
const hit = {
  app: () => client.acquireTokenByClientCredential({ scopes: ["https://graph.microsoft.com/.default"] }),
  silent: () => client.acquireTokenSilent({ account, scopes: ["User.Read"] }),
  import: () => client.getTokenCache().deserialize(text),
}[kind.split("-")[0]];

if (!kind.startsWith("import") && !(await hit()).fromCache) throw new Error("this was no hit");
const figures = [];
for (let run = 0; run < 5; run++) {
  let calls = 0;
  const started = process.cpuUsage(), began = performance.now();
  while (performance.now() - began < 500) { await hit(); calls++; }
  const { user, system } = process.cpuUsage(started);
  figures.push((user + system) / calls);
}
figures.sort((a, b) => a - b);
console.log(JSON.stringify({ peer: "msal-node", case: kind, entries: Number(entries), us: figures[2] }));
