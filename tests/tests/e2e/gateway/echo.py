"""A service that knows nothing of tokens, and tells what it saw: `python3 echo.py PORT`.

Each request is a line of JSON on standard output, and the answer is the same. It is as careless as a
service may be: it keeps connections open, and reads a body only with the methods that it expects one of.
"""

import base64
import hashlib
import http.server
import json
import re
import socketserver
import sys

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Echo(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def seen(self, body=""):
        """With the variables that CGI, or something as forgiving, makes of the headers."""
        variables = {}
        for name, value in self.headers.items():
            variable = "HTTP_" + re.sub("[^A-Z0-9]", "_", name.upper())
            variables.setdefault(variable, []).append(value)
        seen = {
            "method": self.command,
            "path": self.path,
            "headers": self.headers.items(),
            "variables": variables,
            "body": body,
        }
        text = json.dumps(seen)
        print(text, flush=True)
        return text.encode()

    def answer(self, body=""):
        text = self.seen(body)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        # What a service that was taken over would try.
        if "?taken-over" in self.path:
            self.send_header("X-Accel-Redirect", "/session")
            self.send_header("Set-Cookie", "__Secure-session=planted; Path=/session; Secure")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def do_GET(self):
        wanted = self.headers.get("Connection", "").lower() == "upgrade"
        if wanted and self.headers.get("Upgrade", "").lower() == "websocket":
            self.websocket()
        else:
            self.answer()

    do_HEAD = do_DELETE = do_OPTIONS = answer

    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        self.answer(self.rfile.read(length).decode("latin-1"))

    do_PUT = do_PATCH = do_POST

    def websocket(self):
        """Says whose it is in the one message that there is (RFC 6455), and waits for the end."""
        self.seen()
        key = self.headers["Sec-WebSocket-Key"] + GUID
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", accept)
        self.end_headers()
        message = self.headers["X-User-Id"].encode()
        self.wfile.write(bytes([0x81, len(message)]) + message)
        self.rfile.read(1)
        self.close_connection = True

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


server = Server(("127.0.0.1", int(sys.argv[1])), Echo)
print("listening on", server.server_port, flush=True)
server.serve_forever()
