#!/bin/sh
# Writes the roots of this host and Icecore's CA into a folder that containers mount: `trust.sh /var/lib/icecore-trust`.
# Run it again when the CA or the roots change. Containers get these variables, with the folder as they see it:
#   REQUESTS_CA_BUNDLE, SSL_CERT_FILE = bundle.pem; NODE_EXTRA_CA_CERTS = ca.pem;
#   SF_OCSP_RESPONSE_CACHE_SERVER_ENABLED = false (Go asks it about each certificate, ours too).
set -eu
folder=${1:?expected a folder, such as /var/lib/icecore-trust}
ca=${2:-/var/lib/icecore/ca/ca.pem}
roots=${3:-/etc/ssl/certs/ca-certificates.crt}
mkdir -p "$folder"
chmod 0755 "$folder"
for name in ca bundle; do
    half=$folder/$name.half
    case $name in
    ca) cat "$ca" >"$half" ;;
    bundle) cat "$roots" "$ca" >"$half" ;;
    esac
    chmod 0644 "$half"
    mv "$half" "$folder/$name.pem"
done
