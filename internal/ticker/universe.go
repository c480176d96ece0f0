package ticker

import "strings"

// A UniverseInfo describes a built-in universe.
type UniverseInfo struct {
	Name   string
	Date   string // the day, YYYY-MM-DD, on which its constituents were so
	Source string // whose list it is, for people
	Count  int
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
		list = append(list, UniverseInfo{Name: u.name, Date: u.date, Source: u.source, Count: len(strings.Fields(u.tickers))})
	}
	return list
}

// universes is a constant table, sorted by name. Constituents are facts of
// their date; a new list gets a new date, and jobs carry the tickers themselves.
var universes = [...]struct{ name, date, source, tickers string }{
	// Unchanged since NVDA and SHW replaced INTC and DOW on 2024-11-08.
	{"dow30", "2026-07-01", "Dow Jones Industrial Average", `
	AAPL AMGN AMZN AXP BA CAT CRM CSCO CVX DIS GS HD HON IBM JNJ JPM KO MCD MMM MRK MSFT NKE
	NVDA PG SHW TRV UNH V VZ WMT`},
	// 100 companies, Alphabet with two classes; WMT replaced AZN in January 2026.
	{"nasdaq100", "2026-07-01", "Nasdaq-100", `
	AAPL ABNB ADBE ADI ADP ADSK AEP ALNY AMAT AMD AMGN AMZN APP ARM ASML AVGO AXON BKNG BKR
	CCEP CDNS CEG CHTR CMCSA COST CPRT CRWD CSCO CSGP CSX CTAS CTSH DASH DDOG DXCM EA EXC
	FANG FAST FER FTNT GEHC GILD GOOG GOOGL HON IDXX INSM INTC INTU ISRG KDP KHC KLAC LIN
	LRCX MAR MCHP MDLZ MELI META MNST MPWR MRVL MSFT MSTR MU NFLX NVDA NXPI ODFL ORLY PANW
	PAYX PCAR PDD PEP PLTR PYPL QCOM REGN ROP ROST SBUX SHOP SNPS STX TEAM TMUS TRI TSLA TTWO
	TXN VRSK VRTX WBD WDAY WDC WMT XEL ZS`},
	{"nifty100", "2026-05-31", "NSE Indices, NIFTY 100", nifty50 + niftyNext50},
	{"nifty50", "2026-06-21", "NSE Indices, NIFTY 50", nifty50},
	// The NIFTY 100 less the NIFTY 50.
	{"niftynext50", "2026-05-31", "NSE Indices, NIFTY Next 50", niftyNext50},
	// Named on the exchange whose index it is; most trade on NSE as well (.NS).
	{"sensex30", "2025-12-22", "BSE Index Services, SENSEX", `
	ADANIPORTS.BO ASIANPAINT.BO AXISBANK.BO BAJFINANCE.BO BAJAJFINSV.BO BEL.BO BHARTIARTL.BO
	ETERNAL.BO HCLTECH.BO HDFCBANK.BO HINDUNILVR.BO ICICIBANK.BO INFY.BO INDIGO.BO ITC.BO
	KOTAKBANK.BO LT.BO M&M.BO MARUTI.BO NTPC.BO POWERGRID.BO RELIANCE.BO SBIN.BO SUNPHARMA.BO
	TCS.BO TATASTEEL.BO TECHM.BO TITAN.BO TRENT.BO ULTRACEMCO.BO`},
}

const (
	nifty50 = `
	ADANIENT.NS ADANIPORTS.NS APOLLOHOSP.NS ASIANPAINT.NS AXISBANK.NS BAJAJ-AUTO.NS
	BAJFINANCE.NS BAJAJFINSV.NS BEL.NS BHARTIARTL.NS CIPLA.NS COALINDIA.NS DRREDDY.NS
	EICHERMOT.NS ETERNAL.NS GRASIM.NS HCLTECH.NS HDFCBANK.NS HDFCLIFE.NS HINDALCO.NS
	HINDUNILVR.NS ICICIBANK.NS ITC.NS INFY.NS INDIGO.NS JSWSTEEL.NS JIOFIN.NS KOTAKBANK.NS
	LT.NS M&M.NS MARUTI.NS MAXHEALTH.NS NTPC.NS NESTLEIND.NS ONGC.NS POWERGRID.NS RELIANCE.NS
	SBILIFE.NS SHRIRAMFIN.NS SBIN.NS SUNPHARMA.NS TCS.NS TATACONSUM.NS TMPV.NS TATASTEEL.NS
	TECHM.NS TITAN.NS TRENT.NS ULTRACEMCO.NS WIPRO.NS`
	niftyNext50 = `
	ABB.NS ADANIENSOL.NS ADANIGREEN.NS ADANIPOWER.NS AMBUJACEM.NS DMART.NS BAJAJHLDNG.NS
	BANKBARODA.NS BPCL.NS BOSCHLTD.NS BRITANNIA.NS CGPOWER.NS CANBK.NS CHOLAFIN.NS
	CUMMINSIND.NS DLF.NS DIVISLAB.NS GAIL.NS GODREJCP.NS HDFCAMC.NS HAL.NS HINDZINC.NS
	HYUNDAI.NS INDHOTEL.NS IOC.NS IRFC.NS JINDALSTEL.NS LTM.NS LODHA.NS MAZDOCK.NS
	MUTHOOTFIN.NS PIDILITIND.NS PFC.NS PNB.NS RECLTD.NS MOTHERSON.NS SHREECEM.NS ENRIN.NS
	SIEMENS.NS SOLARINDS.NS TVSMOTOR.NS TATACAP.NS TMCV.NS TATAPOWER.NS TORNTPHARM.NS
	UNIONBANK.NS UNITDSPR.NS VBL.NS VEDL.NS ZYDUSLIFE.NS`
)
