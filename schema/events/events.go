// Package events holds the contract of the events for programs in other
// languages: one JSON Schema (draft 2020-12) for the body of each type, and
// an AsyncAPI document over them.
package events

import "embed"

// FS holds v1/<type>.schema.json for each type of v1, as in
// v1/job_queued.schema.json, and asyncapi.yaml.
//
//go:embed v1/*.schema.json asyncapi.yaml
var FS embed.FS
