package indicator_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// exported returns the package's exported functions with their comments.
func exported(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Name.IsExported() {
				found[f.Name.Name] = strings.Join(strings.Fields(f.Doc.Text()), " ")
			}
		}
	}
	return found
}

// TestEveryKernelIsTested: the table of this test is complete, and each comment
// says where the formula is from, when its first value comes, and how it stands
// to TradingView.
func TestEveryKernelIsTested(t *testing.T) {
	for name, comment := range exported(t) {
		if !slices.ContainsFunc(kernels, func(k kernel) bool { return k.name == name }) {
			t.Errorf("%s is not in the table of kernels", name)
		}
		for _, word := range []string{"Source", "TradingView", "index "} {
			if !strings.Contains(comment, word) {
				t.Errorf("the comment of %s does not say %q", name, word)
			}
		}
	}
}

// TestWindows: over the last bars of its window a windowed kernel gives, by
// every bit, its last value over all bars.
func TestWindows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := drawBars(t, 20, 120)
		n := len(all.closing)
		for _, k := range kernels {
			if k.window == 0 {
				continue
			}
			whole, tail := k.run(all), k.run(all.cut(n-k.window, n))
			for i, name := range k.columns {
				if diff := cmp.Diff(whole[i][n-1], tail[i][k.window-1], bits); diff != "" {
					t.Fatalf("%s: %s", name, diff)
				}
			}
		}
	})
}

// TestConcurrent: kernels hold no state and write nothing that they are given;
// under -race it would be seen.
func TestConcurrent(t *testing.T) {
	all := jumpyBars(300)
	before, want := jumpyBars(300), compute(all)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5 {
				got := compute(all)
				for _, name := range columns {
					if !cmp.Equal(want[name], got[name], bits) {
						t.Errorf("%s differs", name)
					}
				}
			}
		})
	}
	wg.Wait()
	if diff := cmp.Diff(before, all, cmp.AllowUnexported(bars{})); diff != "" {
		t.Errorf("the input was changed: %s", diff)
	}
}

// TestAllocations: a kernel allocates its results, its working slices and a few
// words, however many bars there are.
func TestAllocations(t *testing.T) {
	const few = 4 // the lists of slices here and inside, a closure
	for _, n := range []int{250, 2500} {
		all := jumpyBars(n)
		for _, k := range kernels {
			slices := len(k.columns) + k.working
			if got := testing.AllocsPerRun(20, func() { k.run(all) }); got > float64(slices+few) {
				t.Errorf("%s of %d bars: %v allocations, at most %d", k.name, n, got, slices+few)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for range 20 {
				k.run(all)
			}
			runtime.ReadMemStats(&after)
			// An allocation is rounded up to its size class, by an eighth at most.
			if got, most := (after.TotalAlloc-before.TotalAlloc)/20, uint64(slices*n*8*9/8+1024); got > most {
				t.Errorf("%s of %d bars: %d bytes, at most %d", k.name, n, got, most)
			}
		}
	}
}
