// A provider of OpenID Connect on this machine, for tests. It prints its issuer.
import { createServer } from "node:http";
import { Provider } from "oidc-provider";

const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: process.env.CLIENT_ID,
        client_secret: process.env.CLIENT_SECRET,
        token_endpoint_auth_method: "client_secret_basic",
        redirect_uris: [process.env.REDIRECT_URI],
      },
    ],
    pkce: { required: () => true },
    claims: { openid: ["sub"], email: ["email", "email_verified"] },
    cookies: { keys: ["for tests only"] },
    features: { devInteractions: { enabled: true } },
    // Accounts are addresses. One that begins with "unverified:" is not verified.
    findAccount: (context, id) => ({
      accountId: id,
      claims: () => ({
        sub: id,
        email: id.replace(/^unverified:/, ""),
        email_verified: !id.startsWith("unverified:"),
      }),
    }),
  });
  // Its pages load a font from the Internet.
  provider.use(async (context, next) => {
    await next();
    if (typeof context.body === "string") context.body = context.body.replace(/@import url\([^)]*\);/, "");
  });
  server.on("request", provider.callback());
  console.log(issuer);
});
