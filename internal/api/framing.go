package api

import (
	"bytes"
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
		switch {
		case ambiguous(&ctx.Request):
			ctx.SetConnectionClose()
			answerBare(ctx, http.StatusBadRequest)
		case !slices.Contains(fiber.DefaultMethods, string(ctx.Method())):
			answerBare(ctx, http.StatusNotImplemented)
		default:
			next(ctx)
		}
	}
}

// answerBare sends the problem of a status outside of Fiber.
func answerBare(ctx *fasthttp.RequestCtx, status int) {
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
// version that is not ours; folded fields and fields that do not end in CRLF;
// a length beside an encoding; a body where there is no use for one; a target
// for a proxy, or for another host than the one in Host.
func ambiguous(r *fasthttp.Request) bool {
	h := &r.Header
	if version := string(h.Protocol()); version != "HTTP/1.1" && version != "HTTP/1.0" {
		return true
	}
	raw := h.RawHeaders()
	if len(raw) > 0 && (raw[0] == ' ' || raw[0] == '\t') {
		return true
	}
	for i, b := range raw {
		if b != '\n' {
			continue
		}
		folded := i+1 < len(raw) && (raw[i+1] == ' ' || raw[i+1] == '\t')
		if folded || i == 0 || raw[i-1] != '\r' {
			return true
		}
	}
	if holds(raw, "transfer-encoding") && holds(raw, "content-length") {
		return true
	}
	if (h.IsGet() || h.IsHead()) && len(r.Body()) > 0 {
		return true
	}
	target := h.RequestURI()
	if bytes.HasPrefix(target, []byte("/")) {
		return false
	}
	absolute := bytes.HasPrefix(target, []byte("http://")) || bytes.HasPrefix(target, []byte("https://"))
	return !absolute || !bytes.EqualFold(r.URI().Host(), h.Host())
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
