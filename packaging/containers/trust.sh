#!/bin/sh
# Writes the roots of this host and Icecore's CA into a folder that containers mount: `trust.sh /var/lib/icecore-trust`.
# Run it again when the CA or the roots change. Containers get these variables, with the folder as they see it:
#   REQUESTS_CA_BUNDLE, SSL_CERT_FILE = bundle.pem; NODE_EXTRA_CA_CERTS = ca.pem;
#   SF_OCSP_RESPONSE_CACHE_SERVER_ENABLED = false (Go asks it about each certificate, ours too).
# With `--models` before the folder both have the CAs for model APIs too (`[prompts]` of the config): calls of containers that
# start from then on are read, and their people must be told. Run it again when the list of hosts changes.
set -eu
models=
if [ "${1-}" = --models ]; then
    models=yes
    shift
fi
folder=${1:?expected a folder, such as /var/lib/icecore-trust}
ca=${2:-/var/lib/icecore/ca/ca.pem}
roots=${3:-/etc/ssl/certs/ca-certificates.crt}
set -- "$ca"
if [ -n "$models" ]; then
    set -- "$ca" "${ca%/*}"/models-*.pem
    if [ ! -e "$2" ]; then
        echo "trust.sh: expected ${ca%/*}/models-*.pem, found none: the config needs hosts in [prompts], and the daemon a start or \`icecore reload\` since" >&2
        exit 1
    fi
fi
mkdir -p "$folder"
chmod 0755 "$folder"
for name in ca bundle; do
    half=$folder/$name.half
    case $name in
    ca) cat "$@" >"$half" ;;
    bundle) cat "$roots" "$@" >"$half" ;;
    esac
    chmod 0644 "$half"
    mv "$half" "$folder/$name.pem"
done
