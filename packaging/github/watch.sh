#!/bin/bash
# Answers a worker's job-completed.sh from outside of the session, which may not ask the daemon from inside. Started by
# session.sh and by nobody else: no rule of sudo names it, since it removes the folder that it is given.
set -euo pipefail
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin LC_ALL=C
umask 022
. "${0%/*}/started.sh"

place=$1 worker=$2 start=$3 owner=$4
trap 'rm -rf "$place"' EXIT
exec 3<>"$place/ask"
answered=0
while [ -p "$place/ask" ] && [ "$(started "$worker" 2>/dev/null)" = "$start" ]; do
    # Each answer seals the record: not as often as a job may like. Nobody listens after that.
    if [ "$answered" -ge 8 ]; then
        exec 3<&-
        while [ "$(started "$worker" 2>/dev/null)" = "$start" ]; do sleep 1; done
        break
    fi
    if ! read -r -t 1 -u 3 _; then continue; fi
    if [ ! -s "$place/session" ]; then
        # What cannot be answered yet is no reason to spin.
        sleep 0.2
        continue
    fi
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
