// Package postgrestest gives tests a real PostgreSQL.
//
// Server and Database share one server per test process: the one that
// TAPEDECK_TEST_POSTGRES names (a URL whose user may create databases and
// roles), else one that is started from local binaries on a private Unix
// socket and ends with the process, however that ends. Start gives a test a
// server of its own that it may stop, kill and start again.
//
// Where neither exists, the test is skipped with the reason; with CI=true or
// TAPEDECK_TEST_REQUIRE_POSTGRES=1 it fails instead.
package postgrestest
