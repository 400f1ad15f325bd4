"""News applied in a second and what it costs: ours, with the accounting, against Odoo's own payment_stripe.

    ODOO_SRC=/path/to/odoo-19 [ODOO_PYTHON=…] PGHOST=… [PGPORT=… PGUSER=… PGPASSWORD=…] \\
        python3 odoo/bench/news.py [count]

All is measured on the same Odoo, in the same run, one after the other. CPU is what counts on a machine that does
other things as well: that of Odoo's workers, and of Postgres's where its processes are of this machine. What Odoo's own
accounting takes by itself, as many payments at once as a batch has, is measured as well: what no news can do without.

It fails where like is not at least PROMISED times as fast as like: with accounting on both sides, and with none on
either.
"""

import base64
import hashlib
import hmac
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "trial"))

from report import PLACE, Failed, equal  # noqa: E402
from server import Odoo  # noqa: E402

MODULES = ("sale", "payment_stripe", "payment_quittance")
# Stripe has several events on their way at once; of our batches one is, as the second would be put off.
WORKERS, BATCH, EVENTS_AT_ONCE, BATCHES_AT_ONCE = 2, 50, 2, 1
WARM = 2 * BATCH
PROMISED = 3
TICK = os.sysconf("SC_CLK_TCK")


class Bench:
    """One Odoo, and what is sent to it."""

    def __init__(self, count):
        self.count = count
        self.odoo = Odoo(
            None,
            os.environ.get("ODOO_BENCH_DATABASE", "quittance_bench"),
            int(os.environ.get("ODOO_BENCH_PORT", "8069")),
        )
        self.told = None

    def shell(self, call):
        """What a function of `shop` gives, called inside Odoo."""
        with tempfile.NamedTemporaryFile("r", suffix=".json") as answer:
            program = (
                f"import json, sys\nsys.path.insert(0, {str(HERE)!r})\nimport shop\n"
                f"json.dump(shop.{call}, open({answer.name!r}, 'w'))\nenv.cr.commit()\n"
            )
            command = self.odoo.command("--no-http")
            command.insert(2, "shell")
            done = subprocess.run(command, input=program, text=True, capture_output=True, check=False)
            text = answer.read()
        if done.returncode or not text:
            raise Failed(f"{call}: {done.stderr.strip().splitlines()[-1:]}")
        return json.loads(text)

    def run(self):
        """Measure all; the figures by their names."""
        self.odoo.install(MODULES)
        self.told = self.shell(f"prepare(env, {self.count + WARM})")
        self.odoo.start(workers=WORKERS)
        try:
            # What is read for the first time is no part of it.
            theirs = self.measure(self.events(), "/payment/stripe/webhook", per_request=1)
            held = self.measure(self.batches("held"), "/payment/quittance/news", per_request=BATCH)
            payments = self.measure(self.batches("payments"), "/payment/quittance/news", per_request=BATCH)
            bookings = self.measure(self.batches("bookings"), "/payment/quittance/news", per_request=BATCH)
        finally:
            self.odoo.stop()
        later = self.shell("post_process(env)")
        wanted = dict.fromkeys(("stripe", "quittance", "held", "lines"), self.count + WARM)
        equal("all is done", self.shell("look(env)"), wanted)
        floor = self.shell(f"measure_floor(env, {self.count}, {BATCH})")
        accounting = {key: value / later["count"] for key, value in later.items()}
        return {
            "payment_stripe, no accounting": theirs,
            "payment_stripe, accounting by the job": {
                "per_s": 1 / (1 / theirs["per_s"] + accounting["seconds"]),
                "odoo_ms": theirs["odoo_ms"] + 1000 * accounting["cpu"],
            },
            "ours, no accounting (held)": held,
            "Odoo's accounting alone, a batch at once": floor,
            "ours, payments with accounting": payments,
            "ours, bookings": bookings,
        }

    # === Requests === #

    def events(self):
        def sign(body):
            now = int(time.time())
            signature = hmac.new(self.told["secret"].encode(), f"{now}.{body}".encode(), hashlib.sha256).hexdigest()
            return body, {"Stripe-Signature": f"t={now},v1={signature}"}

        return [lambda body=body: sign(body) for body in self.told["events"]]

    def batches(self, kind):
        key = base64.b64decode(self.told["secret"].removeprefix("whsec_"))
        told = self.told[kind]

        def sign(messages):
            batch = {
                "type": "batch",
                "database": self.told["database"],
                "company": self.told["company"],
                "messages": messages,
            }
            body, name, now = json.dumps(batch), messages[0]["id"], int(time.time())
            mac = hmac.new(key, f"{name}.{now}.{body}".encode(), hashlib.sha256).digest()
            signature = f"v1,{base64.b64encode(mac).decode()}"
            return body, {"webhook-id": name, "webhook-timestamp": str(now), "webhook-signature": signature}

        parts = [told[start : start + BATCH] for start in range(0, len(told), BATCH)]
        return [lambda part=part: sign(part) for part in parts]

    # === Measuring === #

    def measure(self, requests, path, per_request):
        """Send the first to warm up, then measure the rest."""
        warm = WARM // per_request
        at_once = BATCHES_AT_ONCE if per_request > 1 else EVENTS_AT_ONCE
        self.send(requests[:warm], path, at_once)
        before, started = self.cpu(), time.monotonic()
        self.send(requests[warm:], path, at_once)
        seconds, used = time.monotonic() - started, [after - was for after, was in zip(self.cpu(), before, strict=True)]
        count = len(requests[warm:]) * per_request
        return {"per_s": count / seconds, "odoo_ms": 1000 * used[0] / count, "postgres_ms": 1000 * used[1] / count}

    def send(self, requests, path, at_once):
        with ThreadPoolExecutor(at_once) as pool:
            list(pool.map(lambda request: self.send_one(request, path), requests))

    def send_one(self, request, path):
        """Send one, and again what another transaction was in the way of, as the service does."""
        waiting = True
        while waiting:
            body, headers = request()
            connection = http.client.HTTPConnection("127.0.0.1", self.odoo.port, timeout=300)
            connection.request("POST", path, body, {"Content-Type": "application/json", **headers})
            answer = connection.getresponse()
            text = answer.read()
            connection.close()
            if answer.status != 200:
                raise Failed(f"{path}: {answer.status} {text[:200]!r}")
            results = json.loads(text)["results"] if path.endswith("/news") else []
            words = {result["result"] for result in results}
            if words - {"applied", "duplicate", "later"}:
                raise Failed(f"{path}: {[result for result in results if result['result'] == 'rejected'][:2]}")
            waiting = "later" in words

    def cpu(self):
        """The seconds that Odoo's processes and Postgres's of this database have worked."""
        statement = f"select pid from pg_stat_activity where datname = '{self.odoo.database.name}'"
        backends = [row[0] for row in self.odoo.database.execute(self.odoo.python, statement)]
        return sum(map(worked, family(self.odoo.server.pid))), sum(map(worked, backends))


