# Sourced by root's parts of the hooks.

# Prints when a process started, in clock ticks since boot, by which it is told from a later one of the same number.
# Source: proc(5), `/proc/pid/stat`, field 22; the second field, the name, may hold blanks and brackets.
started() {
    local stat
    stat=$(<"/proc/$1/stat") || return 1
    stat=${stat##*) }
    # shellcheck disable=SC2086
    set -- $stat
    echo "${20}"
}
