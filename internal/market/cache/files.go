package cache

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tapedeck/tapedeck/internal/market"
)

// Files is a market.BarCache in a folder, for one process: a file per key,
// written beside it and renamed, so that nobody reads half of one. It holds at
// most so many bytes and drops what has expired, then what was put first.
// Nothing is synced to the disk: what a power failure spoils is found by its
// checksum and counts as not there.
type Files struct {
	dir  string
	most int64

	mu    sync.Mutex      // guards what follows, and writing
	files map[string]file // nil until the first put
	bytes int64
}

var _ market.BarCache = (*Files)(nil)

// A file is what is known of one without reading it.
type file struct {
	size    int64
	put     time.Time
	expires time.Time
}

// A file is "tdc1", CRC-32C of the rest, expires in Unix seconds (8 bytes), the
// key's length (2 bytes), the key, the data; numbers are big-endian.
const (
	fileMagic = "tdc1"
	fileHead  = len(fileMagic) + crc32.Size + 8 + 2
	fileEnd   = ".bars"
	tempEnd   = ".part"
)

// NewFiles returns the cache in dir, which is made with the first file, closed
// to other users. most is what its files may take together; 0 means
// DefaultFilesBytes. What lies there already is looked through before the
// first file is written.
func NewFiles(dir string, most int64) *Files {
	if most <= 0 {
		most = DefaultFilesBytes
	}
	return &Files{dir: dir, most: most}
}

// scan takes up what an earlier process left, once. Called with mu held.
func (f *Files) scan() error {
	if f.files != nil {
		return nil
	}
	entries, err := os.ReadDir(f.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("looking through the cache of bars: %w", err)
	}
	f.files = map[string]file{}
	for _, entry := range entries {
		f.find(entry)
	}
	return nil
}

// find takes up a file that an earlier process left; what is none of ours stays.
func (f *Files) find(entry fs.DirEntry) {
	name := entry.Name()
	if strings.HasSuffix(name, tempEnd) {
		_ = os.Remove(filepath.Join(f.dir, name)) // half a file; it is tried again at the next start
		return
	}
	info, err := entry.Info()
	if err != nil || !strings.HasSuffix(name, fileEnd) || !info.Mode().IsRegular() {
		return
	}
	head := make([]byte, fileHead)
	expires := time.Time{} // of a file without a head: long ago
	if reader, err := os.Open(filepath.Join(f.dir, name)); err == nil {
		if n, _ := reader.Read(head); n == fileHead {
			expires = expiryOf(head)
		}
		_ = reader.Close() // it was only read
	}
	f.files[name] = file{size: info.Size(), put: info.ModTime(), expires: expires}
	f.bytes += info.Size()
}

func expiryOf(data []byte) time.Time {
	return time.Unix(int64(binary.BigEndian.Uint64(data[len(fileMagic)+crc32.Size:])), 0)
}

// Get implements market.BarCache. Its errors are those of the file system.
func (f *Files) Get(_ context.Context, key string) ([]byte, bool, error) {
	name := nameOf(key)
	path := filepath.Join(f.dir, name)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("reading the cache of bars: %w", err)
	}
	body, expires, whole := decodeFile(data, key)
	if !whole || !time.Now().Before(expires) {
		return nil, false, nil // its place is free when it is needed, or when the key is put again
	}
	return body, true, nil
}

// Put implements market.BarCache. Its errors are those of the file system.
func (f *Files) Put(_ context.Context, key string, data []byte, expires time.Time) error {
	if len(key) > math.MaxUint16 {
		return fmt.Errorf("writing to the cache of bars: a key of %d bytes, at most %d", len(key), math.MaxUint16)
	}
	name, body := nameOf(key), encodeFile(key, data, expires)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.scan(); err != nil {
		return err
	}
	temp, err := os.CreateTemp(f.dir, name+".*"+tempEnd)
	if errors.Is(err, fs.ErrNotExist) { // the first file, or somebody removed the folder
		if err = os.MkdirAll(f.dir, 0o700); err == nil {
			temp, err = os.CreateTemp(f.dir, name+".*"+tempEnd)
		}
	}
	if err != nil {
		return fmt.Errorf("writing to the cache of bars: %w", err)
	}
	_, err = temp.Write(body)
	if err = errors.Join(err, temp.Close()); err != nil {
		return errors.Join(fmt.Errorf("writing to the cache of bars: %w", err), os.Remove(temp.Name()))
	}
	if err := os.Rename(temp.Name(), filepath.Join(f.dir, name)); err != nil {
		return errors.Join(fmt.Errorf("writing to the cache of bars: %w", err), os.Remove(temp.Name()))
	}
	now := time.Now()
	f.bytes += int64(len(body)) - f.files[name].size
	f.files[name] = file{size: int64(len(body)), put: now, expires: expires}
	f.prune(now)
	return nil
}

// prune removes files until the rest fits: the expired ones, then the oldest,
// down to nine tenths, so that not every put has to look for one. Called with mu held.
func (f *Files) prune(now time.Time) {
	if f.bytes <= f.most {
		return
	}
	type named struct {
		name string
		file
	}
	var all []named
	for name, file := range f.files {
		all = append(all, named{name, file})
	}
	slices.SortFunc(all, func(a, b named) int {
		if gone, alive := now.After(a.expires), now.After(b.expires); gone != alive {
			if gone {
				return -1
			}
			return 1
		}
		return cmp.Or(a.put.Compare(b.put), strings.Compare(a.name, b.name))
	})
	for _, file := range all {
		if f.bytes <= f.most/10*9 {
			return
		}
		_ = os.Remove(filepath.Join(f.dir, file.name)) // if it stays, the next start counts it again
		delete(f.files, file.name)
		f.bytes -= file.size
	}
}

// nameOf is a name of a fixed length for any key.
func nameOf(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:16]) + fileEnd
}

func encodeFile(key string, data []byte, expires time.Time) []byte {
	body := make([]byte, len(fileMagic)+crc32.Size, fileHead+len(key)+len(data))
	copy(body, fileMagic)
	body = binary.BigEndian.AppendUint64(body, uint64(expires.Unix()))
	body = binary.BigEndian.AppendUint16(body, uint16(len(key)))
	body = append(append(body, key...), data...)
	binary.BigEndian.PutUint32(body[len(fileMagic):], crc32.Checksum(body[len(fileMagic)+crc32.Size:], castagnoli))
	return body
}

// decodeFile returns what encodeFile was given, if it is whole and key's.
func decodeFile(body []byte, key string) (data []byte, expires time.Time, whole bool) {
	if len(body) < fileHead || string(body[:len(fileMagic)]) != fileMagic ||
		binary.BigEndian.Uint32(body[len(fileMagic):]) != crc32.Checksum(body[len(fileMagic)+crc32.Size:], castagnoli) {
		return nil, expires, false
	}
	if stands := body[fileHead:]; int(binary.BigEndian.Uint16(body[fileHead-2:])) == len(key) && bytes.HasPrefix(stands, []byte(key)) {
		return stands[len(key):], expiryOf(body), true
	}
	return nil, expires, false
}
