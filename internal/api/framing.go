package api

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// strictly refuses what the HTTP server takes although other programs on the
// way may read it as another request, or as two: a proxy and we must never
// disagree on where a request ends or for whom it is. Its connection is closed,
// so that nothing that follows is read as a request. It also answers unknown
// methods, which Fiber answers in plain text before any middleware.
func strictly(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		status := 0
		switch {
		case string(ctx.Request.Header.Protocol()) == tooLong:
			status = http.StatusRequestEntityTooLarge
		case ambiguous(&ctx.Request.Header), elsewhere(&ctx.Request.Header, ctx.URI().Host()):
			status = http.StatusBadRequest
		case compressed(&ctx.Request.Header):
			status = http.StatusUnsupportedMediaType
		case !slices.Contains(fiber.DefaultMethods, string(ctx.Method())):
			status = http.StatusNotImplemented
		default:
			status = takeBody(ctx)
		}
		if status == 0 {
			next(ctx)
			return
		}
		refuseBare(ctx, status)
	}
}

// tooLong stands in place of the version of a request that announced a body
// longer than bodyLimit. No client can send it.
const tooLong = "too long"

// announced looks at a head before anything is read or kept for its body: one
// that is too long is none, and the request is answered so.
func announced(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	if h.ContentLength() > bodyLimit {
		h.SetContentLength(0)
		h.Del(fiber.HeaderExpect)
		h.SetProtocol(tooLong)
	}
	return fasthttp.RequestConfig{}
}

// takeBody reads a request's body, which takes memory as it comes and not as
// it was announced. It returns the status of a refusal, or 0.
func takeBody(ctx *fasthttp.RequestCtx) (refused int) {
	stream := ctx.RequestBodyStream()
	if stream == nil {
		return 0
	}
	length := ctx.Request.Header.ContentLength() // -1: in chunks
	body, err := io.ReadAll(io.LimitReader(stream, bodyLimit+1))
	var timeout net.Error
	switch {
	case len(body) > bodyLimit:
		return http.StatusRequestEntityTooLarge
	case errors.As(err, &timeout) && timeout.Timeout():
		return http.StatusRequestTimeout
	case err != nil, length >= 0 && len(body) != length: // the client broke off
		return http.StatusBadRequest
	case len(ctx.Request.Header.PeekTrailerKeys()) > 0:
		// fasthttp shows what stands behind the last chunk as if it stood in the
		// head, where a proxy looks and there it does not.
		return http.StatusBadRequest
	}
	ctx.Request.SetBodyRaw(body)
	return 0
}

// refuseBare sends the problem of a status outside of Fiber, and closes the
// connection: what follows on it may be what is left of this request.
func refuseBare(ctx *fasthttp.RequestCtx, status int) {
	ctx.SetConnectionClose()
	p := fromStatus(status)
	body, err := encodeJSON(p)
	if err != nil {
		body = nil // texts and numbers always encode
	}
	ctx.SetStatusCode(p.Status)
	ctx.SetContentType("application/problem+json")
	ctx.SetBody(body)
}

// ambiguous reports whether a request can be read in two ways (RFC 9112): a
// version that is not ours; folded fields, fields that do not end in CRLF and
// names that are none; a length beside an encoding; a body where there is no
// use for one.
func ambiguous(h *fasthttp.RequestHeader) bool {
	if version := string(h.Protocol()); version != "HTTP/1.1" && version != "HTTP/1.0" {
		return true
	}
	raw := h.RawHeaders()
	for line := range bytes.Lines(raw) {
		field, ended := bytes.CutSuffix(line, []byte("\r\n"))
		if !ended {
			return true
		}
		if len(field) == 0 {
			break
		}
		if name, _, found := bytes.Cut(field, []byte(":")); !found || !isToken(name) { // a folded line begins with a blank
			return true
		}
	}
	// fasthttp takes any other encoding, such as identity, for no body at all, and
	// would serve what comes behind as the next request.
	if holds(raw, "transfer-encoding") && (holds(raw, "content-length") || h.ContentLength() != -1) {
		return true
	}
	length := h.ContentLength()
	return (h.IsGet() || h.IsHead()) && (length > 0 || length == -1)
}

// isToken reports whether a text can be the name of a field (RFC 9110, 5.6.2).
// fasthttp also takes names with a blank inside, which others cut off there.
func isToken(name []byte) bool {
	for _, b := range name {
		switch {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9':
		case bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), b) >= 0:
		default:
			return false
		}
	}
	return len(name) > 0
}

// compressed reports whether a body would have to be unpacked, for which Fiber
// knows no limit: a thousandth of what it would take of memory is enough to send.
func compressed(h *fasthttp.RequestHeader) bool {
	return holds(h.RawHeaders(), "content-encoding")
}

// holds reports whether a header has a field of a name, in small letters.
func holds(raw []byte, name string) bool {
	for line := range bytes.Lines(raw) {
		field, _, _ := bytes.Cut(line, []byte(":"))
		if bytes.EqualFold(bytes.TrimSpace(field), []byte(name)) {
			return true
		}
	}
	return false
}
