package api

import "net/http"

// Routes are the routes of every server, as "GET /path/:param".
func Routes() []string {
	var routes []string
	for _, route := range New(Config{}).app.GetRoutes(true) {
		if route.Method != http.MethodHead {
			routes = append(routes, route.Method+" "+route.Path)
		}
	}
	return routes
}
