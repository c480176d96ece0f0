package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// What callers decide by.
var (
	// ErrExists says that the fact is on the stream already: an earlier
	// publisher's, or the caller's own when an earlier attempt was stored and
	// its answer lost. Who must tell the two apart reads and compares.
	ErrExists = errors.New("already on the stream")
	// ErrFull says that the stream cannot take more. Nothing was stored. Raise
	// max_bytes, or the server's max_file_store, or free the disk.
	ErrFull = errors.New("the stream is full")
	// ErrUnavailable says that no answer came: the message may be stored or
	// not. Publish the same event again, or read, to find out.
	ErrUnavailable = errors.New("the stream does not answer")
	// ErrNotFound says that there is no such message, item or subscriber.
	ErrNotFound = errors.New("not found on the stream")
	// ErrNoStream says that the server has no such stream: run `tapedeck provision`.
	ErrNoStream = errors.New("no such stream")
	// ErrTooLarge says that an event or a batch is above its limit; nothing was sent.
	ErrTooLarge = errors.New("too large for the stream")
	// ErrGap says that the tape is not the unbroken continuation of what was
	// read: sequences are missing, the tape is shorter, or it is another tape.
	// Reading on would skip events; `tapedeck recover` is the way past.
	ErrGap = errors.New("the tape does not continue what was read")
)

// The server's error codes that nats.go has no name for.
const (
	codeStoreFailed      jetstream.ErrorCode = 10077 // also the clean "maximum bytes exceeded"
	codeStorageExceeded  jetstream.ErrorCode = 10047
	codeInsufficient     jetstream.ErrorCode = 10023
	codeNoAccountStorage jetstream.ErrorCode = 10002
	codeBatchDuplicateID jetstream.ErrorCode = 10201
	codeBatchTooLarge    jetstream.ErrorCode = 10199
	codeBatchIncomplete  jetstream.ErrorCode = 10176
	codeTooManyBatches   jetstream.ErrorCode = 10210
	codeNotLeader        jetstream.ErrorCode = 10009
	codeClusterNoPeers   jetstream.ErrorCode = 10008 // "system temporarily unavailable"
	codeMessageTooLarge  jetstream.ErrorCode = jetstream.JSErrCodeStreamMessageExceedsMaximum
	codeGuardTaken       jetstream.ErrorCode = jetstream.JSErrCodeStreamWrongLastSequence
	codeGuardUndecided   jetstream.ErrorCode = jetstream.JSErrCodeStreamWrongLastSequenceConstant
	codeIDUndecided      jetstream.ErrorCode = 10158 // an earlier attempt is on its way through the cluster
	codeStreamNotFound   jetstream.ErrorCode = jetstream.JSErrCodeStreamNotFound
	codeConsumerNotFound jetstream.ErrorCode = jetstream.JSErrCodeConsumerNotFound
	codeMessageNotFound  jetstream.ErrorCode = jetstream.JSErrCodeMessageNotFound
	codeConsumerMissing  jetstream.ErrorCode = jetstream.JSErrCodeConsumerDoesNotExist
)

// classify wraps an answer of the server with the sentinel that callers decide
// by, or returns it as it is. The context's own end stays recognisable too.
func classify(err error) error {
	if err == nil {
		return nil
	}
	var api *jetstream.APIError
	var coded jetstream.JetStreamError
	if !errors.As(err, &api) && errors.As(err, &coded) {
		api = coded.APIError()
	}
	if sentinel := sentinelOf(err, api); sentinel != nil {
		return fmt.Errorf("%w: %w", sentinel, err)
	}
	return err
}

func sentinelOf(err error, api *jetstream.APIError) error {
	if api == nil {
		return sentinelOfClient(err)
	}
	switch api.ErrorCode {
	case codeGuardTaken, codeBatchDuplicateID:
		return ErrExists
	case codeStoreFailed, codeStorageExceeded, codeInsufficient, codeNoAccountStorage:
		return ErrFull
	case codeGuardUndecided, codeIDUndecided, codeTooManyBatches, codeBatchIncomplete, codeNotLeader, codeClusterNoPeers:
		return ErrUnavailable
	case codeMessageTooLarge, codeBatchTooLarge:
		return ErrTooLarge
	case codeStreamNotFound:
		return ErrNoStream
	case codeMessageNotFound, codeConsumerNotFound, codeConsumerMissing:
		return ErrNotFound
	}
	if api.Code == 503 || api.Code == 429 {
		return ErrUnavailable
	}
	return nil
}

func sentinelOfClient(err error) error {
	switch {
	case errors.Is(err, nats.ErrMaxPayload):
		return ErrTooLarge
	case errors.Is(err, jetstream.ErrMsgNotFound), errors.Is(err, jetstream.ErrConsumerNotFound),
		errors.Is(err, jetstream.ErrConsumerDoesNotExist):
		return ErrNotFound
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return ErrNoStream
	case errors.Is(err, context.Canceled):
		return nil
	case errors.Is(err, nats.ErrTimeout), errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrNoStreamResponse),
		errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrDisconnected),
		errors.Is(err, nats.ErrConnectionReconnecting), errors.Is(err, nats.ErrStaleConnection),
		errors.Is(err, context.DeadlineExceeded),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrClosedPipe), errors.Is(err, net.ErrClosed):
		return ErrUnavailable
	}
	var broken *net.OpError // a write to a connection that has just died
	if errors.As(err, &broken) {
		return ErrUnavailable
	}
	return nil
}
