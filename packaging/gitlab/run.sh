#!/bin/bash
# Custom executor, run stage: `run.sh SCRIPT STAGE`. Every stage is a session, those too that run no line of the job's
# own: git runs hooks that an earlier stage may have written. With `token_use = "host"` one ID token opens all of them.
set -uo pipefail
. "${BASH_SOURCE[0]%/*}/custom.sh"
user=$(job_user) || exit
folder=$(job_folder) || exit
script=${1:?the runner names no script} stage=${2:?the runner names no stage}

# What the record says of the job, as claimed by it, and its ID token, if the job asks for one. Nothing else of the
# runner's own environment gets into the job.
environment=("PATH=$job_path" "LANG=${LANG-C.UTF-8}")
for name in GITLAB_CI CI_PROJECT_PATH CI_PROJECT_ID CI_COMMIT_REF_NAME CI_COMMIT_SHA CI_PIPELINE_ID CI_PIPELINE_SOURCE \
    CI_ENVIRONMENT_NAME GITLAB_USER_LOGIN GITLAB_USER_ID ICECORE_ID_TOKEN; do
    variable=CUSTOM_ENV_$name
    if [ -n "${!variable-}" ]; then environment+=("$name=${!variable}"); fi
done

# By root's own PATH, not by the job's.
icecore=$(command -v icecore) || system_failure "icecore is not installed"
cd "$folder" || system_failure "$folder is gone"
# By standard input: the script is readable by the runner's user alone.
env --ignore-environment "${environment[@]}" "$icecore" run --user "$user" --label "gitlab_stage=$stage" -- /bin/bash <"$script"
ended=$?
case "$ended" in
0) exit 0 ;;
# Of `icecore run` itself: docs/operations.md. A script of a job may end so too, and is then not the system's fault: the
# daemon tells which.
4) told=$(daemon_answers) || system_failure "the daemon is gone (${told:-no answer})" ;;
esac
# What the job's `allow_failure:exit_codes` asks for: the number and nothing else. Source: there, "Build failure exit code".
if [ -n "${BUILD_EXIT_CODE_FILE-}" ]; then
    printf '%s' "$ended" >"$BUILD_EXIT_CODE_FILE" || echo "icecore: the runner does not learn of exit code $ended" >&2
fi
exit "${BUILD_FAILURE_EXIT_CODE:-1}"
