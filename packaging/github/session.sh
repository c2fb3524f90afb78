#!/bin/bash
# Root's part of the runner's hooks: makes a session of a runner's worker and prints the variables for GITHUB_ENV.
#
#   session.sh WORKER     WORKER: the process id of a Runner.Worker of whoever calls this by sudo
#
# Called by job-started.sh; the rule for sudo is in `sudoers` beside this file, and lets its user choose the arguments.
# /etc/icecore/hooks.conf may set STORE, the URL of the record, and CONTROL, the daemon's socket.
set -euo pipefail
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin LC_ALL=C
umask 022

jobs=/run/icecore-jobs
STORE=
CONTROL=
if [ -e /etc/icecore/hooks.conf ]; then . /etc/icecore/hooks.conf; fi

refuse() {
    echo "icecore: not in a session: $1" >&2
    exit 1
}

. "${0%/*}/started.sh"

worker=${1-}
[[ $worker =~ ^[1-9][0-9]{0,9}$ ]] || refuse "expected the process id of a Runner.Worker, found \`$worker\`"
[ "$#" = 1 ] || refuse "expected one argument"
[ "$(id -u)" = 0 ] || refuse "expected to be root; the rule for sudo is in ${0%/*}/sudoers"
start=$(started "$worker") || refuse "there is no process $worker"
owner=$(stat -c %u "/proc/$worker")
# Whoever may call this may move no process but their own.
[ "${SUDO_UID-0}" = 0 ] || [ "$owner" = "$SUDO_UID" ] || refuse "process $worker is another user's"
[ "$(<"/proc/$worker/comm")" = Runner.Worker ] || refuse "process $worker is no Runner.Worker"

install -d -m 0755 "$jobs"
place="$jobs/$worker-$start"
mkdir -m 0755 "$place" 2>/dev/null || refuse "process $worker has a session already"
mkfifo -m 0600 "$place/ask"
chown "$owner" "$place/ask"
# Before the worker is moved, and no descendant of it: so it stays outside.
STORE=$STORE CONTROL=$CONTROL setsid --fork "${0%/*}/watch.sh" "$place" "$worker" "$start" "$owner" </dev/null >/dev/null 2>&1

# The daemon looks again whose process it is: its number may be another's by then.
if ! variables=$(icecore enter --pid "$worker" --uid "$owner" --started-at "$start" --scope job --export github ${CONTROL:+--control "$CONTROL"} 2>"$place/told"); then
    cat "$place/told" >&2
    rm -rf "$place"
    exit 1
fi
cat "$place/told" >&2
sed -n 's/^icecore: session \([0-9a-f-]\{36\}\): .*/\1/p' "$place/told" >"$place/session"
[ -s "$place/session" ] || refuse "icecore enter did not say which session it made"
printf '%s\n' "$variables"
