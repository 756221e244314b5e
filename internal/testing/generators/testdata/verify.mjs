// Verifies signed webhooks with the reference library, and prints how many it accepted.
import { readFileSync } from 'node:fs';
import { Webhook, WebhookVerificationError } from 'standardwebhooks';

let accepted = 0;
for (const c of JSON.parse(readFileSync('webhooks.json', 'utf8'))) {
  let valid = true;
  try {
    new Webhook(c.secret).verify(Buffer.from(c.body, 'base64').toString('utf8'), c.headers);
    accepted++;
  } catch (e) {
    if (!(e instanceof WebhookVerificationError)) throw e;
    valid = false;
  }
  if (valid !== c.valid) throw new Error(JSON.stringify(c));
}
console.log(accepted);
