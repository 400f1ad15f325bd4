#!/usr/bin/env bash
# Pays in a real Odoo, at a real browser, against the real service with a pretend Stripe behind it; also in target/trial/report.json.
#
#   ODOO_SRC=/path/to/odoo [ODOO_PYTHON=/path/to/python] scripts/odoo-trial.sh [story] [load] [bench]
#
# ODOO_PYTHON has Odoo's own requirements. Odoo's database is made in the server of PGHOST, PGPORT, PGUSER and PGPASSWORD, else in a
# Postgres of the trial's own. ODOO_TRIAL_PORT and the three ports after it are used, 8069 where it is not said.
set -euo pipefail
cd "$(dirname "$0")/.."

[ -n "${ODOO_SRC:-}" ] || { echo "quittance: say where Odoo is: ODOO_SRC=/path/to/odoo" >&2; exit 1; }
scripts/prepare.sh postgres trial
"${CARGO:-cargo}" build --bin quittance
"${CARGO:-cargo}" build --package quittance-sandbox --bin stand
exec target/trial-python/bin/python odoo/trial "$@"
