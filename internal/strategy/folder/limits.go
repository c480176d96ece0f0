package folder

// MaxFiles is how many strategies a folder may hold: each call reads them all,
// and nobody compares more than this.
const MaxFiles = 200
