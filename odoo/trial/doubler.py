"""A network that repeats: whatever the service tells Odoo arrives twice, at once."""

import http.client
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Doubler:
    """Passes each request on twice and answers with one of the two answers, by turns; counts what Odoo answered."""

    def __init__(self, port, odoo_port):
        self.odoo_port = odoo_port
        self.url = f"http://127.0.0.1:{port}"
        self.statuses = Counter()
        self.lock = threading.Lock()
        self.pool = ThreadPoolExecutor(32)
        doubler = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                doubler.pass_on(self)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def pass_on(self, asked):
        body = asked.rfile.read(int(asked.headers.get("Content-Length", 0)))
        headers = {name: value for name, value in asked.headers.items() if name.lower() not in ("host", "connection")}
        sent = [self.pool.submit(self.send, asked.path, body, headers) for _ in range(2)]
        answers = [answer for answer in (one.result() for one in sent) if answer]
        if not answers:
            asked.close_connection = True
            return
        with self.lock:
            self.statuses.update(status for status, _, _ in answers)
            turn = sum(self.statuses.values()) // 2 % len(answers)
        status, kept, text = answers[turn]
        try:
            self.answer(asked, status, kept, text)
        except ConnectionError:
            asked.close_connection = True  # It did not wait for us.

    @staticmethod
    def answer(asked, status, kept, text):
        asked.send_response(status)
        for name, value in kept:
            asked.send_header(name, value)
        asked.send_header("Content-Length", str(len(text)))
        asked.end_headers()
        asked.wfile.write(text)

    def send(self, path, body, headers):
        """Odoo's answer, or nothing where it cannot be reached."""
        connection = http.client.HTTPConnection("127.0.0.1", self.odoo_port, timeout=60)
        try:
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            kept = [(name, value) for name, value in answer.getheaders() if name.lower() in ("content-type", "retry-after")]
            return answer.status, kept, answer.read()
        except OSError:
            return None
        finally:
            connection.close()
