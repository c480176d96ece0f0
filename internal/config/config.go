// Package config holds the settings of tapedeck's programs: a struct per
// concern, a paragraph per field. Flags and environment variables are derived
// from the structs (--database-url is TAPEDECK_DATABASE_URL), and the table in
// docs/OPERATIONS.md is generated from them.
package config

import (
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"time"

	"github.com/alecthomas/kong"
)

// Log is how a program reports on itself, on standard error.
type Log struct {
	// LogLevel is the least level that is written: debug, info, warn or error.
	// Per job lines are info, per ticker lines debug. Without it a server
	// writes from info on, the demonstration and the other commands from warn on.
	LogLevel string `name:"log-level" enum:",debug,info,warn,error" default:"" placeholder:"LEVEL" help:"Least level that is logged: debug, info, warn or error."`
	// LogFormat is text for people or json for machines.
	LogFormat string `name:"log-format" enum:"text,json" default:"text" help:"Log lines as text or json."`
}

// Logger returns the logger that the settings describe; usual is the level
// where they say nothing.
func (l Log) Logger(usual slog.Level) *slog.Logger {
	level := usual
	if l.LogLevel != "" {
		if err := level.UnmarshalText([]byte(l.LogLevel)); err != nil {
			level = usual // kong's enum lets nothing else through
		}
	}
	options := &slog.HandlerOptions{Level: level}
	if l.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, options))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, options))
}

// NATS is the connection to an external nats-server.
type NATS struct {
	// NATSURL is the server's address, several with commas between. Without it
	// the programs that have an embedded server use that.
	NATSURL string `name:"nats-url" placeholder:"nats://HOST:4222" help:"External nats-server, several with commas between."`
	// NATSUser is the user in nats.conf; each role has its own and it is the
	// role's name unless this says otherwise.
	NATSUser string `name:"nats-user" placeholder:"NAME" help:"User on the external nats-server; the role's name by default."`
	// NATSPassword is that user's password.
	NATSPassword Secret `name:"nats-password" placeholder:"PASSWORD" help:"Password on the external nats-server; better from a file: TAPEDECK_NATS_PASSWORD_FILE."`
}

// Monitor is the monitoring port of an external nats-server.
type Monitor struct {
	// NATSMonitor is its address, that of each server of a cluster. Through it
	// the programs see what a client is not told: whether the server syncs every
	// write, and whether it still can write.
	NATSMonitor []string `name:"nats-monitor" placeholder:"http://HOST:8222" help:"Monitoring address of the external nats-server, repeatable: tells whether it syncs every write, and whether it can write."`
}

// AcceptLoss is for places where the power may take accepted jobs.
type AcceptLoss struct {
	// AcceptLossOnPowerFailure lets the recorder start on a tape that is known to
	// lose what it acknowledged when the power fails. After that the database is
	// ahead of the tape: the recorder stops, and 'tapedeck recover --accept-loss'
	// gives up what is gone.
	AcceptLossOnPowerFailure bool `name:"accept-loss-on-power-failure" help:"Record although the external nats-server is known to lose acknowledged events when the power fails."`
}

// RolePasswords are those of the roles that run in one process against an
// external server: the same variables that nats.conf reads.
type RolePasswords struct {
	// NATSAPIPassword is the password of user api.
	NATSAPIPassword Secret `name:"nats-api-password" placeholder:"PASSWORD" help:"Password of user api on an external nats-server."`
	// NATSAnalyzerPassword is the password of user analyzer.
	NATSAnalyzerPassword Secret `name:"nats-analyzer-password" placeholder:"PASSWORD" help:"Password of user analyzer on an external nats-server."`
	// NATSRecorderPassword is the password of user recorder.
	NATSRecorderPassword Secret `name:"nats-recorder-password" placeholder:"PASSWORD" help:"Password of user recorder on an external nats-server."`
}

// Database is where results are recorded and read.
type Database struct {
	// DatabaseURL is sqlite:PATH or postgres://USER@HOST/NAME. The recorder
	// needs the owner of the tables, the api a user that may only read.
	DatabaseURL Secret `name:"database-url" placeholder:"sqlite:PATH|postgres://..." help:"Database; better from a file when it holds a password: TAPEDECK_DATABASE_URL_FILE."`
}

