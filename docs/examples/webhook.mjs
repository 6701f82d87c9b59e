// A receiver of webhooks: prints what it is told. USERDOCKS_WEBHOOK_SECRET is what `userdocks webhook create` showed.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';

const key = Buffer.from(process.env.USERDOCKS_WEBHOOK_SECRET.replace('whsec_', ''), 'base64');
const seen = new Set(); // in earnest: a table, so that a restart does not forget

function verify(headers, body) {
  const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures } = headers;
  // What was recorded long ago is not to be played again.
  if (!(Math.abs(Date.now() / 1000 - timestamp) < 300)) return false;
  const expected = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest();
  return (signatures ?? '').split(' ').some((signature) => {
    const [version, text] = signature.split(',');
    const given = Buffer.from(text ?? '', 'base64');
    return version === 'v1' && given.length === expected.length && timingSafeEqual(given, expected);
  });
}

const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks); // the bytes as they came: JSON that is written anew has another signature
  if (!verify(request.headers, body)) return response.writeHead(401).end();
  const id = request.headers['webhook-id'];
  if (!seen.has(id)) {
    const { type, data } = JSON.parse(body);
    console.log(type, data.userId);
    seen.add(id);
  }
  response.writeHead(204).end();
});
server.listen(process.env.PORT ?? 3000, '127.0.0.1', () => console.log('listening on', server.address().port));
