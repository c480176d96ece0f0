#!/bin/sh
# Makes the two users of tapedeck's database, once, when the volume is new. The
# image of PostgreSQL runs it as the administrator.
#
# tapedeck_recorder owns the tables: it may create schemas in this database, as
# a rebuild does. tapedeck_api is a member of tapedeck_reader, to which
# tapedeck grants reading, and nothing else.
#
# Without a container: SECRETS=secrets POSTGRES_USER=postgres POSTGRES_DB=tapedeck
# sh deploy/postgres.sh, with the variables of psql (PGHOST, ...) as needed.
set -eu
secrets=${SECRETS:-/run/secrets}

psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
  -v api="$(cat $secrets/postgres_api)" \
  -v recorder="$(cat $secrets/postgres_recorder)" \
  -v database="$POSTGRES_DB" <<'SQL'
CREATE ROLE tapedeck_reader NOLOGIN;
CREATE ROLE tapedeck_api LOGIN PASSWORD :'api' IN ROLE tapedeck_reader;
CREATE ROLE tapedeck_recorder LOGIN PASSWORD :'recorder';
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO tapedeck_reader;
GRANT CONNECT, CREATE ON DATABASE :"database" TO tapedeck_recorder;
SQL
