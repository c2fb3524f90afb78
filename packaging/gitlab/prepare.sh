#!/bin/bash
# Custom executor, prepare stage: fails the job before it begins where nothing would govern it.
set -euo pipefail
. "${BASH_SOURCE[0]%/*}/custom.sh"
user=$(job_user)
folder=$(job_folder)
[ -S /run/icecore/control.sock ] || system_failure "no daemon runs: \`systemctl start icecore\`"
install -d -m 0755 "$base" "$base/jobs"
# A number comes once; what is left of an earlier try is another job's.
rm -rf --one-file-system "$folder"
install -d -o "$user" -g "$(id -g "$user")" -m 0700 "$folder" "$folder/builds" "$folder/cache"
