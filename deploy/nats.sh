#!/bin/sh
# Starts nats-server with the passwords of nats.conf taken from files: the
# server reads them from its environment only.
#
# Without a container: SECRETS=secrets TAPEDECK_NATS_STORE_DIR=DIR
# NATS_CONF=nats.conf NATS_ADDRESS=127.0.0.1 sh deploy/nats.sh
set -eu
secrets=${SECRETS:-/run/secrets}

for role in api analyzer recorder provisioner; do
  variable="TAPEDECK_NATS_$(echo "$role" | tr a-z A-Z)_PASSWORD"
  password=$(cat "$secrets/nats_$role")
  export "$variable=$password"
done
exec nats-server -c "${NATS_CONF:-/etc/nats/nats.conf}" -a "${NATS_ADDRESS:-0.0.0.0}" -m 8222 "$@"
