#!/bin/bash
# The action's one step, on a host of this job alone: install, start, enter, then take the job's ways to root away.
#
# Whatever fails ends the step, and the job with it. A last step with `if: always()` that runs
# /usr/share/icecore/github/job-completed.sh writes the summary.
set -euo pipefail
here=${BASH_SOURCE[0]%/*}
. "$here/worker.sh"

fail() {
    echo "::error title=Icecore::$1"
    exit 1
}

for name in PACKAGE SHA256 CONFIG POLICIES KEY; do
    variable=ICECORE_$name
    if [ -z "${!variable-}" ]; then fail "expected the input \`${name,,}\`, found nothing"; fi
done
[[ $ICECORE_SHA256 =~ ^[0-9a-f]{64}$ ]] || fail "sha256: expected 64 hex digits"
sudo -n true || fail "this action needs sudo; on a runner of your own use the hooks: docs/install.md"
grep -Eq '^[[:space:]]*mode[[:space:]]*=[[:space:]]*"strict_remote"' "$ICECORE_CONFIG" ||
    fail "config: expected record.mode = \"strict_remote\": this host, and what is on its disk, goes away after the job"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
case "$ICECORE_PACKAGE" in
https://*) curl --fail --silent --show-error --location --proto =https --max-time 300 --output "$work/icecore.deb" "$ICECORE_PACKAGE" ;;
*://*) fail "package: expected a path or an https URL" ;;
*) cp -- "$ICECORE_PACKAGE" "$work/icecore.deb" ;;
esac
echo "$ICECORE_SHA256  $work/icecore.deb" | sha256sum --check --status || fail "package: its SHA-256 is another one"
sudo -n dpkg --install "$work/icecore.deb"

(umask 077 && printf '%s\n' "$ICECORE_KEY" >"$work/key")
sudo -n install -o root -g root -m 0600 "$work/key" /etc/icecore/keys/key.p8
unset ICECORE_KEY
sudo -n install -o root -g root -m 0644 "$ICECORE_POLICIES"/*.cedar /etc/icecore/policies/
sudo -n install -o root -g root -m 0644 "$ICECORE_CONFIG" /etc/icecore/icecore.toml
sudo -n icecore check || fail "config: see the lines above"

if [ -d /run/systemd/system ]; then
    sudo -n systemctl start icecore.service
else
    sudo -n setsid --fork sh -c 'exec icecore daemon >/var/log/icecore.log 2>&1 </dev/null'
fi
ready() { icecore run --quiet -- true 2>"$work/told" || grep -q 'identity refused' "$work/told"; }
for _ in $(seq 150); do
    if ready; then break; fi
    sleep 0.2
done
ready || fail "the daemon takes no sessions: $(tr '\n' ' ' <"$work/told")"

pid=$(worker) || fail "no Runner.Worker is above this step"
keep=GITHUB_ACTIONS,GITHUB_REPOSITORY,GITHUB_REPOSITORY_ID,GITHUB_REF,GITHUB_SHA,GITHUB_WORKFLOW_REF,GITHUB_RUN_ID,GITHUB_RUN_ATTEMPT,GITHUB_ACTOR,GITHUB_ACTOR_ID,GITHUB_EVENT_NAME,RUNNER_ENVIRONMENT,ACTIONS_ID_TOKEN_REQUEST_URL,ACTIONS_ID_TOKEN_REQUEST_TOKEN
# The ways to root go first, and with them this script's own: so the session is made in the same breath, by the last sudo.
# Groups stay with processes that run, so that it is the sockets that are closed.
# Source: SECURITY.md, "Advisory sessions", and the images of actions/runner-images.
me=$(id -un)
variables=$(sudo -n --preserve-env="$keep" sh -euc '
    for file in /run/docker.sock /run/containerd/containerd.sock /run/podman/podman.sock /var/lib/lxd/unix.socket \
        /run/incus/unix.socket /run/crio/crio.sock /dev/kvm /dev/vhost-vsock /dev/vhost-net; do
        if [ -e "$file" ]; then chown root:root "$file"; chmod 0600 "$file"; fi
    done
    for group in docker lxd incus-admin kvm libvirt disk sudo wheel adm; do
        if getent group "$group" >/dev/null; then gpasswd --delete "$1" "$group" >/dev/null 2>&1 || true; fi
    done
    # Rules that name the user, one of its groups or everybody.
    rm -f /etc/sudoers.d/*
    printf "root ALL=(ALL:ALL) ALL\n" >/etc/sudoers.icecore
    chmod 0440 /etc/sudoers.icecore
    mv /etc/sudoers.icecore /etc/sudoers
    exec /usr/share/icecore/github/session.sh "$2"
' rights "$me" "$pid") || fail "the job was not put into a session: see the lines above"
printf '%s\n' "$variables" >>"$GITHUB_ENV"

# Proved, not assumed.
if sudo -n true 2>/dev/null; then fail "the job can still become root by sudo"; fi
for socket in /run/docker.sock /var/run/docker.sock /run/containerd/containerd.sock /run/podman/podman.sock /dev/kvm; do
    if [ -w "$socket" ]; then fail "the job can still write to $socket"; fi
done
if [ -w /etc/passwd ] || [ -w /etc/sudoers ]; then fail "the job can still write /etc/passwd or /etc/sudoers"; fi
echo "Icecore: this job is in a session; it can no longer become root by sudo or by a container's engine."