def family(pid):
    """A process and those that it started."""
    children = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    ).stdout.split()
    return [pid, *(one for child in children for one in family(int(child)))]


def worked(pid):
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICK


def compare(figures):
    """What is promised, and what is no comparison of like with like, in words; fails where a promise is not kept."""
    event, job = figures["payment_stripe, no accounting"], figures["payment_stripe, accounting by the job"]
    held, payments = figures["ours, no accounting (held)"], figures["ours, payments with accounting"]
    floor = figures["Odoo's accounting alone, a batch at once"]
    kept = {
        "accounting on both sides": (payments["per_s"] / job["per_s"], job["odoo_ms"] / payments["odoo_ms"]),
        "accounting on neither side": (held["per_s"] / event["per_s"], event["odoo_ms"] / held["odoo_ms"]),
    }
    for name, (rate, work) in kept.items():
        print(f"{name}: {rate:.1f} times as many in a second, {work:.1f} times as many for the same CPU of Odoo")
    print(
        f"accounting on our side alone: {payments['per_s'] / event['per_s']:.2f} times as many in a second,"
        f" {event['odoo_ms'] / payments['odoo_ms']:.2f} times as many for the same CPU of Odoo"
    )
    print(
        f"Odoo's accounting alone, a batch at once by its own methods: {floor['odoo_ms']:.1f} ms of CPU for each, where"
        f" {PROMISED} times the bare event's speed would leave {event['odoo_ms'] / PROMISED:.1f} ms for all of it"
    )
    for name, (rate, _work) in kept.items():
        if rate < PROMISED:
            raise Failed(f"{name}: {rate:.2f} times as many, not {PROMISED}")


def main():
    PLACE.mkdir(parents=True, exist_ok=True)
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    figures = Bench(count - count % BATCH).run()
    for name, values in figures.items():
        print(f"{name:42}" + "".join(f"{key} {value:8.1f}   " for key, value in values.items()))
    Path("target/addon-bench.json").write_text(json.dumps(figures, indent=1))
    compare(figures)


if __name__ == "__main__":
    main()
