#!/bin/bash
# Understands the variables of the public image that jobs/postgres.nomad.hcl sets:
# PGDATA, POSTGRES_USER, POSTGRES_DB, POSTGRES_PASSWORD_FILE.
set -euo pipefail
if [ "$1" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
  # A first start that was cut off leaves a folder that neither initdb nor postgres accepts; it holds nothing yet.
  rm -rf "$PGDATA.new"
  initdb --pgdata="$PGDATA.new" --username="$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" \
    --auth-local=scram-sha-256 --auth-host=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8
  echo "host all all all scram-sha-256" >>"$PGDATA.new/pg_hba.conf"
  echo "CREATE DATABASE \"$POSTGRES_DB\";" | postgres --single -D "$PGDATA.new" postgres >/dev/null
  rm -rf "$PGDATA"
  mv "$PGDATA.new" "$PGDATA"
fi
exec "$@"
