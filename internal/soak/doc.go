// Package soak runs mixed jobs against a deck for as long as it is told, looks
// again and again at what its processes hold, and judges whether any of that
// grows. Of what a program holds, growth is told from noise by comparing the
// median of the last third of the time with that of the second; the first third
// is the warm-up. What grows with the events by nature, bytes on the tape and in
// the database, is judged per event.
package soak
