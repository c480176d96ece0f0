// Package events is the contract of tapedeck: what happened to jobs and
// tickers, as it stands on the tape (the JetStream stream TAPE). Programs
// outside tapedeck import it to subscribe and to replay; programs in other
// languages read the same JSON (see schema/events/v1).
//
// An event travels as a CloudEvents 1.0 message in binary mode: the envelope
// in ce-* headers, the body JSON. The payload is the truth, the subject only
// routes. Within v1 only fields are added; a reader ignores fields and takes
// types that it does not know as Unknown, never as an error.
//
// Subscribe calls typed handlers for events as they come, at least once, and
// continues where it stopped. Replay reads a part of the tape again. Package
// eventstest has a tape for tests. docs/EVENTS.md has a table of every field.
package events
