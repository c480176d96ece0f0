package live

import (
	"sort"

	"github.com/tapedeck/tapedeck/internal/store"
)

// A Kind says what an Event tells.
type Kind string

// The kinds, as they stand in an event stream.
const (
	KindQueued    Kind = "queued"    // a job was accepted; only in the stream of all jobs
	KindTicker    Kind = "ticker"    // a ticker was analyzed or failed
	KindCancelled Kind = "cancelled" // the job was cancelled; what had no outcome has none
	KindProgress  Kind = "progress"  // where the job stands; newer ones replace older ones
	KindEnd       Kind = "end"       // the job has ended; the last of it
	KindResync    Kind = "resync"    // what came before is not kept: begin anew from a snapshot
)

// An Event is one thing to tell. Seq is the sequence from which a client
// resumes after it; 0 if it does not move that place.
type Event struct {
	Kind   Kind
	Seq    uint64
	JobID  string
	Job    store.JobView // of queued, progress and end; without tickers perhaps
	Detail store.Detail  // of ticker
	AsOf   uint64
}

// A frame is an encoded event with its place on the tape.
type frame struct {
	seq  uint64
	text []byte
}

// A feed is a window of frames in the order of their sequences: it holds all
// that there are with floor < seq <= head.
type feed struct {
	limit       int
	frames      []frame
	floor, head uint64
}

// add appends frames, all with head < seq <= to, and moves the head to to.
// Beyond the limit the oldest go; frames of one sequence stay together.
func (f *feed) add(frames []frame, to uint64) {
	if to <= f.head {
		return
	}
	f.frames = append(f.frames, frames...)
	f.head = to
	excess := len(f.frames) - f.limit
	if excess <= 0 {
		return
	}
	f.floor = f.frames[excess-1].seq
	keep := sort.Search(len(f.frames), func(i int) bool { return f.frames[i].seq > f.floor })
	f.frames = append([]frame(nil), f.frames[keep:]...) // a new array: followers hold parts of the old one
}

// since returns the frames after a sequence; behind if some of them are gone.
func (f *feed) since(after uint64) (frames []frame, behind bool) {
	if after < f.floor {
		return nil, true
	}
	from := sort.Search(len(f.frames), func(i int) bool { return f.frames[i].seq > after })
	return f.frames[from:len(f.frames):len(f.frames)], false
}

// A reading is what one look found of a job: its view, and its details with a
// sequence in (since, asOf], in order.
type reading struct {
	view  store.JobView
	rows  []store.Detail
	since uint64
	asOf  uint64
}

// outcomes are the events of rows with from < seq <= to. The tickers that a
// cancel ended are one event; only the last event of a sequence moves the
// place from which a client resumes.
func outcomes(rows []store.Detail, from, to uint64) []Event {
	var list []Event
	for _, d := range rows {
		if d.Seq <= from || d.Seq > to {
			continue
		}
		if d.Status == store.DetailCancelled {
			list = append(list, Event{Kind: KindCancelled, Seq: d.Seq, JobID: d.JobID})
			break // it is the job's last sequence
		}
		list = append(list, Event{Kind: KindTicker, Seq: d.Seq, JobID: d.JobID, Detail: d})
	}
	return list
}

// merged are the events of all jobs with from < seq <= to in the tape's order,
// then where each job stands.
func merged(readings []reading, from, to uint64) []Event {
	var list, standing []Event
	for _, r := range readings {
		if r.view.Seq > from && r.view.Seq <= to {
			list = append(list, Event{Kind: KindQueued, Seq: r.view.Seq, JobID: r.view.ID, Job: r.view, AsOf: r.asOf})
		}
		list = append(list, outcomes(r.rows, from, to)...)
		if r.view.Progress.LastSeq > to {
			continue // the view was read later than the others; the next look tells where it stands
		}
		standing = append(standing, Event{Kind: standingKind(r.view), JobID: r.view.ID, Job: r.view, AsOf: r.asOf})
	}
	sort.SliceStable(list, func(i, j int) bool { return list[i].Seq < list[j].Seq })
	return append(list, standing...)
}

func standingKind(v store.JobView) Kind {
	if v.Progress.Status.Ended() {
		return KindEnd
	}
	return KindProgress
}