// HTTP is the api's listener.
type HTTP struct {
	// HTTPAddr is the address that the api listens on. There is no login yet:
	// anything but a loopback address must be asked for by AllowRemote.
	HTTPAddr string `name:"http" default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Address that the api listens on."`
	// AllowRemote lets the api listen where other machines reach it, although
	// everyone who reaches it may submit and cancel jobs.
	AllowRemote bool `name:"allow-remote-without-login" help:"Listen on an address that is not loopback although there is no login."`
	// AllowedHosts are the names under which the api answers besides its own
	// addresses: a page of another site cannot make a browser call it.
	AllowedHosts []string `name:"allowed-host" placeholder:"HOST" help:"Host name under which the api answers, besides loopback names and its own address; repeatable."`
	// ConnectionsPerAddress is the most connections that one address may hold; a
	// reverse proxy is one address.
	ConnectionsPerAddress uint16 `name:"connections-per-address" placeholder:"N" default:"0" help:"Connections that one address may hold; 0 means 1152 of the api's 1536. A reverse proxy is one address."`
}

// Market is where bars come from.
type Market struct {
	// Market is where bars come from: csv:DIR (a folder of TICKER.csv files), nse
	// (the daily files of India's NSE, fetched into an archive in the data
	// directory), nse:DIR (such an archive of yours, only read unless
	// NSEDownload is set), yahoo (Yahoo Finance), or several of these with commas
	// between: then a ticker's bars come from the first that has it. A folder's
	// name cannot hold a comma. synthetic is made up, marked as such everywhere,
	// and stands alone. There is no default: results are only worth what their
	// data are worth.
	Market string `name:"market" placeholder:"SOURCE[,SOURCE]" help:"Market data: csv:DIR, nse, nse:DIR, yahoo, several in order of preference with commas between, or synthetic."`
	// MarketRate is the most requests per second that go to each provider's
	// server, from all analyzers on one NATS server together; below 1 is legal
	// (0.5: one in two seconds). Yahoo refuses who asks faster than a few per
	// second, for minutes. A hundred tickers take fifty seconds at the default.
	MarketRate float64 `name:"market-rate" default:"2" placeholder:"N" help:"Requests per second to each provider's server, from all analyzers together."`
	// YahooURL is where Yahoo's chart endpoint is asked, for a mirror or a proxy;
	// several are tried in their order. Without it Yahoo's own two hosts are.
	YahooURL []string `name:"yahoo-url" placeholder:"URL" help:"Server of Yahoo's chart endpoint, repeatable; Yahoo's own two by default."`
	// YahooAdjustment is what is taken out of Yahoo's prices: splits, or
	// splits_dividends, which changes all earlier prices with each dividend.
	YahooAdjustment string `name:"yahoo-adjustment" enum:"splits,splits_dividends" default:"splits" help:"What is taken out of Yahoo's prices: splits or splits_dividends."`
	// NSEDownload lets nse:DIR fetch the days that DIR lacks. nse without a folder
	// always does.
	NSEDownload bool `name:"nse-download" help:"Fetch the days that the folder of nse:DIR lacks."`
	// NSEURL is where the daily files are fetched, for a mirror.
	NSEURL string `name:"nse-url" placeholder:"URL" help:"Server of NSE's daily files; the exchange's own by default."`
	// NSEActions is a file of splits and bonuses, as NSE lists them or as a CSV
	// file of your own, beside those in the archive's folder. Without their word
	// a share that was split fails as bad_data: its prices are raw.
	NSEActions string `name:"nse-actions" type:"path" placeholder:"FILE" help:"Splits and bonuses of NSE's shares, beside the files in the archive."`
	// NSEHistory is how many of the newest sessions of the archive are used, and
	// fetched where days are missing. Each costs a request once, and about 0.1 MB
	// of memory.
	NSEHistory int `name:"nse-history" default:"1000" placeholder:"N" help:"Sessions of NSE's archive that are used, and fetched where they are missing."`
	// Calendar is a file of the days on which exchanges differ from the built-in
	// calendars (holidays and special sessions that were announced later), a day
	// on each line: XNSE,XBOM 2027-01-26 closed Republic Day. It decides which
	// sessions yahoo's bars belong to, until when they are kept, and which of
	// NSE's daily files are fetched. It is read at the start.
	Calendar string `name:"calendar" type:"path" placeholder:"FILE" help:"Holidays and special sessions beside the built-in calendars, a day on each line."`
}

