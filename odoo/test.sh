#!/usr/bin/env bash
# Runs the addon's own tests in a real Odoo, on a database of its own, which is dropped afterwards.
#
#   ODOO_SRC=/opt/odoo odoo/test.sh [tags]
#
#   ODOO_SRC      a tree of Odoo 18 or 19 (with odoo-bin); without it nothing is run, and that is said
#   ODOO_PYTHON   an interpreter with its requirements; else the python3 at hand
#   ODOO_MODULES  modules to install beside the addon, e.g. `sale`, for which some tests wait
#   PGHOST, PGPORT, PGUSER, PGPASSWORD  a Postgres whose user may create databases; else one is started for the while
#   [tags]        as Odoo's --test-tags; else all of the addon's
set -euo pipefail
cd "$(dirname "$0")"

skip() {
  echo "addon-test: SKIPPED: $1"
  exit 0
}

fail() {
  echo "addon-test: $1" >&2
  exit 1
}

# Where Postgres's programs are, in Debian's place or in the path.
postgres_programs() {
  local found
  found=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -rV | head -n 1)
  [ -n "$found" ] || found=$(dirname "$(command -v initdb)" 2>/dev/null) || return 1
  echo "$found"
}

# A server in $work, reached by its socket only. It does not run as root.
start_postgres() {
  local programs as=()
  programs=$(postgres_programs) || fail "no Postgres: set PGHOST, or install postgresql"
  if [ "$(id -u)" -eq 0 ]; then
    as=(runuser -u postgres --)
    chown postgres "$work"
  fi
  chmod 711 "$work"
  "${as[@]}" "$programs/initdb" -D "$work/data" -U odoo -A trust >"$work/initdb.log" 2>&1 || fail "$(tail -n 3 "$work/initdb.log")"
  stop_postgres=("${as[@]}" "$programs/pg_ctl" -D "$work/data" -m immediate -w stop)
  "${as[@]}" "$programs/pg_ctl" -D "$work/data" -l "$work/data/log" -w -o "-c listen_addresses= -k $work -c fsync=off" \
    start >/dev/null || fail "Postgres did not start: $(tail -n 3 "$work/data/log")"
  export PGHOST=$work PGUSER=odoo PGPORT=5432
  unset PGPASSWORD
}

end() {
  if [ -n "${database:-}" ]; then "$python" - "$database" <<<"$drop" || true; fi
  if [ -n "${stop_postgres:-}" ]; then "${stop_postgres[@]}" >/dev/null || true; fi
  rm -rf "$work"
}

drop='
import sys, psycopg2
connection = psycopg2.connect(dbname="postgres")
connection.autocommit = True
connection.cursor().execute("DROP DATABASE IF EXISTS " + sys.argv[1])
'

[ -n "${ODOO_SRC:-}" ] || skip "ODOO_SRC names no tree of Odoo"
[ -f "$ODOO_SRC/odoo-bin" ] || fail "$ODOO_SRC holds no odoo-bin"
python=${ODOO_PYTHON:-python3}
series=$(sed -n 's/^version_info = (\([0-9]*\), *\([0-9]*\),.*/\1.\2/p' "$ODOO_SRC/odoo/release.py")
case $series in
18.0 | 19.0) ;;
*) skip "the addon is for Odoo 18 and 19, and $ODOO_SRC is ${series:-of no release}" ;;
esac
lacking=$(cd "$ODOO_SRC" && "$python" -c 'import lxml, psycopg2, requests, werkzeug, odoo' 2>&1 | tail -n 1) || true
[ -z "$lacking" ] || skip "$python cannot run it: $lacking"

addons=
for folder in "$ODOO_SRC/addons" "$ODOO_SRC/odoo/addons"; do
  if [ -d "$folder/account_payment" ]; then addons=$folder; fi
done
[ -n "$addons" ] || skip "$ODOO_SRC lacks the module account_payment"

work=$(mktemp -d)
trap end EXIT
[ -n "${PGHOST:-}" ] || start_postgres
database=quittance_addon_test_$$
port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
options=(-d "$database" --db_host "$PGHOST" --db_user "${PGUSER:-odoo}" --addons-path "$addons,$PWD" --data-dir "$work/files"
  --without-demo all --max-cron-threads 0 --http-interface 127.0.0.1 --http-port "$port" --stop-after-init)
[ -z "${PGPORT:-}" ] || options+=(--db_port "$PGPORT")
[ -z "${PGPASSWORD:-}" ] || options+=(--db_password "$PGPASSWORD")
[ "$(id -u)" -ne 0 ] || [ -n "${USER:-}" ] || export USER=root

echo "addon-test: Odoo $series"
outcome=0
"$python" "$ODOO_SRC/odoo-bin" "${options[@]}" -i "payment_quittance${ODOO_MODULES:+,$ODOO_MODULES}" \
  --test-tags "${1:-/payment_quittance}" >"$work/log" 2>&1 || outcome=$?
# What core's own tests provoke is no news: only what is the addon's, and the sum.
grep -E ' (ERROR|CRITICAL) |FAIL: |ERROR: ' "$work/log" | tail -n 40 || true
grep -E 'odoo.tests.(stats|result): ' "$work/log" | sed 's/.*odoo\.tests\./addon-test: /' | tail -n 2 || true
grep -oE 'skipped .*' "$work/log" | sort | uniq -c || true
if [ "$outcome" -ne 0 ]; then cp "$work/log" "${TMPDIR:-/tmp}/addon-test.log"; echo "addon-test: the log is ${TMPDIR:-/tmp}/addon-test.log"; fi
exit "$outcome"
