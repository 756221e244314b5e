# Verifies signed webhooks with the reference library, and prints how many it accepted.
import base64, json
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

accepted = 0
for case in json.load(open("webhooks.json")):
    body = base64.b64decode(case["body"])
    try:
        Webhook(case["secret"]).verify(body, case["headers"])
        accepted += 1
        assert case["valid"], case
    except WebhookVerificationError:
        assert not case["valid"], case
print(accepted)
