package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

// The verbs of control requests to the recorder.
const (
	VerbRebuild = "rebuild"
	VerbVerify  = "verify"
	VerbStatus  = "status"
)

const (
	// controlBeat is how often a served request says that it still runs.
	controlBeat = 2 * time.Second
	// controlSilence is how long a caller hears nothing before it gives up.
	controlSilence = 5 * controlBeat
	// controlAbsence is how long nobody may serve before a caller gives up: a
	// recorder whose tables a rebuild has replaced takes its lease again first.
	controlAbsence = 2 * time.Second
	// controlRetry is the pause before a caller asks again.
	controlRetry = 50 * time.Millisecond
	// kindHeader tells the messages of an answer apart.
	kindHeader   = "tapedeck-control"
	kindBeat     = "beat"
	kindProgress = "progress"
	kindFinal    = "final"
	kindError    = "error" // final too
)

// ErrControl wraps what a control request's server says went wrong.
var ErrControl = errors.New("the recorder refused or failed")

// errNobody says that a control request reached nobody.
var errNobody = fmt.Errorf("%w: no recorder serves control requests; is one running?", ErrUnavailable)

// Control handles one request. It calls progress, from one goroutine, with
// values that are sent to the caller as JSON; so are its result and the text
// of its error. Its ctx ends with the server's.
type Control func(ctx context.Context, req []byte, progress func(v any)) (any, error)

// ServeControl answers ctl.recorder.<verb> until ctx ends, each request in a
// goroutine of its own; it returns when the last handler has. Only the
// recorder that holds the lease should serve.
func ServeControl(ctx context.Context, nc *nats.Conn, handlers map[string]Control) error {
	done := make(chan struct{}, len(handlers))
	requests := make(chan *nats.Msg, 16)
	for verb := range handlers {
		sub, err := nc.ChanSubscribe(controlPrefix+verb, requests)
		if err != nil {
			return fmt.Errorf("serving control requests: %w", err)
		}
		defer sub.Unsubscribe() //nolint:errcheck // the connection may be gone, and the subscription with it
	}
	running := 0
	for {
		select {
		case msg := <-requests:
			running++
			go func() {
				answerControl(ctx, nc, handlers[msg.Subject[len(controlPrefix):]], msg)
				done <- struct{}{}
			}()
		case <-done:
			running--
		case <-ctx.Done():
			for ; running > 0; running-- {
				<-done
			}
			return nil
		}
	}
}

// answerControl runs one handler; beats go out beside it.
func answerControl(ctx context.Context, nc *nats.Conn, handler Control, msg *nats.Msg) {
	type result struct {
		value any
		err   error
	}
	ended := make(chan result, 1)
	go func() {
		value, err := handler(ctx, msg.Data, func(v any) { sendControl(nc, msg.Reply, kindProgress, v) })
		ended <- result{value, err}
	}()
	sendControl(nc, msg.Reply, kindBeat, nil)
	beat := time.NewTicker(controlBeat)
	defer beat.Stop()
	for {
		select {
		case <-beat.C:
			sendControl(nc, msg.Reply, kindBeat, nil)
		case r := <-ended:
			if r.err != nil {
				text := r.err.Error()
				if ctx.Err() != nil { // what the handler met is the end of ctx
					text = "this recorder stopped serving meanwhile, since it stops, lost its lease, or put new tables in place: ask again"
				}
				sendControl(nc, msg.Reply, kindError, controlError{Error: text})
				return
			}
			sendControl(nc, msg.Reply, kindFinal, r.value)
			return
		}
	}
}

type controlError struct {
	Error string `json:"error"`
}

// sendControl sends one message of an answer. A caller that went away, or a
// lost connection, is not the handler's concern.
func sendControl(nc *nats.Conn, reply, kind string, v any) {
	out := nats.NewMsg(reply)
	out.Header.Set(kindHeader, kind)
	body, err := json.Marshal(v)
	if err != nil {
		body, _ = json.Marshal(controlError{Error: "encoding the answer: " + err.Error()})
		out.Header.Set(kindHeader, kindError)
	}
	out.Data = body
	_ = nc.PublishMsg(out)
}

// CallControl sends a request (as JSON) to the recorder and returns the JSON
// of its result. onProgress, which may be nil, gets each progress message.
// ErrUnavailable: no recorder serves, or it fell silent and the outcome is
// unknown. ErrControl: it answered with an error.
func CallControl(ctx context.Context, nc *nats.Conn, verb string, req any, onProgress func([]byte)) ([]byte, error) {
	body, err := json.Marshal(req)
	if err != nil {
		return nil, fmt.Errorf("encoding the request %s: %w", verb, err)
	}
	for began := time.Now(); ; {
		answer, err := callControl(ctx, nc, verb, body, onProgress)
		if !errors.Is(err, errNobody) || time.Since(began) > controlAbsence {
			return answer, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(controlRetry):
		}
	}
}

func callControl(ctx context.Context, nc *nats.Conn, verb string, body []byte, onProgress func([]byte)) ([]byte, error) {
	inbox := nc.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		return nil, fmt.Errorf("asking the recorder to %s: %w", verb, classify(err))
	}
	defer sub.Unsubscribe() //nolint:errcheck // the connection may be gone, and the subscription with it
	if err := nc.PublishRequest(controlPrefix+verb, inbox, body); err != nil {
		return nil, fmt.Errorf("asking the recorder to %s: %w", verb, classify(err))
	}
	for {
		msg, err := nextControl(ctx, sub)
		if err != nil {
			return nil, fmt.Errorf("asking the recorder to %s: %w", verb, err)
		}
		switch msg.Header.Get(kindHeader) {
		case kindProgress:
			if onProgress != nil {
				onProgress(msg.Data)
			}
		case kindFinal:
			return msg.Data, nil
		case kindError:
			var failed controlError
			if err := json.Unmarshal(msg.Data, &failed); err != nil {
				failed.Error = string(msg.Data)
			}
			return nil, fmt.Errorf("asking the recorder to %s: %w: %s", verb, ErrControl, failed.Error)
		}
	}
}

func nextControl(ctx context.Context, sub *nats.Subscription) (*nats.Msg, error) {
	quiet, cancel := context.WithTimeout(ctx, controlSilence)
	defer cancel()
	msg, err := sub.NextMsgWithContext(quiet)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, nats.ErrNoResponders):
		return nil, errNobody
	case err != nil:
		return nil, classify(err)
	}
	if len(msg.Data) == 0 && msg.Header.Get("Status") == "503" {
		return nil, errNobody
	}
	return msg, nil
}
