# What the service scripts share. Sourced, not run.
#
# Each script copies itself into $base, so that an experiment can name it by an absolute path
# (`restore: { argv: [/var/lib/ordeal-services/shop.sh, start, ...] }`) wherever this repository is.
# Only root can write there; the services themselves run as nobody.
#
# ORDEAL_SERVICES names another folder, ORDEAL_PORTS is added to every port: scripts/demo uses both.
# The copies remember them.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
base=${ORDEAL_SERVICES:-/var/lib/ordeal-services}
ports_from=${ORDEAL_PORTS:-0}
# shellcheck source=/dev/null
if [ -r "$here/settings" ]; then . "$here/settings"; fi
run_as=(setpriv --reuid=nobody --regid=nogroup --clear-groups)

die() {
  echo "$(basename "$0"): $*" >&2
  exit 1
}

need() {
  command -v "$1" >/dev/null || die "$1 is missing: apt-get install $2"
}

prepare() {
  [ "$(id -u)" = 0 ] || die "must be started as root (the services run as nobody)"
  mkdir -p "$base"
  if [ "$here" != "$base" ]; then
    install -m 0755 "$here"/*.sh "$base"
    printf 'base=%q\nports_from=%q\n' "$base" "$ports_from" >"$base/settings"
  fi
}

# make_folder PATH: a folder of nobody's.
make_folder() {
  install -d -o nobody -g nogroup -m 0755 "$1"
}

# is_running PIDFILE: the process of the pid file lives, and is one of ours: after a crash the
# number may belong to somebody else.
is_running() {
  local pid stat
  [ -s "$1" ] && read -r pid <"$1" && read -r stat <"/proc/$pid/stat" 2>/dev/null || return 1
  [[ $stat =~ \((nginx|redis-server|postgres)\)\ ([A-Z]) && ${BASH_REMATCH[2]} != Z ]]
} 2>/dev/null

# wait_for SECONDS COMMAND...: until the command succeeds.
wait_for() {
  local tries=$(($1 * 20))
  shift
  until "$@" >/dev/null 2>&1; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || return 1
    sleep 0.05
  done
}

answers_on() {
  (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

is_gone() {
  ! is_running "$1"
}

# stop_pid PIDFILE [SIGNAL]: by pid, never by name, even when it is stopped; waits until it is gone.
# It may end by itself at any moment, and take its pid file along.
stop_pid() {
  local pid
  is_running "$1" || return 0
  { read -r pid <"$1" && kill "-${2:-TERM}" "$pid" && kill -CONT "$pid"; } 2>/dev/null || true
  wait_for 20 is_gone "$1" || die "the process of $1 does not end"
}

# A small file system of its own at PATH, so that disk.fill has something it may fill.
mount_small() {
  make_folder "$1"
  mountpoint -q "$1" || mount -t tmpfs -o "size=$2,mode=0755,nosuid,nodev" ordeal-services "$1"
  chown nobody:nogroup "$1"
}

unmount_small() {
  if mountpoint -q "$1"; then
    wait_for 5 umount "$1" || die "$1 is still in use"  # a pid file goes before its process
  fi
}
