#!/bin/sh
# Makes the certificates beside this file anew: an authority, and what it signed. Valid from 2020 to 2100, but for one.
#   authority.pem       the authority's certificate
#   server.pem          certificate and key of localhost, 127.0.0.1 and ::1
#   expired.pem         the same, over since 2021
#   elsewhere.pem       the same for other.example
#   client.pem          certificate and key of a client
#   client-locked.key   the client's key, under the password "hush"
set -eu
cd "$(dirname -- "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
touch "$work/index"
cat > "$work/settings" <<END
[ca]
default_ca = authority
[authority]
database = $work/index
new_certs_dir = $work
rand_serial = yes
default_md = sha256
policy = any
x509_extensions = leaf
unique_subject = no
[any]
commonName = supplied
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = \${ENV::NAMES}
END

request() { # name
    openssl ecparam -name prime256v1 -genkey -noout -out "$work/$1.ec"
    openssl pkcs8 -topk8 -nocrypt -in "$work/$1.ec" -out "$work/$1.key"
    openssl req -new -key "$work/$1.key" -subj "/CN=$1" -out "$work/$1.csr"
}

sign() { # name, names, end, and what else `openssl ca` takes
    request "$1"
    name=$1 end=$3
    NAMES=$2 && export NAMES
    shift 3
    openssl ca -batch -notext -config "$work/settings" -keyfile "$work/authority.key" -in "$work/$name.csr" \
        -out "$work/$name.crt" -startdate 20200101000000Z -enddate "$end" "$@" 2> "$work/log" || cat "$work/log"
    cat "$work/$name.crt" "$work/$name.key" > "$name.pem"
}

export NAMES=DNS:none
request authority
openssl ca -batch -notext -selfsign -config "$work/settings" -keyfile "$work/authority.key" -extensions root \
    -in "$work/authority.csr" -out authority.pem -startdate 20200101000000Z -enddate 21000101000000Z 2> "$work/log"
local=DNS:localhost,IP:127.0.0.1,IP:::1
sign server "$local" 21000101000000Z -cert authority.pem
sign expired "$local" 20210101000000Z -cert authority.pem
sign elsewhere DNS:other.example 21000101000000Z -cert authority.pem
sign client DNS:client.example 21000101000000Z -cert authority.pem
openssl pkcs8 -topk8 -in "$work/client.key" -passout pass:hush -out client-locked.key
