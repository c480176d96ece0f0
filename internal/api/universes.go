package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/gofiber/fiber/v2"

	"github.com/tapedeck/tapedeck/internal/ticker"
	"github.com/tapedeck/tapedeck/internal/universe"
)

// resolve returns the tickers of a universe as they are now, whole: built in at
// once, from the copy at hand, or fetched. Errors are *Problem; nothing of a
// list that is not whole is ever used.
func (s *Server) resolve(ctx context.Context, name string) (universe.List, error) {
	ctx, cancel := context.WithTimeout(ctx, universeTimeout)
	defer cancel()
	found, err := s.config.Universes.Tickers(ctx, name)
	switch {
	case errors.Is(err, universe.ErrUnknown):
		return found, unknownUniverse(err)
	case errors.Is(err, context.DeadlineExceeded):
		return found, universeUnavailable(name + " is still being fetched; try again in a moment").after(retryAfterBusy).because(err)
	case errors.Is(err, universe.ErrUnavailable):
		return found, universeUnavailable(err.Error()).after(retryAfterFetch).because(err)
	case err != nil:
		return found, universeUnavailable(name + " could not be listed; try again, or name a built-in universe such as nifty50").after(retryAfterBusy).because(err)
	}
	found.Tickers = s.legal(found.Tickers)
	switch n := len(found.Tickers); {
	case n == 0:
		return found, universeUnavailable(name + " holds no tickers")
	case n > maxTickers:
		return found, problem(http.StatusUnprocessableEntity, "too_many_tickers",
			fmt.Sprintf("the universe %s holds %d tickers, at most %d make a job; name a smaller one, or tickers", name, n, maxTickers))
	}
	return found, nil
}

// takeUniverse fills in the tickers of the universe that a submission names. A
// name that is none, or a universe that is too large, is a wrong field of it.
func (s *Server) takeUniverse(ctx context.Context, sub *submission) error {
	if sub.Universe == "" || len(sub.Tickers) > 0 {
		return nil
	}
	found, err := s.resolve(ctx, sub.Universe)
	var refused *Problem
	if errors.As(err, &refused) && refused.Status < http.StatusInternalServerError {
		return invalid([]FieldError{{Message: refused.Detail, Location: "body.universe", Value: capped(sub.Universe)}})
	}
	if err != nil {
		return err
	}
	sub.Tickers, sub.recorded, sub.warning = found.Tickers, recordedAs(found), found.Warning
	return nil
}

// legal returns the distinct tickers of a list that something outside gave, in
// their order and canonical.
func (s *Server) legal(names []string) []string {
	seen := make(map[string]bool, len(names))
	list := make([]string, 0, len(names))
	for _, name := range names {
		canonical, err := ticker.Parse(name)
		if err != nil {
			s.log.Warn("a list holds what is no ticker; left out", "stage", "api", "err", err)
			continue
		}
		if !seen[canonical] {
			seen[canonical] = true
			list = append(list, canonical)
		}
	}
	return list
}

func universeUnavailable(detail string) *Problem {
	return problem(http.StatusServiceUnavailable, "universe_unavailable", detail)
}

func unknownUniverse(err error) *Problem {
	return problem(http.StatusNotFound, "unknown_universe", err.Error()).because(err)
}

// recordedAs is how a job names the universe that its tickers came from: with
// the date of the list, since the list of another day is another one.
func recordedAs(l universe.List) string {
	if l.Date == "" {
		return l.Name
	}
	return l.Name + "@" + l.Date
}

// universeJSON is a universe in a list.
type universeJSON struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	Date  string `json:"date,omitempty"`  // of the constituents at hand; absent: to be fetched when it is asked for
	Count int    `json:"count,omitempty"` // of the constituents at hand
}

// listUniverses is GET /api/v1/universes. It fetches nothing.
func (s *Server) listUniverses(c *fiber.Ctx) error {
	if err := s.begin(c); err != nil {
		return err
	}
	items := []universeJSON{}
	tag := tagOf()
	for _, u := range s.config.Universes.Names() {
		items = append(items, universeJSON{u.Name, u.Title, u.Date, u.Count})
		tag.add(u.Name+u.Date, uint64(u.Count))
	}
	return answerTagged(c, tag, struct {
		Items []universeJSON `json:"items"`
	}{items})
}

// getUniverse is GET /api/v1/universes/{name}: its tickers, as a job that
// names it now would take them.
func (s *Server) getUniverse(c *fiber.Ctx) error {
	if err := s.begin(c); err != nil {
		return err
	}
	name, err := pathParam(c, "name")
	if err != nil {
		return err
	}
	found, err := s.resolve(c.UserContext(), name)
	if err != nil {
		return err
	}
	tag := tagOf()
	for _, one := range append([]string{found.Name, found.Date, found.Origin, found.Warning}, found.Tickers...) {
		tag.add(one, 0)
	}
	return answerTagged(c, tag, struct {
		Name    string   `json:"name"`
		Date    string   `json:"date"`
		Origin  string   `json:"origin"` // where the tickers come from, in words
		Warning string   `json:"warning,omitempty"`
		Count   int      `json:"count"`
		Tickers []string `json:"tickers"`
	}{found.Name, found.Date, found.Origin, found.Warning, len(found.Tickers), found.Tickers})
}
