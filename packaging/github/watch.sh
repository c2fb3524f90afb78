#!/bin/bash
# Answers a worker's job-completed.sh from outside of the session, which may not ask the daemon from inside. Started by
# session.sh and by nobody else: no rule of sudo names it, since it removes the folder that it is given.
set -euo pipefail
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
umask 022
. "${0%/*}/started.sh"

place=$1 worker=$2 start=$3 owner=$4
trap 'rm -rf "$place"' EXIT
exec 3<>"$place/ask"
answered=0
while [ -p "$place/ask" ] && [ "$(started "$worker" 2>/dev/null)" = "$start" ]; do
    if ! read -r -t 1 -u 3 _; then continue; fi
    # Each answer seals the record: not as often as a job may like.
    if [ "$answered" -ge 8 ] || [ ! -s "$place/session" ]; then continue; fi
    answered=$((answered + 1))
    session=$(<"$place/session")
    if ! {
        icecore flush ${CONTROL:+--control "$CONTROL"} &&
            icecore replay "$session" --markdown ${STORE:+--store "$STORE"}
    } >"$place/written" 2>"$place/problem"; then
        printf '### Icecore\n\nThe record of session `%s` could not be read on this host.\n' "$session" >"$place/written"
    fi
    chown "$owner" "$place/written"
    chmod 0400 "$place/written"
    mv "$place/written" "$place/summary"
done
