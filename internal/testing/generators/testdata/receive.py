# An application for the Cloud API: pywa verifies the webhooks and reads their updates. It prints one line for each object. The objects come of
# the raw updates, because pywa 4 makes types only of webhooks in which each contact has a user_id.
import json, logging, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse
from pywa import WhatsApp

lock = threading.Lock()


def say(kind, **line):
    with lock:
        print(json.dumps({"kind": kind, **{k: v for k, v in line.items() if v}}), flush=True)


logging.getLogger("pywa").setLevel(logging.CRITICAL)
wa = WhatsApp(
    phone_id="1", token="none", server=None, app_secret=sys.argv[1], verify_token=sys.argv[2],
    validate_updates=True, filter_updates=False, skip_duplicate_updates=False,
)


def messages(kind, array):
    for m in array:
        say(kind, id=m["id"], text=m.get("text", {}).get("body"))


@wa.on_raw_update
def read(_, update):
    v = update.value
    match update.field:
        case "messages":
            messages("message", v.get("messages", []))
            for s in v.get("statuses", []):
                say("status", id=s["id"], status=s["status"])
            for e in v.get("errors", []):
                say("error", id=str(e["code"]))
        case "smb_message_echoes":
            messages("echo", v["message_echoes"])
        case "history":
            messages("media", v.get("messages", []))
            for _ in v.get("errors", []):
                say("other", id="history")
            for chunk in v.get("history", []):
                if "errors" in chunk:
                    say("other", id="history")
                for thread in chunk.get("threads", []):
                    messages("history", thread["messages"])
        case "smb_app_state_sync":
            for s in v["state_sync"]:
                c = s["contact"]
                say("contact", id=c.get("phone_number") or c.get("user_id"), text=c.get("full_name"), status=s["action"])
        case field:
            say("other", id=field)


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, body, status):
        body = (body or "").encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        q = parse_qs(urlparse(self.path).query)
        self.answer(*wa.webhook_challenge_handler(q.get("hub.verify_token", [None])[0], q.get("hub.challenge", [None])[0]))

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        refused = wa.webhook_update_validator(body, self.headers.get("X-Hub-Signature-256"))
        if refused:
            say("forged")
        self.answer(*(refused or wa.webhook_update_handler(body)))

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
say("ready", id=str(server.server_address[1]))
server.serve_forever()
