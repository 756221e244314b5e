// A stock application for the Cloud API: a client library verifies and reads the webhooks. It prints one line for each object that it read.
import { createServer } from 'node:http';
import { normalizeWebhook, verifySignature } from '@kapso/whatsapp-cloud-api/server';

const [, , appSecret, verifyToken] = process.argv;
const say = (line) => process.stdout.write(JSON.stringify(line) + '\n');

function read(webhook) {
  const history = webhook.raw.history ?? [];
  for (const m of webhook.messages) {
    if (m.kapso?.source === 'smb_message_echo') say({ kind: 'echo', id: m.id, text: m.text?.body });
    else say({ kind: history.length ? 'media' : 'message', id: m.id, text: m.text?.body });
  }
  for (const s of webhook.statuses) say({ kind: 'status', id: s.id, status: s.status });
  for (const chunk of history.flatMap((v) => v.history ?? [])) {
    for (const m of (chunk.threads ?? []).flatMap((t) => t.messages)) say({ kind: 'history', id: m.id, text: m.text?.body });
  }
  for (const _ of history.flatMap((v) => [...(v.errors ?? []), ...(v.history ?? []).filter((c) => c.errors)])) say({ kind: 'other', id: 'history' });
  for (const e of (webhook.raw.messages ?? []).flatMap((v) => v.errors ?? [])) say({ kind: 'error', id: String(e.code) });
  for (const s of (webhook.raw.smbAppStateSync ?? []).flatMap((v) => v.stateSync)) {
    say({ kind: 'contact', id: s.contact.phoneNumber ?? s.contact.userId, text: s.contact.fullName, status: s.action });
  }
  for (const field of Object.keys(webhook.raw)) {
    if (!['messages', 'smbMessageEchoes', 'history', 'smbAppStateSync'].includes(field)) {
      say({ kind: 'other', id: field.replace(/[A-Z]/g, (c) => '_' + c.toLowerCase()) });
    }
  }
}

const server = createServer(async (request, response) => {
  const end = (status, body) => response.writeHead(status).end(body);
  const query = new URL(request.url, 'http://localhost').searchParams;
  if (request.method === 'GET') {
    return query.get('hub.verify_token') === verifyToken ? end(200, query.get('hub.challenge')) : end(403);
  }
  const parts = [];
  for await (const part of request) parts.push(part);
  const rawBody = Buffer.concat(parts);
  if (!verifySignature({ appSecret, rawBody, signatureHeader: request.headers['x-hub-signature-256'] })) {
    say({ kind: 'forged' });
    return end(401);
  }
  try {
    read(normalizeWebhook(JSON.parse(rawBody.toString('utf8'))));
  } catch (e) {
    say({ kind: 'fault', text: `${e}` });
  }
  end(200);
});
server.listen(0, '127.0.0.1', () => say({ kind: 'ready', id: String(server.address().port) }));
