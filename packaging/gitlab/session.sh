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
[ -d "/proc/$shell" ] || refuse "there is no process $shell"
[ "${SUDO_UID-0}" = 0 ] || [ "$(stat -c %u "/proc/$shell")" = "$SUDO_UID" ] || refuse "process $shell is another user's"
exec icecore enter --pid "$shell" --scope step --export sh
