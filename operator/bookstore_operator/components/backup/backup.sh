# Dumps the database at the URI in $URI_FILE to $BACKUP_FOLDER, verifies the dump, and keeps the last
# $BACKUP_KEEP dumps. A backup takes at most $BACKUP_TIMEOUT seconds. POSIX shell, so that it runs in any PostgreSQL image.
set -eu
umask 077

# pg_dump gets the password in its environment, because other processes can read a command line.
percent_decoded() {
  rest=$1
  while [ "$rest" != "${rest#*%}" ]; do
    printf '%s' "${rest%%\%*}"
    rest=${rest#*%}
    printf "\\$(printf '%03o' "0x$(printf '%.2s' "$rest")")"
    rest=${rest#??}
  done
  printf '%s' "$rest"
}
uri=$(cat "$URI_FILE")
authority=${uri#*://}
authority=${authority%%/*}
case $authority in
  *:*@*)
    login=${authority%@*}
    PGPASSWORD=$(percent_decoded "${login#*:}")
    export PGPASSWORD
    uri="${uri%%://*}://${login%%:*}@${uri#*"$login"@}"
    ;;
esac

dump="$BACKUP_FOLDER/$BACKUP_NAME-$(date -u +%Y%m%dT%H%M%SZ).dump"
# Another backup may be running, such as one that was started by hand, so each has a file of its own,
# and only what is older than a backup may take is left over from one that was killed.
find "$BACKUP_FOLDER" -name "$BACKUP_NAME-*.partial*" -mmin "+$((BACKUP_TIMEOUT / 60 + 1))" \
  -exec rm -f {} +
partial=$(mktemp "$dump.partial.XXXXXX")
trap 'rm -f "$partial"' EXIT

# The dump gets its final name only when it is complete and readable.
pg_dump --dbname="$uri" --format=custom --no-password --file="$partial"
pg_restore --list "$partial" >/dev/null
sync "$partial" 2>/dev/null || sync
mv "$partial" "$dump"

# The names sort by time.
kept=0
for old in $(ls -1r "$BACKUP_FOLDER/$BACKUP_NAME"-*.dump); do
  kept=$((kept + 1))
  if [ "$kept" -gt "$BACKUP_KEEP" ]; then rm -f "$old"; kept=$BACKUP_KEEP; fi
done

size=$(wc -c <"$dump" | tr -d ' ')
message="Dumped $size bytes to ${dump##*/}, $kept kept."
result=$(printf '{"command": "backup", "code": "done", "message": "%s"}' "$message")
echo "$result"
printf '%s' "$result" 2>/dev/null >"${BOOKSTORE_TERMINATION_LOG:-/dev/termination-log}" || true
