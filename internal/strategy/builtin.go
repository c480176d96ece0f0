package strategy

import (
	"embed"
	"slices"
)

// Default is the built-in strategy of a job that names none.
const Default = "balanced"

// builtinNames are the built-in strategies in the order of their ids, from 1.
var builtinNames = [...]string{"balanced", "trend_following", "mean_reversion", "momentum_breakout", "weekly_4"}

//go:embed builtin/*.json
var builtinFiles embed.FS

//go:embed strategy.schema.json
var schema []byte

// Schema returns the JSON Schema (2020-12) of a document. It states every
// field and range; relations between fields, such as fast < slow, only Parse checks.
func Schema() []byte { return slices.Clone(schema) }

// Builtin returns the built-in strategy name, and whether there is one.
func Builtin(name string) (Document, bool) {
	if !slices.Contains(builtinNames[:], name) {
		return Document{}, false
	}
	raw, err := builtinFiles.ReadFile("builtin/" + name + ".json")
	if err != nil {
		panic("strategy: " + err.Error()) // the file is part of the program
	}
	d, err := Parse(raw)
	if err != nil {
		panic("strategy: built-in " + name + ": " + err.Error()) // a test parses them all
	}
	return d, true
}

// BuiltinByID returns the built-in strategy with the predecessor's id, 1..5,
// and whether there is one.
func BuiltinByID(id int) (Document, bool) {
	if id < 1 || id > len(builtinNames) {
		return Document{}, false
	}
	return Builtin(builtinNames[id-1])
}

// BuiltinID returns the predecessor's id of the built-in strategy name, and
// whether there is one.
func BuiltinID(name string) (int, bool) {
	at := slices.Index(builtinNames[:], name)
	return at + 1, at >= 0
}

// Builtins returns the built-in strategies in the order of their ids.
func Builtins() []Document {
	list := make([]Document, 0, len(builtinNames))
	for _, name := range builtinNames {
		d, _ := Builtin(name)
		list = append(list, d)
	}
	return list
}
