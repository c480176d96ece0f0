package analyzer

import (
	"context"
	"errors"
	"time"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/analysis"
	"github.com/tapedeck/tapedeck/internal/market"
)

// An Action is what follows from a failed attempt: deliver the item again
// (the subscriber spaces the attempts out), or give up with Code and Message.
type Action struct {
	Retry   bool
	Code    events.FailureCode
	Message string
}

// errPanic is the cause of an attempt whose analysis panicked.
var errPanic = errors.New("the analysis panicked")

// Decide says what follows from attempt (from 1) having failed with err. After
// the last attempt the cause of that attempt is the failure's code.
func Decide(attempt int, err error) Action {
	code := classify(err)
	return Action{
		Retry:   code.Retriable() && attempt < MaxAttempts,
		Code:    code,
		Message: events.CleanText(err.Error()),
	}
}

// Wait is how long, besides the subscriber's own spacing, an attempt that
// failed with err had better not be repeated: what the provider says, so that a
// pause does not eat the attempts up, but not beyond what is left until the
// deadline, when the ticker is to fail.
func Wait(err error, left time.Duration) time.Duration {
	var data *market.Error
	if !errors.As(err, &data) {
		return 0
	}
	return max(0, min(data.RetryAfter, left))
}

// classify maps an error of the provider or the analysis to its failure code.
func classify(err error) events.FailureCode {
	var data *market.Error
	switch {
	case errors.Is(err, errPanic):
		return events.FailurePanic
	case errors.As(err, &data):
		return events.FailureCode(data.Code).Known()
	case errors.Is(err, context.DeadlineExceeded):
		return events.FailureTimeout
	case errors.Is(err, analysis.ErrShortHistory):
		return events.FailureShortHistory
	case errors.Is(err, analysis.ErrBadData):
		return events.FailureBadData
	case errors.Is(err, analysis.ErrParameters):
		return events.FailureInvalidParameters
	}
	return events.FailureInternal
}
