package api

import (
	"sync"

	"github.com/gofiber/fiber/v2"

	"github.com/tapedeck/tapedeck/internal/api/reference"
	contract "github.com/tapedeck/tapedeck/schema/http"
)

// The OpenAPI document and its page are the same for every server and request.
var (
	openAPI       = sync.OnceValues(contract.Document)
	referencePage = sync.OnceValues(func() ([]byte, error) {
		document, err := openAPI()
		if err != nil {
			return nil, err
		}
		return reference.Page(document)
	})
)

// getOpenAPI is GET /openapi.json.
func (s *Server) getOpenAPI(c *fiber.Ctx) error {
	document, err := openAPI()
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderCacheControl, "no-cache")
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	return c.Send(document)
}

// getReference is GET /docs.
func (s *Server) getReference(c *fiber.Ctx) error {
	page, err := referencePage()
	if err != nil {
		return err
	}
	pageHeaders(c)
	c.Set(fiber.HeaderContentType, fiber.MIMETextHTMLCharsetUTF8)
	return c.Send(page)
}
