# Dumps the database at the URI in $URI_FILE to $BACKUP_FOLDER, verifies the dump, and keeps the last
# $BACKUP_KEEP dumps. POSIX shell, so that it runs in any PostgreSQL image.
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
rm -f "$BACKUP_FOLDER/$BACKUP_NAME"-*.partial
trap 'rm -f "$dump.partial"' EXIT

# The dump gets its final name only when it is complete and readable.
pg_dump --dbname="$uri" --format=custom --no-password --file="$dump.partial"
pg_restore --list "$dump.partial" >/dev/null
sync "$dump.partial" 2>/dev/null || sync
mv "$dump.partial" "$dump"

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
