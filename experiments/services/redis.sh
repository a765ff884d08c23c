#!/bin/bash
# A Redis primary on 127.0.0.1:16379 with one replica on 16380. Each write of the primary goes to
# an append-only file on a file system of 128 MiB of its own.
#
#   sudo experiments/services/redis.sh start [primary|replica]
#   sudo experiments/services/redis.sh stop [primary|replica]
#   experiments/services/redis.sh status
#
# Pid files: /var/lib/ordeal-services/redis/PART.pid.
set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

redis=$base/redis
parts=(primary replica)

port_of() {
  case $1 in
    primary) echo $((16379 + ports_from)) ;;
    replica) echo $((16380 + ports_from)) ;;
    *) die "no part is called $1: ${parts[*]}" ;;
  esac
}

write_config() {
  cat >"$redis/$1.conf" <<EOF
bind 127.0.0.1
port $(port_of "$1")
daemonize yes
pidfile $redis/$1.pid
logfile $redis/$1.log
dir $redis/$1
save ""
EOF
  if [ "$1" = primary ]; then
    printf 'appendonly yes\nappendfsync everysec\n' >>"$redis/$1.conf"
  else
    printf 'replicaof 127.0.0.1 %s\nrepl-ping-replica-period 1\nrepl-timeout 5\n' \
      "$(port_of primary)" >>"$redis/$1.conf"
  fi
}

responds() {
  [ "$(redis-cli -p "$1" PING 2>/dev/null)" = PONG ]
}

start_part() {
  local port
  port=$(port_of "$1")
  is_running "$redis/$1.pid" && return 0
  rm -f "$redis/$1.pid"
  if [ "$1" = primary ]; then mount_small "$redis/primary" 128m; else make_folder "$redis/$1"; fi
  write_config "$1"
  "${run_as[@]}" redis-server "$redis/$1.conf"
  wait_for 10 responds "$port" || die "$1 does not answer on port $port"
}

start() {
  prepare
  need redis-server redis-server
  need redis-cli redis-tools
  make_folder "$redis"
  local part
  for part in "$@"; do start_part "$part"; done
}

stop() {
  local part
  for part in "$@"; do
    port_of "$part" >/dev/null
    stop_pid "$redis/$part.pid"
  done
}

case ${1:-} in
  start)
    shift
    start "${@:-${parts[@]}}"
    ;;
  stop)
    if [ $# -gt 1 ]; then
      stop "${@:2}"
    else
      stop replica primary
      unmount_small "$redis/primary"
    fi
    ;;
  status)
    for part in "${parts[@]}"; do
      if is_running "$redis/$part.pid"; then
        echo "$part pid $(cat "$redis/$part.pid") port $(port_of "$part")"
      else
        echo "$part stopped"
      fi
    done
    ;;
  *) die "start [PART...] | stop [PART...] | status; parts: ${parts[*]}" ;;
esac
