package live

import "time"

const (
	// pollEvery is the time between two looks at the checkpoint while somebody
	// follows: shorter than people notice, and a row read 20 times a second.
	pollEvery = 50 * time.Millisecond
	// pollFailing is the pause after a look that failed.
	pollFailing = time.Second
	// lookTimeout bounds one look.
	lookTimeout = 5 * time.Second
	// lookReads is how many jobs one look reads at a time: with a hundred
	// clients that poll without a pause, 200 jobs take a second instead of ten.
	lookReads = 16
	// jobWindow is how many outcomes of a job are kept for its followers:
	// what an analysis cluster makes in the time that a client needs to connect.
	jobWindow = 2048
	// allWindow is how many frames of all jobs are kept: some seconds of full
	// speed, a day of quiet use.
	allWindow = 8192
	// allLinger is how long the window of all jobs is kept up after the last
	// follower left, so that a lost connection can resume.
	allLinger = time.Minute
	// catchUps is how many clients read from the database at a time.
	catchUps = 4
	// page is how many rows one read fetches.
	page = 1000
	// newPage is how many jobs the look for new ones fetches at a time.
	newPage = 50
)
