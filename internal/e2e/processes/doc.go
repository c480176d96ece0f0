// Package processes runs programs as processes of their own for tests and
// measurements: it builds tapedeck's, starts and stops them, keeps their logs,
// and reads what they have used of the machine. It knows nothing of what the
// programs do.
package processes
