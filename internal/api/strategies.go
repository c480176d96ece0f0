package api

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/tapedeck/tapedeck/internal/strategy"
	"github.com/tapedeck/tapedeck/internal/strategy/folder"
)

// The origins of a strategy.
const (
	originBuiltin = "builtin" // part of this program
	originFolder  = "folder"  // a file of the users' own folder
)

// strategyNamed finds a strategy by name: built in, or in the users' folder,
// where a file cannot take the name of a built-in one.
func (s *Server) strategyNamed(name string) (document strategy.Document, origin string, err error) {
	if document, known := strategy.Builtin(name); known {
		return document, originBuiltin, nil
	}
	if s.config.Strategies == nil {
		return document, "", folder.ErrUnknown
	}
	document, err = s.config.Strategies.Get(name)
	return document, originFolder, err
}

// strategyNames are all names, for a sentence.
func (s *Server) strategyNames() string {
	known := strategy.Builtins()
	if s.config.Strategies != nil {
		own, _ := s.config.Strategies.List()
		known = append(known, own...)
	}
	return namesOf(known, func(d strategy.Document) string { return d.Name })
}

// strategyJSON is a strategy in a list.
type strategyJSON struct {
	Name        string `json:"name"`
	Title       string `json:"title"`
	Description string `json:"description"`
	Hash        string `json:"hash"`   // of the whole document, as results carry it
	Origin      string `json:"origin"` // builtin or folder
	Default     bool   `json:"default"`
	MinBars     int    `json:"min_bars"`
}

func toStrategy(d strategy.Document, origin string) strategyJSON {
	return strategyJSON{
		Name: d.Name, Title: d.Title, Description: d.Description, Hash: d.Hash(),
		Origin: origin, Default: d.Name == strategy.Default && origin == originBuiltin, MinBars: d.MinBars,
	}
}

// listStrategies is GET /api/v1/strategies.
func (s *Server) listStrategies(c *fiber.Ctx) error {
	if err := s.begin(c); err != nil {
		return err
	}
	body := struct {
		Items    []strategyJSON `json:"items"`
		Problems []string       `json:"problems"` // a text for each file of the folder that cannot be used
	}{Items: []strategyJSON{}, Problems: []string{}}
	for _, document := range strategy.Builtins() {
		body.Items = append(body.Items, toStrategy(document, originBuiltin))
	}
	if s.config.Strategies != nil {
		own, broken := s.config.Strategies.List()
		for _, document := range own {
			body.Items = append(body.Items, toStrategy(document, originFolder))
		}
		for _, err := range broken {
			body.Problems = append(body.Problems, err.Error())
		}
	}
	tag := tagOf()
	for _, one := range body.Items {
		tag.add(one.Origin+one.Name+one.Hash, 0)
	}
	tag.add(strings.Join(body.Problems, "\n"), 0)
	return answerTagged(c, tag, body)
}

// getStrategy is GET /api/v1/strategies/{name}: the whole document, every
// default written out. It may be changed and sent with a job.
func (s *Server) getStrategy(c *fiber.Ctx) error {
	if err := s.begin(c); err != nil {
		return err
	}
	name, err := pathParam(c, "name")
	if err != nil {
		return err
	}
	document, origin, err := s.strategyNamed(name)
	if errors.Is(err, folder.ErrUnknown) {
		p := notFound("strategy")
		p.Detail += "; known are " + s.strategyNames()
		return p
	}
	if err != nil {
		return unusable(err)
	}
	tag := tagOf()
	tag.add(origin+document.Hash(), 0)
	return answerTagged(c, tag, struct {
		strategyJSON
		Document strategy.Document `json:"document"`
	}{toStrategy(document, origin), document})
}

// unusable is for a file of the folder that is there but cannot be used: its
// author has to mend it.
func unusable(err error) *Problem {
	return problem(fiber.StatusConflict, "strategy_unusable", fmt.Sprintf("the file of this strategy cannot be used: %v", err))
}

// getStrategySchema is GET /api/v1/strategies/schema: the JSON Schema of a document.
func (s *Server) getStrategySchema(c *fiber.Ctx) error {
	if err := s.begin(c); err != nil {
		return err
	}
	c.Set(fiber.HeaderContentType, "application/schema+json")
	c.Set(fiber.HeaderCacheControl, "no-cache")
	return c.Send(strategy.Schema())
}
