#!/bin/bash
# Requests a second that one core sends over 64 connections, to an nginx of its own.
#   http.sh BENCH_HTTP [ROUNDS]
set -euo pipefail
folder=$(mktemp --directory)
trap 'kill "$(cat "$folder/pid")"; rm -rf "$folder"' EXIT
cat > "$folder/nginx.conf" <<CONF
worker_processes 1; pid $folder/pid; error_log $folder/error.log;
events { worker_connections 1024; }
http { access_log off; keepalive_requests 1000000;
  server { listen 127.0.0.1:18099; location / { return 200 "ok"; } } }
CONF
nginx -c "$folder/nginx.conf" 2>/dev/null
echo "http probe on one core, nginx on the other (bar: 20000 requests/s)"
for _ in $(seq "${2:-5}"); do
  printf '  '; taskset --cpu-list 0 "$1" http://127.0.0.1:18099/ 3
done
