// The list of messages anew, without a new page. Without JavaScript the link loads the page, which shows the same.
//
// Where the user is needed in between (a second factor, a session that was revoked), the answer is JSON and says where to
// sign in; the way from there leads back to this page.
document.addEventListener("click", async (event) => {
  const link = event.target.closest("#refresh");
  if (!link) return;
  event.preventDefault();
  const answer = await fetch(link.href, { headers: { "X-Requested-With": "XMLHttpRequest" } });
  if (answer.ok) {
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.querySelector("main").replaceWith(page.querySelector("main"));
  } else {
    const { signIn } = await answer.json();
    location.assign(signIn ?? link.href); // Without an address to sign in at, the page itself says what happened.
  }
});
