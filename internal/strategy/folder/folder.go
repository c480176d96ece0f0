// Package folder reads users' own strategies from a folder of files: name.json,
// name.yaml or name.yml each holds the strategy name. The folder is hot: every
// call reads what is there now, so a changed, added or removed file is seen at
// once, and a broken one hides no other.
package folder

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tapedeck/tapedeck/internal/strategy"
)

var (
	// ErrUnknown says that no file of the folder holds the strategy; the text names those
	// that can be chosen.
	ErrUnknown = errors.New("unknown strategy")
	// ErrBroken says that there is a file, but it holds no valid strategy of its name. It is
	// what every *FileError unwraps to.
	ErrBroken = errors.New("broken strategy file")
)

// A FileError says which file of a folder is wrong, where and why.
type FileError struct {
	File   string // its name in the folder, or the folder's path
	Line   int    // from 1; 0 when the fault has no line
	Reason string // what is wrong and what would be right
}

// Error implements error: "file:line: reason".
func (e *FileError) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Reason)
	}
	return e.File + ": " + e.Reason
}

// Is reports whether target is ErrBroken.
func (e *FileError) Is(target error) bool { return target == ErrBroken }

// A Folder is a folder of strategies. It keeps nothing but the folder's handle
// and is safe for concurrent use. Nothing outside the folder is read, neither by
// a name nor by a link.
type Folder struct{ root *os.Root }

// Open opens the folder dir, which must exist. Its files are read by Get and
// List, not now. Close it when it is no longer used.
func Open(dir string) (*Folder, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the folder of strategies: %w", err)
	}
	return &Folder{root: root}, nil
}

// Close gives up the folder's handle.
func (f *Folder) Close() error { return f.root.Close() }

// Get returns the strategy name. It fails with ErrUnknown when no file holds it,
// and with a *FileError (or several, joined) when its file is broken or two
// files claim the name.
func (f *Folder) Get(name string) (strategy.Document, error) {
	list, broken := f.read(func(file string) bool { return stem(file) == name })
	switch {
	case len(broken) > 0:
		return strategy.Document{}, errors.Join(broken...)
	case len(list) == 1:
		return list[0], nil
	}
	return strategy.Document{}, f.unknown(name)
}

// List returns every strategy of the folder, sorted by name, and an error for
// each file that holds none, most of them *FileError. Files of other endings and
// those that begin with a dot are left alone, as are folders within.
func (f *Folder) List() ([]strategy.Document, []error) {
	return f.read(func(string) bool { return true })
}

// unknown says what can be chosen instead of name.
func (f *Folder) unknown(name string) error {
	choices := make([]string, 0, MaxFiles)
	for _, d := range strategy.Builtins() {
		choices = append(choices, d.Name)
	}
	list, _ := f.List()
	for _, d := range list {
		choices = append(choices, d.Name)
	}
	if runes := []rune(name); len(runes) > strategy.MaxName {
		name = string(runes[:strategy.MaxName]) + "…"
	}
	return fmt.Errorf("%w %q; choose from %s", ErrUnknown, name, strings.Join(choices, ", "))
}

// read reads the files whose names are wanted.
func (f *Folder) read(wanted func(file string) bool) (list []strategy.Document, broken []error) {
	files, err := f.files(wanted)
	if err != nil {
		return nil, []error{err}
	}
	for i, file := range files {
		if i >= MaxFiles {
			broken = append(broken, &FileError{File: f.root.Name(), Reason: fmt.Sprintf(
				"must hold at most %d strategies, holds %d; those from %s on are not read", MaxFiles, len(files), file)})
			break
		}
		d, err := f.parse(file, files)
		if err != nil {
			broken = append(broken, err)
			continue
		}
		list = append(list, d)
	}
	return list, broken
}

// files returns the names of the strategy files that are wanted, sorted.
func (f *Folder) files(wanted func(file string) bool) ([]string, error) {
	entries, err := fs.ReadDir(f.root.FS(), ".")
	if err != nil {
		return nil, fmt.Errorf("reading the folder of strategies %s: %w", f.root.Name(), err)
	}
	var files []string
	for _, entry := range entries {
		name := entry.Name()
		if isStrategy(name) && !strings.HasPrefix(name, ".") && !entry.IsDir() && wanted(name) {
			files = append(files, name)
		}
	}
	slices.Sort(files)
	return files, nil
}

// parse reads one file among all that are read with it.
func (f *Folder) parse(file string, all []string) (strategy.Document, error) {
	name := stem(file)
	wrong := func(line int, format string, args ...any) (strategy.Document, error) {
		return strategy.Document{}, &FileError{File: file, Line: line, Reason: fmt.Sprintf(format, args...)}
	}
	if _, builtin := strategy.Builtin(name); builtin {
		return wrong(0, "%s is a built-in strategy; give yours another name, in the file and as the file's name", name)
	}
	if twin := slices.IndexFunc(all, func(other string) bool { return other != file && stem(other) == name }); twin >= 0 {
		return wrong(0, "%s holds the same strategy; keep one of both", all[twin])
	}
	raw, err := f.load(file)
	if err != nil {
		return wrong(0, "%v", err)
	}
	d, err := strategy.ParseFile(file, raw)
	var invalid *strategy.InvalidError
	if errors.As(err, &invalid) {
		return strategy.Document{}, errorOf(file, invalid)
	}
	if err != nil {
		return wrong(0, "%v", err)
	}
	if d.Name != name {
		return wrong(0, "the strategy's name is %s; name the file %s%s, or the strategy %s", d.Name, d.Name, filepath.Ext(file), name)
	}
	return d, nil
}

// errorOf returns what is wrong with file: its first line that is, all reasons.
func errorOf(file string, invalid *strategy.InvalidError) error {
	first := &FileError{File: file}
	var reasons []string
	for _, p := range invalid.Problems {
		reason := strings.TrimSpace(p.Field + " " + p.Message)
		switch {
		case first.Line == 0:
			first.Line = p.Line
		case p.Line > 0 && p.Line != first.Line:
			reason = fmt.Sprintf("line %d: %s", p.Line, reason)
		}
		reasons = append(reasons, reason)
	}
	first.Reason = strings.Join(reasons, "; ")
	return first
}

// load returns what a regular file holds.
func (f *Folder) load(name string) ([]byte, error) {
	info, err := f.root.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait for its writer
		return nil, errors.New("is not a regular file")
	}
	if info.Size() > strategy.MaxBytes {
		return nil, fmt.Errorf("must have at most %d bytes, has %d", strategy.MaxBytes, info.Size())
	}
	return f.root.ReadFile(name)
}

func isStrategy(file string) bool {
	return slices.Contains([]string{".json", ".yaml", ".yml"}, filepath.Ext(file))
}

// stem returns the name of a file without its ending.
func stem(file string) string { return strings.TrimSuffix(file, filepath.Ext(file)) }
