#!/bin/bash
# Custom executor, config stage: says where the job's folders are.
set -euo pipefail
. "${BASH_SOURCE[0]%/*}/custom.sh"
folder=$(job_folder)
version=$(icecore --version) || system_failure "icecore is not installed"
printf '{"builds_dir":"%s/builds","cache_dir":"%s/cache","builds_dir_is_shared":false,"driver":{"name":"icecore","version":"%s"}}\n' \
    "$folder" "$folder" "${version#icecore }"
