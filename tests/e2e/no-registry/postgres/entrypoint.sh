#!/bin/bash
set -euo pipefail
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  rm -rf "$PGDATA.new"
  initdb --pgdata="$PGDATA.new" --encoding=UTF8 --locale=C.UTF-8 --username=postgres \
    --auth-local=trust --auth-host=scram-sha-256 --pwfile=<(echo "$POSTGRES_PASSWORD")
  echo "host all all all scram-sha-256" >>"$PGDATA.new/pg_hba.conf"
  rm -rf "$PGDATA" && mv "$PGDATA.new" "$PGDATA"
fi
exec postgres -c listen_addresses='*' -c max_connections=200 -k /tmp "$@"
