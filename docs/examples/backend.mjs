// Invites a user, gets them an access token, and with it changes their profile and refers the app to somebody.
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

const { USERDOCKS_URL, USERDOCKS_APP, USERDOCKS_KEY } = process.env;
const [invited, referred] = process.argv.slice(2);

// A key is for a backend: never put it into a page or an app.
const asApp = { "X-CLIENT-ID": USERDOCKS_APP, "X-API-KEY-TYPE": "write", "X-API-KEY": USERDOCKS_KEY };

/** What a call gives, or an error with the code that the server names. */
async function call(credentials, method, path, body, headers = {}) {
  for (let attempt = 1; ; attempt++) {
    const response = await fetch(`${USERDOCKS_URL}/v1${path}`, {
      method,
      headers: { ...credentials, ...headers, "Content-Type": "application/json" },
      body: body && JSON.stringify(body),
    });
    const { success, data, error } = await response.json();
    if (success) return data;
    const wait = Number(response.headers.get("Retry-After"));
    if (attempt === 3 || !wait || wait > 10) {
      throw new Error(`${response.headers.get("X-Error-Code")}: ${error}`);
    }
    await sleep(wait * 1000);
  }
}

// An id that nobody has becomes the new user's. The same call again is safe: same id and address, same user.
const id = randomUUID();
const { user } = await call(asApp, "POST", `/users/${id}`, { email: invited, language: "en" });
console.log(`invited ${user.email} as ${user.id}`);

const { tokenType, accessToken } = await call(asApp, "POST", `/users/${id}/tokens`);
const asUser = { Authorization: `${tokenType} ${accessToken}` };
const profile = { given_name: "Ada", family_name: "Lovelace", zoneinfo: "europe/london" };
await call(asUser, "PUT", "/users/me", { user: profile });
const me = await call(asUser, "GET", "/users/me");
console.log(`updated the profile: ${me.given_name} ${me.family_name}, ${me.zoneinfo}`);

// With a key of its own a request can be repeated: it has one effect and one answer.
const once = { "Idempotency-Key": `"${randomUUID()}"` };
await call(asUser, "POST", "/users/me/referral-invites", { email: referred, language: "de" }, once);
console.log(`referred ${referred}`);

// What is refused changes nothing, and says why.
try {
  await call(asUser, "PUT", "/users/me", { user: { birthdate: "tomorrow" } });
} catch (error) {
  console.log(`refused, as it should be: ${error.message}`);
}
