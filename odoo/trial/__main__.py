"""Pays in a real Odoo, at a real browser, against the real service with a pretend Stripe behind it.

    ODOO_SRC=… [ODOO_PYTHON=…] scripts/odoo-trial.sh [story] [load] [bench]

All parts where none is named. Nothing of it reaches beyond this machine: Stripe's page and Stripe.js are the sandbox's stand-ins.
"""

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import bench  # noqa: E402
import load  # noqa: E402
from doubler import Doubler  # noqa: E402
from server import Odoo  # noqa: E402
from report import PLACE, Report  # noqa: E402
from shop import Shop  # noqa: E402
from shopper import browser  # noqa: E402
from stand import Stand  # noqa: E402
from story import UNTIDY, Story  # noqa: E402

PARTS = ("story", "load", "bench")
MODULES = ("sale", "website_sale", "payment_stripe", "payment_quittance")


def main(parts):
    unknown = set(parts) - set(PARTS)
    if unknown:
        sys.exit(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    PLACE.mkdir(parents=True, exist_ok=True)
    (PLACE / "failures.log").write_text("")
    port = int(os.environ.get("ODOO_TRIAL_PORT", "8069"))
    stand, report = Stand(), Report()
    odoo = Odoo(stand, os.environ.get("ODOO_TRIAL_DATABASE", "quittance_trial"), port)
    try:
        print(f"Odoo of {odoo.tree}, installing {', '.join(MODULES)}", flush=True)
        odoo.install(MODULES)
        odoo.start()
        doubler = Doubler(port + 2, port)
        shop = Shop(odoo, stand)
        shop.connect(doubler.url)
        play(parts or PARTS, shop, stand, doubler, report)
    finally:
        odoo.stop()
        stand.stop()
    return report.end()


def play(parts, shop, stand, doubler, report):
    if "story" in parts:
        with browser() as running:
            Story(shop, stand, running, report).tell()
    if "load" in parts:
        stand.order(*UNTIDY)
        sentence = f"{load.PAYMENTS} payments, {load.AT_ONCE} at once, all news twice: 0 lost, 0 double, no error that a customer sees"
        report.scene(sentence, lambda: load.run(shop, stand, doubler, report))
    if "bench" in parts:
        report.scene("News is applied at least 3 times as fast as by payment_stripe, accounting on both sides or on neither", lambda: bench.run(shop, report))
        sentence = "A checkout's call to the service adds less than 100 ms to Stripe's own time"
        report.scene(sentence, lambda: bench.checkout(shop, stand, report))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
