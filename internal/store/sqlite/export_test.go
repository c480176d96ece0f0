package sqlite

// LookFirst makes the next read of r find file at first, whatever the link says.
func LookFirst(r *Reader, file string) {
	r.snapshots.look = func(path string) (string, error) {
		r.snapshots.look = current
		return file, nil
	}
}
