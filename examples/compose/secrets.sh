#!/bin/sh
# Makes the secrets that compose.yaml names, each once: what is there stays. Lose `vault.keys`, and sealed connections and variables are lost.
set -eu
cd "$(dirname "$0")"
mkdir -p secrets

random() { od -An -N "$1" -tx1 /dev/urandom | tr -d ' \n'; }
once() { [ -e "secrets/$1" ] || cat > "secrets/$1"; }

random 24 | once postgres_password
random 10 | once objects_access_key
random 24 | once objects_secret_key
echo "$(random 4):$(random 32)" | once vault.keys
once airlock.toml <<EOF
database_url = "postgres://airlock:$(cat secrets/postgres_password)@postgres/airlock"
blobs_access_key = "$(cat secrets/objects_access_key)"
blobs_secret_key = "$(cat secrets/objects_secret_key)"
EOF
# Outside of a swarm a secret is the file itself, and the process in the container has another user's id.
chmod 0711 secrets
chmod 0644 secrets/*
