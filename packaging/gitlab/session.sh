#!/bin/bash
# Root's part of into-session.sh: makes a session of the caller's own shell and prints the variables for its eval.
set -euo pipefail
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin LC_ALL=C

refuse() {
    echo "icecore: not in a session: $1" >&2
    exit 1
}

shell=${1-}
[[ $shell =~ ^[1-9][0-9]{0,9}$ ]] || refuse "expected the process id of a shell, found \`$shell\`"
[ "$(id -u)" = 0 ] || refuse "expected to be root; the rule for sudo is in ${0%/*}/sudoers"
# When it started, by which it is told from a later one of its number: proc(5), `/proc/pid/stat`, field 22. The second field,
# the name, may hold blanks and brackets.
stat=$(<"/proc/$shell/stat") || refuse "there is no process $shell"
read -r -a fields <<<"${stat##*) }"
owner=$(stat -c %u "/proc/$shell") || refuse "there is no process $shell"
[ "${SUDO_UID-0}" = 0 ] || [ "$owner" = "$SUDO_UID" ] || refuse "process $shell is another user's"
# The daemon looks again whose process it is.
exec icecore enter --pid "$shell" --uid "$owner" --started-at "${fields[19]}" --scope step --export sh
