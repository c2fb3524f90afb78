#!/bin/bash
# Custom executor, prepare stage: fails the job before it begins where nothing would govern it.
set -euo pipefail
. "${BASH_SOURCE[0]%/*}/custom.sh"
user=$(job_user)
folder=$(job_folder)
told=$(daemon_answers) || system_failure "no daemon runs: \`systemctl start icecore\` (${told:-no answer})"
install -d -m 0755 "$base" "$base/jobs"
# A number comes once; what is left of an earlier try is another job's.
rm -rf --one-file-system "$folder"
# The folder becomes the user's last: what is made in it before is made where nobody can put a link in its place.
group=$(id -g "$user")
install -d -m 0700 "$folder"
install -d -o "$user" -g "$group" -m 0700 "$folder/builds" "$folder/cache"
chown -h "$user:$group" "$folder"
