// Package planted shows that the tests have teeth: it plants bugs in the product
// and demands that a test goes red on each. It holds only tests.
//
// A bug is a file testdata/NAME.patch: a header, then a unified diff of product
// code. It is applied to copies, which the go command is told to compile in the
// place of the files (-overlay), so nothing in the tree changes and the product
// knows of none of it. Lines of the header:
//
//	bug: what the code does wrong, in a sentence
//	breaks: what users could not rely on any more, as numbered in docs/ARCHITECTURE.md
//	test: ./internal/recorder TestPoison
//	says: I7:
//	note: what else there is to know
//
// Each test that is named must go red by itself, and in what it prints the
// expression of says must be found. Those of internal/simulation (TestSeeds) are
// played from seed 1 on until they do; the seed stands in docs/PLANTED_BUGS.md.
// Further lines: "seeds: 3000" to look further than usual, "sample: yes" for a
// bug that is caught within seconds.
//
//	go test ./internal/simulation/planted                                every patch applies, the table names them all
//	go test ./internal/simulation/planted -sample 6                      six others every day are caught
//	go test ./internal/simulation/planted -all -timeout 2h               all are
//	go test ./internal/simulation/planted -only fence -v                 those whose names match
//	go test ./internal/simulation/planted -all -timeout 2h -update       and the table is written anew
package planted
