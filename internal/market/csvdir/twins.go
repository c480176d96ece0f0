package csvdir

import (
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// A listing is the folder's tickers by the size of their files.
type listing struct {
	mu     sync.Mutex  // guards what follows
	folder fs.FileInfo // as it was when it was listed
	listed time.Time
	sizes  map[int64][]string
}

// twins warns of other files with the bars of a ticker's, or is empty: what a
// vendor delivered twice, or was saved under a wrong name. Only files of equal
// size are looked at; a link to the file is no other one.
func (p *Provider) twins(root *os.Root, ticker string, file parsed) string {
	if len(file.bars) < minAlike {
		return ""
	}
	var names []string
	for _, other := range p.sized(root, file.info.Size()) {
		if other == ticker {
			continue
		}
		found, err := p.load(root, other)
		if err == nil && !os.SameFile(found.info, file.info) && slices.Equal(found.bars, file.bars) {
			names = append(names, fileName(other))
		}
	}
	if names == nil {
		return ""
	}
	return "the same bars stand in " + strings.Join(names, ", ") + "; only one of them can be what its name says"
}

// sized are the tickers with files of a size, sorted; none if there are too many.
func (p *Provider) sized(root *os.Root, size int64) []string {
	l, now := &p.listing, p.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	folder, err := root.Stat(".")
	if err != nil {
		return nil // the next request hears of it
	}
	if l.folder == nil || !same(l.folder, folder) || now.Sub(l.listed) >= relistEvery {
		l.folder, l.listed, l.sizes = folder, now, map[int64][]string{}
		entries, _ := readFolder(root) // who lists the tickers hears of a fault
		for _, entry := range entries {
			name, ok := tickerOf(entry.Name())
			if info, err := root.Stat(entry.Name()); ok && err == nil && info.Mode().IsRegular() {
				l.sizes[info.Size()] = append(l.sizes[info.Size()], name)
			}
		}
	}
	if found := l.sizes[size]; len(found) <= maxOfSize {
		return found
	}
	return nil
}
