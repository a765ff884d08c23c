#!/bin/bash
# A PostgreSQL on 127.0.0.1:15432 with an empty database of its own.
#
#   sudo experiments/services/postgres.sh start
#   sudo experiments/services/postgres.sh stop
#   experiments/services/postgres.sh status
#
# Pid file: /var/lib/ordeal-services/postgres/data/postmaster.pid.
set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

postgres=$base/postgres
data=$postgres/data
bin=/usr/lib/postgresql/15/bin
port=$((15432 + ports_from))

start() {
  prepare
  [ -x "$bin/postgres" ] || die "$bin/postgres is missing: apt-get install postgresql"
  make_folder "$postgres"
  is_running "$data/postmaster.pid" && return 0
  cd "$postgres"
  if [ ! -s "$data/PG_VERSION" ]; then
    "${run_as[@]}" "$bin/initdb" --pgdata="$data" --username=ordeal --auth=trust --no-sync \
      --locale=C --encoding=UTF8 >"$postgres/initdb.log"
  fi
  "${run_as[@]}" "$bin/pg_ctl" start --silent --wait --timeout=30 --pgdata="$data" \
    --log="$postgres/log" --options="-p $port -h 127.0.0.1 -k '' -c autovacuum=off"
}

stop() {
  # A fast shutdown: sessions are ended, data is written.
  stop_pid "$data/postmaster.pid" INT
}

case ${1:-} in
  start) start ;;
  stop) stop ;;
  status)
    if is_running "$data/postmaster.pid"; then
      echo "postgres pid $(head -1 "$data/postmaster.pid") port $port"
    else
      echo "postgres stopped"
    fi
    ;;
  *) die "start | stop | status" ;;
esac
