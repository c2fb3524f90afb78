# Sourced by GitLab Runner's `pre_get_sources_script` and `pre_build_script` (shell executor): puts this shell, with all
# it will start, into a session. Each stage of a job is a shell of its own. If it fails, so does the stage.
# The rule for sudo is in `sudoers` beside this file.
icecore_variables=$(sudo -n /usr/share/icecore/gitlab/session.sh "$$") || {
    echo "icecore: this stage was not put into a session, so it does not run" >&2
    exit 1
}
eval "$icecore_variables"
unset icecore_variables
