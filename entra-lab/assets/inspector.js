// The inspector's page. Every text goes in as text, never as markup; no token is written into the page.
"use strict";
const by = (id) => document.getElementById(id);

async function ask(path, body) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const json = await answer.json();
  if (!answer.ok) throw new Error(json.message);
  return json;
}

function show(found) {
  const facts = by("facts");
  facts.replaceChildren();
  for (const name of ["kind", "signature", "lifetime", "issuer", "audience", "client", "digest"]) {
    if (!found[name]) continue;
    const [term, text] = [document.createElement("dt"), document.createElement("dd")];
    term.textContent = name;
    text.textContent = found[name];
    facts.append(term, text);
  }
  by("claims").textContent = JSON.stringify({ header: found.header, claims: found.claims }, null, 2);
  by("claims").hidden = false;
}

function complain(error) {
  by("problem").textContent = error ? error.message : "";
  by("problem").hidden = !error;
}

by("inspect").addEventListener("click", async () => {
  complain(null);
  try {
    show(await ask("/lab/inspect", { token: by("token").value }));
  } catch (error) {
    complain(error);
  }
});

by("forge").addEventListener("click", async () => {
  complain(null);
  try {
    const order = { change: by("change").value, claims: JSON.parse(by("put").value || "{}") };
    if (by("token").value) order.token = by("token").value;
    const forged = await ask("/lab/forge", order);
    show(await ask("/lab/inspect", { token: forged.token }));
    const copied = await navigator.clipboard.writeText(forged.token).then(() => true, () => false);
    by("forged").textContent = copied
      ? `Copied: the token with the digest ${forged.digest}.`
      : "The browser did not let this page copy. A program gets the token from POST /lab/forge.";
  } catch (error) {
    complain(error);
  }
});
