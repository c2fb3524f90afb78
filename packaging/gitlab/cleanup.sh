#!/bin/bash
# Custom executor, cleanup stage: seals the record, removes the job's folder. What the job left running was killed when
# each session ended.
set -uo pipefail
. "${BASH_SOURCE[0]%/*}/custom.sh"
folder=$(job_folder) || exit
icecore flush || echo "icecore: the record is sealed later" >&2
rm -rf --one-file-system "$folder"
