package universe

// A list is one that an exchange publishes as a file.
type list struct {
	name, title string
	host        host
	path        string // below the host's base URL
	decode      decoder
	min, max    int // how many tickers a whole list holds; anything else is a fault
}

// A host is a server that publishes lists.
type host int

const (
	nseHost    host = iota // Config.NSEURL
	nasdaqHost             // Config.NASDAQURL
)

// lists is a constant table, sorted by name. Members of an index are its number
// and a few more while a demerged company is listed beside its parent.
var lists = []list{
	{"nasdaq_listed", "shares listed on NASDAQ, without funds, warrants, rights, units and preferred ones", nasdaqHost, "/nasdaqlisted.txt", decodeNASDAQ, 1500, MaxTickers},
	{"nifty200", "NIFTY 200", nseHost, "/content/indices/ind_nifty200list.csv", decodeNSE, 195, 210},
	{"nifty500", "NIFTY 500", nseHost, "/content/indices/ind_nifty500list.csv", decodeNSE, 490, 515},
	{"niftymicrocap250", "NIFTY Microcap 250", nseHost, "/content/indices/ind_niftymicrocap250_list.csv", decodeNSE, 240, 262},
	{"niftymidcap100", "NIFTY Midcap 100", nseHost, "/content/indices/ind_niftymidcap100list.csv", decodeNSE, 97, 105},
	{"niftymidcap150", "NIFTY Midcap 150", nseHost, "/content/indices/ind_niftymidcap150list.csv", decodeNSE, 146, 158},
	{"niftymidcap50", "NIFTY Midcap 50", nseHost, "/content/indices/ind_niftymidcap50list.csv", decodeNSE, 48, 54},
	{"niftymidsmallcap400", "NIFTY MidSmallcap 400", nseHost, "/content/indices/ind_niftymidsmallcap400list.csv", decodeNSE, 390, 415},
	{"niftysmallcap100", "NIFTY Smallcap 100", nseHost, "/content/indices/ind_niftysmallcap100list.csv", decodeNSE, 97, 105},
	{"niftysmallcap250", "NIFTY Smallcap 250", nseHost, "/content/indices/ind_niftysmallcap250list.csv", decodeNSE, 240, 262},
	{"niftysmallcap50", "NIFTY Smallcap 50", nseHost, "/content/indices/ind_niftysmallcap50list.csv", decodeNSE, 48, 54},
	{"niftytotalmarket", "NIFTY Total Market, 750 companies", nseHost, "/content/indices/ind_niftytotalmarket_list.csv", decodeNSE, 735, 775},
	{nseEquity, "all shares listed on NSE's main board (series EQ, BE, BZ)", nseHost, "/content/equities/EQUITY_L.csv", decodeNSE, 1500, MaxTickers},
	{"nyse_listed", "shares listed on NYSE and NYSE American, as nasdaq_listed", nasdaqHost, "/otherlisted.txt", decodeNYSE, 1200, MaxTickers},
}

// The names that are not simply a list.
const (
	nseEquity = "nse_equity"
	nseAll    = "nse" // what the provider lists on NSE, else nseEquity
	providers = "all" // what the provider lists
)

// listOf returns the list called name.
func listOf(name string) (list, bool) {
	for _, l := range lists {
		if l.name == name {
			return l, true
		}
	}
	return list{}, false
}
