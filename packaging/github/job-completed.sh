#!/bin/bash
# After each job of a self-hosted runner, and as a last step where the action is used: writes the job's summary.
#
# Set ACTIONS_RUNNER_HOOK_JOB_COMPLETED in the runner's `.env` to this file's path. The session itself ends with the
# runner's worker, and its record is sealed a second later. Nothing here fails a job: the record does not need it.
# The runner starts it by `bash -e`.
set +e
set -uo pipefail
here=${BASH_SOURCE[0]%/*}
. "$here/worker.sh"

warn() {
    echo "::warning title=Icecore::No summary: $1"
    exit 0
}

pid=$(worker) || warn "no Runner.Worker is above this hook"
stat=$(<"/proc/$pid/stat")
set -- ${stat##*) }
# Root's own folder: nothing that the job could set leads here.
place="/run/icecore-jobs/$pid-${20}"
[ -p "$place/ask" ] || warn "the job has no session"
if [ -z "${GITHUB_STEP_SUMMARY-}" ]; then warn "the runner names no file for it"; fi

before=$(stat -c %i "$place/summary" 2>/dev/null)
if ! timeout 5 bash -c 'echo >"$1"' ask "$place/ask"; then warn "nobody answers"; fi
for _ in $(seq 300); do
    if [ "$(stat -c %i "$place/summary" 2>/dev/null)" != "$before" ]; then
        cat "$place/summary" >>"$GITHUB_STEP_SUMMARY"
        exit 0
    fi
    sleep 0.2
done
warn "the record was not sealed within a minute"
