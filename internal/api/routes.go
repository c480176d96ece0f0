package api

import (
	"strings"

	"github.com/gofiber/fiber/v2"
)

// routes is every route of the api, with a sentence each.
func (s *Server) routes() {
	s.app.Use(s.measure, s.protect, s.withContext)

	// Jobs.
	s.post("/api/v1/jobs", s.submitJob)                    // accept a job: 202 with its id
	s.get("/api/v1/jobs", s.listJobs)                      // jobs, newest first
	s.get("/api/v1/jobs/:id", s.getJob)                    // one job and how far it has come
	s.get("/api/v1/jobs/:id/details", s.getDetails)        // its tickers, each with its outcome, pending ones too
	s.get("/api/v1/jobs/:id/results", s.getResults)        // what its analyses found, best score first
	s.get("/api/v1/jobs/:id/results/:ticker", s.getResult) // one of them, with its indicators if asked
	s.get("/api/v1/jobs/:id/events", s.followJob)          // its outcomes as they are recorded (SSE)
	s.post("/api/v1/jobs/:id/cancel", s.cancelJob)         // stop it; outcomes from then on do not count
	s.post("/api/v1/jobs/:id/retry", s.retryJob)           // its failed tickers as a new job

	// Backtests: jobs of another kind. All but submitting and results is above.
	s.post("/api/v1/backtests", s.submitBacktest)                       // accept a backtest: 202 with its job's id
	s.get("/api/v1/backtests/:id", s.getBacktest)                       // the job, the equal-weight sum, its tickers, best return first; JSON or CSV
	s.get("/api/v1/backtests/:id/tickers/:ticker", s.getBacktestTicker) // one ticker's trades and equity; JSON or CSV

	// Results across jobs.
	s.get("/api/v1/tickers/:ticker/latest", s.getLatest)       // the newest day of a ticker
	s.get("/api/v1/tickers/:ticker/history", s.getHistory)     // its results, newest first
	s.get("/api/v1/tickers/:ticker/explain", s.getExplanation) // how a result of it came about, in full
	s.get("/api/v1/results", s.getScreen)                      // every ticker's newest day, best score first
	s.get("/api/v1/events", s.followAll)                       // everything as it is recorded (SSE)

	// What a job can name.
	s.get("/api/v1/strategies", s.listStrategies)           // the built-in strategies and those of the users' folder
	s.get("/api/v1/strategies/schema", s.getStrategySchema) // JSON Schema of a strategy's document
	s.get("/api/v1/strategies/:name", s.getStrategy)        // one of them, its document whole
	s.get("/api/v1/universes", s.listUniverses)             // the universes that can be named, without fetching any
	s.get("/api/v1/universes/:name", s.getUniverse)         // the tickers of one

	// The predecessor's URLs, with its field names and errors.
	s.post("/api/stocks/analyze-all-stocks", s.predecessorSubmit)        // a job over symbols, or over all
	s.get("/api/all-stocks/progress", s.predecessorProgress)             // active jobs and those that ended within the hour
	s.get("/api/stocks/all-stocks/progress", s.predecessorProgress)      // the same
	s.get("/api/analysis-history/:symbol", s.predecessorHistory)         // a symbol's results, score 0..100
	s.get("/api/analysis/history/:ticker", s.predecessorAnalysisHistory) // a ticker's results in full, score -1..+1

	// The page.
	s.get("/", s.getPage)              // jobs and newest results, for people
	s.get("/ui/app.mjs", s.getScript)  // keeps it current
	s.get("/ui/style.css", s.getStyle) // and readable

	// The contract.
	s.get("/openapi.json", s.getOpenAPI) // the OpenAPI document, see package schema/http
	s.get("/docs", s.getReference)       // the same as a page, for people

	// Operation.
	s.get("/livez", s.getLive)      // the process answers
	s.get("/readyz", s.getReady)    // each part that it needs, by name
	s.get("/metrics", s.getMetrics) // for Prometheus
}

func (s *Server) get(path string, handler fiber.Handler) { s.app.Get(path, named(path, handler)) }

func (s *Server) post(path string, handler fiber.Handler) { s.app.Post(path, named(path, handler)) }

// routeKey is where a request's route stands among its locals.
const routeKey = "route"

func named(path string, handler fiber.Handler) fiber.Handler {
	return func(c *fiber.Ctx) error {
		c.Locals(routeKey, path)
		return handler(c)
	}
}

// route is the path pattern that serves a request, for logs and metrics.
func route(c *fiber.Ctx) string {
	if path, ok := c.Locals(routeKey).(string); ok {
		return path
	}
	return "none"
}

// predecessorRoute reports whether a path is one of the predecessor's.
func predecessorRoute(path string) bool {
	return strings.HasPrefix(path, "/api/") && !strings.HasPrefix(path, "/api/v1/") && path != "/api/v1"
}