// Analyzer is how much an analyzer does at a time.
type Analyzer struct {
	// Concurrency is the number of tickers in hand at a time. 0 means 64 per
	// processor, at most 512: nearly all of them wait for the provider or for the
	// batch that stores their outcome, and twice the batch is half the fsyncs.
	// Where each ticker costs a request (yahoo) 0 means what the market's rate
	// serves in eight seconds, if that is less.
	Concurrency int `name:"concurrency" default:"0" help:"Tickers in hand at a time; 0 means 64 per processor, at most 512, and what --market-rate serves in 8 s with yahoo."`
}

// Measured with BenchmarkJob of package standalone on two processors, tickers
// per second: 16 per processor 820, 64 1,550, 256 1,680.
const (
	slotsPerProcessor = 64
	maxDefaultSlots   = 512
)

// Slots is the number of tickers in hand at a time.
func (a Analyzer) Slots() int {
	if a.Concurrency > 0 {
		return a.Concurrency
	}
	return min(slotsPerProcessor*runtime.NumCPU(), maxDefaultSlots)
}

// Reconcile is how the recorder's process looks for work that went missing.
type Reconcile struct {
	// ReconcileEvery is the time between two looks. Work that was lost is
	// found after at most this time.
	ReconcileEvery time.Duration `name:"reconcile-every" default:"30s" help:"Time between two looks for work that went missing."`
}

// Options are the kong options that every program shares.
func Options(name, description string) []kong.Option {
	return []kong.Option{
		kong.Name(name),
		kong.Description(description),
		kong.DefaultEnvars("TAPEDECK"),
		kong.Resolvers(kong.ResolverFunc(secretFiles)),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	}
}

// Require returns an error that names the flag and its variable if value is empty.
func Require(value, flag, env, example string) error {
	if value != "" {
		return nil
	}
	return fmt.Errorf("--%s (or %s) is missing; for example %s", flag, env, example)
}

// Symbols is what "all symbols" means where the api knows no market provider.
type Symbols struct {
	// SymbolsUniverse is the universe that a submission on the predecessor's URL
	// without symbols stands for.
	SymbolsUniverse string `name:"symbols-universe" default:"nifty50" placeholder:"NAME" help:"Universe that a submission without symbols on the predecessor's URL stands for."`
}

// Strategies are the users' own, beside those built in.
type Strategies struct {
	// Strategies is a folder of files NAME.yaml or NAME.json, each of which is the
	// strategy NAME. It must exist; what is in it may change at any time, and each
	// request sees it as it is. A job carries its strategy whole.
	Strategies string `name:"strategies" type:"path" placeholder:"DIR" help:"Folder of your own strategies, NAME.yaml or NAME.json."`
}

// Universes are the lists of tickers that exchanges publish.
type Universes struct {
	// UniverseDir keeps the lists that were fetched, a file each with its date. A
	// list is fetched again when it is a day old; while that fails the kept one
	// serves. A list that is put there by hand is used too. Without it the role
	// keeps them in memory, the embedded mode in the data directory.
	UniverseDir string `name:"universe-dir" type:"path" placeholder:"DIR" help:"Folder that keeps fetched universes; the data directory's universes when embedded, else memory."`
	// UniverseNSEURL is where the lists of NSE are fetched, for a mirror.
	UniverseNSEURL string `name:"universe-nse-url" placeholder:"URL" help:"Server of NSE's lists; the exchange's own by default."`
	// UniverseNASDAQURL is where the lists of NASDAQ and NYSE are fetched, for a mirror.
	UniverseNASDAQURL string `name:"universe-nasdaq-url" placeholder:"URL" help:"Folder of the lists of NASDAQ and NYSE; NASDAQ Trader's own by default."`
}
