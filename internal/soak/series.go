package soak

import "slices"

// A Unit says what the numbers of a series are.
type Unit string

// The units.
const (
	Bytes Unit = "bytes"
	Count Unit = "count"
)

// Samples are what was seen, a series for each thing that was looked at. The
// zero Samples are empty. They are for one goroutine at a time.
type Samples struct {
	// Coarse says that they span so little time that one job makes a third of
	// it: then the floors are sixteen times as high.
	Coarse bool

	series []*series
}

// A series is what was seen of one thing, sample by sample.
type series struct {
	name  string
	unit  Unit
	floor float64 // growth below it is none
	seen  []float64
}

// Add adds a sample to the series of a name. Growth by less than floor, as it
// is said with the last sample, is none.
func (s *Samples) Add(name string, unit Unit, floor, value float64) {
	at := slices.IndexFunc(s.series, func(one *series) bool { return one.name == name })
	if at < 0 {
		at = len(s.series)
		s.series = append(s.series, &series{name: name})
	}
	one := s.series[at]
	one.unit, one.floor = unit, floor
	one.seen = append(one.seen, value)
}

// A Verdict is what is said of one series: the medians of its thirds, and
// whether it grows, which is so when the last is above the second by a tenth
// and by the series' floor.
type Verdict struct {
	Name    string  `json:"name"`
	Unit    Unit    `json:"unit"`
	Samples int     `json:"samples"`
	First   float64 `json:"first_third"`
	Second  float64 `json:"second_third"`
	Last    float64 `json:"last_third"`
	Grows   bool    `json:"grows"`
}

// Judge judges each series, in the order in which they came. Of what was seen
// less than FewestSamples times nothing can be said: it does not grow, and a
// soak with it fails.
func (s *Samples) Judge() []Verdict {
	verdicts, factor := make([]Verdict, len(s.series)), 1.0
	if s.Coarse {
		factor = coarseFactor
	}
	for i, one := range s.series {
		third := len(one.seen) / 3
		v := Verdict{Name: one.name, Unit: one.unit, Samples: len(one.seen)}
		v.First, v.Second, v.Last = median(one.seen[:third]), median(one.seen[third:2*third]), median(one.seen[2*third:])
		v.Grows = third > 0 && v.Last > v.Second*(1+growthShare) && v.Last > v.Second+factor*one.floor
		verdicts[i] = v
	}
	return verdicts
}

// Growing are the names of the series that grow.
func Growing(verdicts []Verdict) (names []string) {
	for _, v := range verdicts {
		if v.Grows {
			names = append(names, v.Name)
		}
	}
	return names
}

// tooFew are the names of the series that nothing can be said of.
func tooFew(verdicts []Verdict) (names []string) {
	for _, v := range verdicts {
		if v.Samples < FewestSamples {
			names = append(names, v.Name)
		}
	}
	return names
}

func median(list []float64) float64 {
	list = slices.Sorted(slices.Values(list))
	if len(list) == 0 {
		return 0
	}
	return list[len(list)/2]
}
