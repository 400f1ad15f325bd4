#!/bin/bash
# Makes a cluster on the first start, with POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB and what is in /docker-entrypoint-initdb.d;
# then serves it.
set -euo pipefail

export PGDATA=${PGDATA:-/var/lib/postgresql/data}
user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}
programs=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
PATH=$programs:$PATH

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  initdb --username="$user" --pwfile=<(echo "${POSTGRES_PASSWORD:?}") --auth-local=trust --auth-host=scram-sha-256 >/dev/null
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
  # On its socket only, so that nobody takes it for ready.
  pg_ctl --wait --silent --options="-c listen_addresses='' -c unix_socket_directories=/tmp" start
  [ "$database" = postgres ] || createdb --host=/tmp --username="$user" "$database"
  for file in /docker-entrypoint-initdb.d/*.sql; do
    [ -e "$file" ] && psql --host=/tmp --username="$user" --dbname="$database" --set=ON_ERROR_STOP=1 --file="$file"
  done
  pg_ctl --wait --silent --mode=fast stop
fi
exec postgres -c listen_addresses='*' -c unix_socket_directories=/tmp
