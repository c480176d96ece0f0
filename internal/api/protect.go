package api

import (
	"context"
	"fmt"
	"mime"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
)

// measure counts and times each request, turns its error into an answer, and
// keeps a panic from ending the process.
func (s *Server) measure(c *fiber.Ctx) error {
	begin := time.Now()
	err := recovered(c)
	if err != nil {
		if err := s.sendError(c, err); err != nil {
			return err
		}
	}
	s.metrics.request(c.Method(), route(c), c.Response().StatusCode(), time.Since(begin))
	return nil
}

func recovered(c *fiber.Ctx) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("a handler panicked: %v\n%s", r, debug.Stack())
		}
	}()
	return c.Next()
}

// withContext gives a request the time that it may take, and ends it when the
// server stops. (Fiber's own context is never cancelled.)
func (s *Server) withContext(c *fiber.Ctx) error {
	ctx, cancel := context.WithTimeout(s.base, requestTimeout)
	defer cancel()
	c.SetUserContext(ctx)
	return c.Next()
}

// protect keeps pages of other sites from using a visitor's browser: the Host
// must be ours (DNS rebinding), an unsafe request must come from our own pages
// or from no page at all, and a body must be application/json, which a page
// of another site cannot send unasked.
func (s *Server) protect(c *fiber.Ctx) error {
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	host := string(c.Context().Host())
	if !s.ours(host, c.Context().LocalAddr()) {
		return problem(http.StatusMisdirectedRequest, "wrong_host", "this host name is not served here; start the api with --allowed-host to add it")
	}
	if method := c.Method(); method == http.MethodGet || method == http.MethodHead {
		return c.Next()
	}
	if site := c.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return crossSite()
	}
	if origin := c.Get(fiber.HeaderOrigin); origin != "" {
		if !strings.EqualFold(origin, "http://"+host) && !strings.EqualFold(origin, "https://"+host) {
			return crossSite()
		}
	}
	if len(c.Body()) > 0 && !isJSON(c.Get(fiber.HeaderContentType)) {
		return problem(http.StatusUnsupportedMediaType, "unsupported_media_type", "the body must be application/json")
	}
	return c.Next()
}

func crossSite() *Problem {
	return problem(http.StatusForbidden, "cross_site", "requests that change something are not taken from pages of other sites")
}

func isJSON(header string) bool {
	kind, _, err := mime.ParseMediaType(header)
	return err == nil && kind == fiber.MIMEApplicationJSON
}
