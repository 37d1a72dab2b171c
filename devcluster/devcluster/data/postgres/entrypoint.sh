#!/bin/sh
# Starts PostgreSQL, making its data folder first where there is none. It understands the
# variables of the official image that this project uses:
#   POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE (required, unless POSTGRES_HOST_AUTH_METHOD is
#   trust, which lets everybody in), POSTGRES_USER (postgres), POSTGRES_DB (the user's name), PGDATA,
#   POSTGRES_INITDB_ARGS
# It runs as any user but root, and with a read-only root file system where PGDATA and the
# socket folder (/var/run/postgresql, else /tmp) can be written.
set -eu

if [ "${1:-postgres}" != postgres ] && [ "${1#-}" = "${1:-}" ]; then exec "$@"; fi
if [ "${1:-}" = postgres ]; then shift; fi

fail() { echo "postgres: $*" >&2; exit 1; }
[ "$(id -u)" != 0 ] || fail "will not run as root: set a user (the image's own is 999)"

user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}
sockets=/var/run/postgresql
[ -w "$sockets" ] || sockets=/tmp
umask 0077

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  password=${POSTGRES_PASSWORD:-}
  if [ -n "${POSTGRES_PASSWORD_FILE:-}" ]; then password=$(cat "$POSTGRES_PASSWORD_FILE"); fi
  method=scram-sha-256
  if [ "${POSTGRES_HOST_AUTH_METHOD:-}" = trust ]; then
    method=trust
    password=${password:-unused}
  fi
  [ -n "$password" ] || fail "set POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE"

  # In a folder beside it, renamed when it is whole: an interrupted attempt is made again from
  # nothing and never taken for a database.
  parent=$(dirname "$PGDATA")
  mkdir -p "$parent" || fail "can't write to $parent"
  new=$parent/.new-$(basename "$PGDATA")
  rm -rf "$new"
  echo "postgres: making a new database in $PGDATA"
  # In a file for initdb, and never among the arguments that other processes can read.
  secret=$(mktemp "$parent/.secret-XXXXXX")
  trap 'rm -f "$secret"' EXIT
  printf '%s\n' "$password" >"$secret"
  # shellcheck disable=SC2086  # several arguments
  initdb --pgdata="$new" --username="$user" --pwfile="$secret" --encoding=UTF8 --locale=C.UTF-8 \
    --auth-local="$method" --auth-host="$method" --data-checksums ${POSTGRES_INITDB_ARGS:-}
  rm -f "$secret"
  trap - EXIT
  printf 'host all all all %s\n' "$method" >>"$new/pg_hba.conf"
  printf "listen_addresses = '*'\n" >>"$new/postgresql.conf"
  if [ "$database" != postgres ]; then
    # The server's own single-user mode: no port and no password, so nobody can connect meanwhile.
    name=$(printf '%s' "$database" | sed 's/"/""/g')
    printf 'CREATE DATABASE "%s"\n' "$name" |
      postgres --single -D "$new" postgres >/dev/null
  fi
  sync
  # An empty folder may be there: a volume's own, or one that was made for the mount.
  if [ -d "$PGDATA" ]; then
    rmdir "$PGDATA" 2>/dev/null || fail "$PGDATA is neither empty nor a database; it may also be the volume's own folder: set PGDATA to a folder in it"
  fi
  mv "$new" "$PGDATA"
  unset password
fi
unset POSTGRES_PASSWORD

# SIGINT is PostgreSQL's fast shutdown: sessions are ended, nothing is lost. SIGTERM would wait for
# the clients to leave. The shell stays to translate the one into the other.
postgres -D "$PGDATA" -c unix_socket_directories="$sockets" "$@" &
server=$!
trap 'kill -INT "$server" 2>/dev/null' TERM INT
trap 'kill -HUP "$server" 2>/dev/null' HUP
status=0
while :; do
  wait "$server" && status=0 || status=$?
  kill -0 "$server" 2>/dev/null || break
done
exit "$status"
