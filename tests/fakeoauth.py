"""Hugging Face's side of signing in on a Space, on loopback: discovery, the person's consent, codes and tokens."""

import base64
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs, urlencode, urlsplit

CLIENT, SECRET = "the-space", "its-secret"


@dataclass
class FakeOAuth:
    """`with FakeOAuth() as oauth:` its address is oauth.url. Whoever is asked says yes, and gets `token`.

    codes   given and not yet exchanged → the address that they were asked for with
    bodies  of what was posted
    """

    token: str = "hf_oauth_of_ann"
    lasts: int = 3600
    codes: dict[str, str] = field(default_factory=dict)
    bodies: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"oauth": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    @property
    def variables(self) -> dict[str, str]:
        """What a Space finds in its environment."""
        return {
            "SPACE_ID": "me/chat",
            "SPACE_HOST": "me-chat.hf.space,chat.example.org",
            "OAUTH_CLIENT_ID": CLIENT,
            "OAUTH_CLIENT_SECRET": SECRET,
            "OAUTH_SCOPES": "openid profile gated-repos",
            "OPENID_PROVIDER_URL": self.url,
        }


class _Handler(BaseHTTPRequestHandler):
    oauth: FakeOAuth

    def log_message(self, *arguments: object) -> None: ...

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path == "/.well-known/openid-configuration":
            places = {"authorization_endpoint": f"{self.oauth.url}/oauth/authorize", "token_endpoint": f"{self.oauth.url}/oauth/token"}
            self.answer(200, places)
        elif url.path == "/oauth/authorize" and asked["client_id"] == CLIENT:
            code = f"code-{len(self.oauth.codes) + 1}"
            self.oauth.codes[code] = asked["redirect_uri"]
            self.send_response(302)
            self.send_header("Location", f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}")
            self.end_headers()
        else:
            self.answer(404, {"error": "not_found"})

    def do_POST(self) -> None:
        """A code is exchanged once, by the Space that knows its secret, with the address that it was asked for with."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.oauth.bodies.append(body)
        given = {name: values[0] for name, values in parse_qs(body).items()}
        known = self.headers.get("Authorization") == "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        wanted = self.oauth.codes.pop(given.get("code", ""), None)
        if known and given.get("grant_type") == "authorization_code" and wanted is not None and wanted == given.get("redirect_uri"):
            self.answer(200, {"access_token": self.oauth.token, "token_type": "bearer", "expires_in": self.oauth.lasts})
        else:
            self.answer(400, {"error": "invalid_grant", "error_description": "Invalid code"})

    def answer(self, status: int, said: dict[str, object]) -> None:
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
