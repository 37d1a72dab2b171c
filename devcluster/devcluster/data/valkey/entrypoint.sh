#!/bin/sh
# Starts Valkey; arguments are the server's own. Data is in the working folder, /data.
set -eu
umask 0077
if [ "$#" = 0 ] || [ "${1#-}" != "$1" ]; then set -- valkey-server --bind '*' --protected-mode no --port 6379 "$@"; fi
exec "$@"
