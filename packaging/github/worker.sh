# Sourced by the hooks: finds the runner's worker above this process.

# Prints the process id of the nearest Runner.Worker above; one worker runs one job.
# Source: actions/runner, docs/design/auth.md ("Runner.Worker") and src/Runner.Worker.
worker() {
    local pid=$$ comm line
    while [ "$pid" -gt 1 ]; do
        comm=$(<"/proc/$pid/comm") || return 1
        if [ "$comm" = Runner.Worker ]; then
            echo "$pid"
            return 0
        fi
        while read -r line; do
            if [[ $line == PPid:* ]]; then pid=${line##*[!0-9]}; break; fi
        done <"/proc/$pid/status"
    done
    return 1
}
