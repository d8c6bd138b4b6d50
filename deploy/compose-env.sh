#!/bin/sh
# Which secrets shall docker compose use? Prints fresh random ones: sh deploy/compose-env.sh > .env
set -eu
printf 'BROKER_PASSWORD=%s\n' "$(openssl rand -hex 24)"
printf 'S3_ACCESS_KEY=%s\n' "$(openssl rand -hex 10)"
printf 'S3_SECRET_KEY=%s\n' "$(openssl rand -hex 24)"
printf 'AUTH_SIGNING_KEY="%s"\n' "$(openssl genpkey -algorithm ed25519 | awk '{printf "%s\\n", $0}')"
