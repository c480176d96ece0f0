#!/bin/sh
# Makes the passwords that compose.yaml reads, one file each, in ./secrets.
# What exists is left as it is; remove a file to have it made anew.
#
#   sh deploy/secrets.sh
#
# POSTGRES names the database server in the addresses, postgres:5432 by default.
#
# The folder is closed to other users of this machine. The files in it can be
# read by all: compose mounts each by itself into the containers that need it,
# whose users have other numbers than yours.
set -eu
cd "$(dirname "$0")/.."
umask 022
mkdir -p secrets
chmod 700 secrets

password() { # FILE: 192 random bits; begins with a letter, see nats.conf
  [ -s "secrets/$1" ] || printf 'p%s' "$(head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n')" >"secrets/$1"
}
address() { # FILE USER PASSWORDFILE
  [ -s "secrets/$1" ] || printf 'postgres://%s:%s@%s/tapedeck?sslmode=disable' "$2" "$(cat "secrets/$3")" "${POSTGRES:-postgres:5432}" >"secrets/$1"
}

for role in api analyzer recorder provisioner; do password "nats_$role"; done
for user in admin api recorder; do password "postgres_$user"; done
address database_url_api tapedeck_api postgres_api
address database_url_recorder tapedeck_recorder postgres_recorder
echo "passwords are in secrets/"
