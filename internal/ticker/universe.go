package ticker

import "strings"

// A UniverseInfo describes a built-in universe.
type UniverseInfo struct {
	Name  string
	Date  string // the day, YYYY-MM-DD, on which its constituents were so
	Count int
}

// Universe returns the tickers of the built-in universe name ("nifty50"), in
// the order in which they are written down, and whether there is one. The
// slice is the caller's.
func Universe(name string) ([]string, bool) {
	for _, u := range universes {
		if u.name == name {
			return strings.Fields(u.tickers), true
		}
	}
	return nil, false
}

// Universes lists the built-in universes, sorted by name.
func Universes() []UniverseInfo {
	list := make([]UniverseInfo, 0, len(universes))
	for _, u := range universes {
		list = append(list, UniverseInfo{Name: u.name, Date: u.date, Count: len(strings.Fields(u.tickers))})
	}
	return list
}

// universes is a constant table, sorted by name. Constituents are facts of
// their date; a new list gets a new date, and jobs carry the tickers themselves.
var universes = [...]struct{ name, date, tickers string }{
	// The Dow Jones Industrial Average since NVDA and SHW replaced INTC and DOW.
	{"dow30", "2024-11-08", `
	AAPL AMGN AMZN AXP BA CAT CRM CSCO CVX DIS GS HD HON IBM JNJ JPM KO MCD MMM MRK
	MSFT NKE NVDA PG SHW TRV UNH V VZ WMT`},
	// The NIFTY 50 as NSE Indices listed it.
	{"nifty50", "2026-06-21", `
	ADANIENT.NS ADANIPORTS.NS APOLLOHOSP.NS ASIANPAINT.NS AXISBANK.NS BAJAJ-AUTO.NS
	BAJFINANCE.NS BAJAJFINSV.NS BEL.NS BHARTIARTL.NS CIPLA.NS COALINDIA.NS DRREDDY.NS
	EICHERMOT.NS ETERNAL.NS GRASIM.NS HCLTECH.NS HDFCBANK.NS HDFCLIFE.NS HINDALCO.NS
	HINDUNILVR.NS ICICIBANK.NS ITC.NS INFY.NS INDIGO.NS JSWSTEEL.NS JIOFIN.NS KOTAKBANK.NS
	LT.NS M&M.NS MARUTI.NS MAXHEALTH.NS NTPC.NS NESTLEIND.NS ONGC.NS POWERGRID.NS RELIANCE.NS
	SBILIFE.NS SHRIRAMFIN.NS SBIN.NS SUNPHARMA.NS TCS.NS TATACONSUM.NS TMPV.NS TATASTEEL.NS
	TECHM.NS TITAN.NS TRENT.NS ULTRACEMCO.NS WIPRO.NS`},
}
