#!/bin/bash
# A shop: nginx on 127.0.0.1:8080 in front of three backends on 9001, 9002 and 9003, each an nginx
# of its own, so that one can be killed or paused alone.
#
#   sudo experiments/services/shop.sh start          all of it
#   sudo experiments/services/shop.sh start backend-2   only this one (again)
#   sudo experiments/services/shop.sh stop [PART]
#   experiments/services/shop.sh status              parts and pids
#
# Pid files: /var/lib/ordeal-services/shop/PART.pid. Logs: shop/log, a file system of 128 MiB.
set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

shop=$base/shop
parts=(backend-1 backend-2 backend-3 front)

# What every instance has: its own pid file, one worker, nothing in the package's folders.
write_head() {
  cat <<EOF
daemon on;
worker_processes 1;
pid $shop/$1.pid;
error_log $shop/log/$1.error.log;
events { worker_connections 1024; }
EOF
}

write_paths() {
  local kind
  for kind in client_body proxy fastcgi uwsgi scgi; do
    echo "  ${kind}_temp_path $shop/tmp/$1-$kind;"
  done
}

write_backend() {
  local port
  port=$(port_of "$1")
  {
    write_head "$1"
    cat <<EOF
http {
$(write_paths "$1")
  access_log off;
  keepalive_requests 100000;
  server {
    listen 127.0.0.1:$port;
    location / {
      default_type text/plain;
      return 200 "$1\n";
    }
  }
}
EOF
  } >"$shop/$1.conf"
}

# The front keeps connections to its backends (a delay costs one packet, not a handshake too),
# gives up on a backend that does not answer within 300 ms, and asks the next one.
write_front() {
  {
    write_head front
    cat <<EOF
http {
$(write_paths front)
  access_log $shop/log/access.log;
  keepalive_requests 100000;
  upstream backends {
    server 127.0.0.1:$(port_of backend-1) max_fails=1 fail_timeout=2s;
    server 127.0.0.1:$(port_of backend-2) max_fails=1 fail_timeout=2s;
    server 127.0.0.1:$(port_of backend-3) max_fails=1 fail_timeout=2s;
    keepalive 16;
  }
  server {
    listen 127.0.0.1:$(port_of front);
    location / {
      proxy_pass http://backends;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_connect_timeout 300ms;
      proxy_read_timeout 300ms;
      proxy_next_upstream error timeout http_502 http_503 http_504;
    }
  }
}
EOF
  } >"$shop/front.conf"
}

port_of() {
  case $1 in
    front) echo $((8080 + ports_from)) ;;
    backend-[123]) echo $((9000 + ${1#backend-} + ports_from)) ;;
    *) die "no part is called $1: ${parts[*]}" ;;
  esac
}

start_part() {
  local port
  port=$(port_of "$1")
  is_running "$shop/$1.pid" && return 0
  rm -f "$shop/$1.pid"
  if [ "$1" = front ]; then write_front; else write_backend "$1"; fi
  "${run_as[@]}" nginx -p "$shop" -c "$shop/$1.conf" -e "$shop/log/$1.error.log"
  wait_for 5 answers_on "$port" || die "$1 does not answer on port $port"
}

start() {
  prepare
  need nginx nginx
  make_folder "$shop"
  make_folder "$shop/tmp"
  mount_small "$shop/log" 128m
  local part
  for part in "$@"; do start_part "$part"; done
}

stop() {
  local part
  for part in "$@"; do
    port_of "$part" >/dev/null
    stop_pid "$shop/$part.pid"
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
      stop front backend-1 backend-2 backend-3
      unmount_small "$shop/log"
    fi
    ;;
  status)
    for part in "${parts[@]}"; do
      if is_running "$shop/$part.pid"; then
        echo "$part pid $(cat "$shop/$part.pid") port $(port_of "$part")"
      else
        echo "$part stopped"
      fi
    done
    ;;
  *) die "start [PART...] | stop [PART...] | status; parts: ${parts[*]}" ;;
esac
