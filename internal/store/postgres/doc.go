// Package postgres keeps what was recorded in PostgreSQL (tested with version 15).
//
// All tables stand in one schema of their own, tapedeck, of the database that
// the URL names; Migrate creates it. A rebuild fills tapedeck_shadow, which
// then takes its place by being renamed; tables from before a loss was
// accepted stay behind in tapedeck_saved_<n>.
//
// # Roles
//
// The recorder's user owns the schema: it needs CREATE on the database, to
// make and to rename it. The api's user needs to read only: Migrate and every
// rebuild grant USAGE on the schema and SELECT on its tables to the role
// tapedeck_reader (Options.ReaderRole) if there is one. So, once, as an
// administrator:
//
//	CREATE ROLE tapedeck_reader NOLOGIN;
//	CREATE ROLE tapedeck_api LOGIN PASSWORD '...' IN ROLE tapedeck_reader;
//	CREATE ROLE tapedeck_recorder LOGIN PASSWORD '...';
//	GRANT CREATE ON DATABASE tapedeck TO tapedeck_recorder;
//
// # Connections
//
// Connect straight to the server: statements are prepared, and settings are
// given at the start of a connection, which a pooler in transaction mode
// loses. A Reader has a small pool, which the URL does not set up: parameters
// like pool_max_conns are refused. A Writer has one connection that nobody
// else can starve it of.
package postgres
