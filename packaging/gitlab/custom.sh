# Sourced by the four drivers of the custom executor. GitLab Runner, which is root here, passes each variable of the job
# with `CUSTOM_ENV_` before its name; whoever writes a job chooses most of them, so that the user comes from a file of
# root's, and the folders are fixed.
# Source: docs.gitlab.com, "The Custom executor".
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin

# The job's own: tools of the host's lie in /usr/local/bin, `gitlab-runner` for its artifacts and caches too.
job_path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

base=/var/lib/icecore-builds

# Ends so that GitLab does not blame the job.
system_failure() {
    echo "icecore: $1" >&2
    exit "${SYSTEM_FAILURE_EXIT_CODE:-2}"
}

# Tells whether a daemon answers; its socket stays where one was killed. Says why not.
daemon_answers() {
    timeout 20 icecore sessions --live 2>&1 >/dev/null
}

# /etc/icecore/gitlab-job-user names the user; it is root's file, which no job can set.
job_user() {
    local user=agent
    if [ -e /etc/icecore/gitlab-job-user ]; then user=$(</etc/icecore/gitlab-job-user); fi
    id -u "$user" >/dev/null 2>&1 || system_failure "expected a user \`$user\` on this host: \`useradd --create-home $user\`, or name another in /etc/icecore/gitlab-job-user"
    [ "$(id -u "$user")" != 0 ] || system_failure "/etc/icecore/gitlab-job-user: a job must not be root"
    echo "$user"
}

# One folder a job; its number is digits or it is none.
job_folder() {
    [[ ${CUSTOM_ENV_CI_JOB_ID-} =~ ^[0-9]+$ ]] || system_failure "expected a number in CI_JOB_ID, found \`${CUSTOM_ENV_CI_JOB_ID-}\`"
    echo "$base/jobs/$CUSTOM_ENV_CI_JOB_ID"
}
