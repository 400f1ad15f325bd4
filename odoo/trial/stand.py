"""The service with the pretend Stripe behind it: the program `stand` of the sandbox."""

import json
import subprocess
import urllib.parse
import urllib.request

from report import Failed


class Stand:
    """Started with the object, ended with `stop`."""

    def __init__(self, *settings):
        self.process = subprocess.Popen(
            ["target/debug/stand", *settings], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        line = self.process.stdout.readline()
        if not line:
            raise Failed("the stand did not start")
        self.told = json.loads(line)

    def __getattr__(self, name):
        return self.__dict__["told"][name]

    def order(self, *words):
        """Give an order, and return its answer."""
        self.process.stdin.write(" ".join(str(word) for word in words) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise Failed(f"{words}: {answer['error']}")
        return answer

    def stripe(self, path, **form):
        """Ask the pretend Stripe as the merchant: a POST where there is a form."""
        body = urllib.parse.urlencode(form).encode() if form else None
        request = urllib.request.Request(f"{self.stripe_url}/v1/{path}", body)
        request.add_header("Authorization", f"Bearer {self.stripe_secret_key}")
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def service(self, path):
        """Read from the service as its operator."""
        request = urllib.request.Request(f"{self.service_url}{path}")
        request.add_header("Authorization", f"Bearer {self.operator_key}")
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def pages(self, path):
        """All items of a list of the service's."""
        items, cursor = [], ""
        while cursor is not None:
            page = self.service(f"{path}{'&' if '?' in path else '?'}limit=100{cursor}")
            items += page["data"]
            following = page.get("next_cursor")
            cursor = f"&cursor={urllib.parse.quote(following)}" if following else None
        return items

    def stop(self):
        self.process.stdin.close()
        self.process.wait(60)
