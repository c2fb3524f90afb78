#!/bin/bash
# Before each job of a self-hosted runner: puts the job, the runner's worker with all it starts, into a session.
#
# Set ACTIONS_RUNNER_HOOK_JOB_STARTED in the runner's `.env` to this file's path, and install `sudoers` beside it. If it
# fails, the runner fails the job: none runs outside of a session.
# Source: docs.github.com, "Running scripts before or after a job".
set -euo pipefail
here=${BASH_SOURCE[0]%/*}
. "$here/worker.sh"

fail() {
    echo "::error title=Icecore::The job was not put into a session, so it does not run: $1"
    exit 1
}

pid=$(worker) || fail "no Runner.Worker is above this hook"
: "${GITHUB_ENV:?the runner names no file for variables}"
root=(sudo -n)
if [ "$(id -u)" = 0 ]; then root=(); fi
variables=$("${root[@]}" "$here/session.sh" "$pid") || fail "see the lines above"
printf '%s\n' "$variables" >>"$GITHUB_ENV"
echo "Icecore: this job's Snowflake connections are governed and recorded."
