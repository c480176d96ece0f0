package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ConnectConfig says where the server is and who connects.
type ConnectConfig struct {
	// URL of the server, "nats://127.0.0.1:4222"; several are separated by
	// commas. Ignored when InProcess is set.
	URL string
	// InProcess connects to a server of this process or behind a socket (natsd).
	InProcess nats.InProcessConnProvider
	// Role decides the inbox prefix, and the user when User is empty.
	Role Role
	// Name of the connection, shown by the server's tools. Default "tapedeck-ROLE".
	Name string
	// User and Password, or CredsFile (a .creds file of an operator-mode
	// server). Without either the connection is anonymous.
	User, Password string
	CredsFile      string
	// Logger gets losses of the connection and refused permissions, which a
	// publisher otherwise only sees as a timeout. Default: none.
	Logger *slog.Logger
}

// Connect is ConnectContext for those who need not be stopped meanwhile.
func Connect(cfg ConnectConfig) (*nats.Conn, error) { return ConnectContext(context.Background(), cfg) }

// ConnectContext opens a connection that reconnects for ever; if ctx ends
// before it stands there is none. It keeps nothing back while it is
// disconnected: a publish fails at once, and whoever made it decides
// (TapeClient waits and tries again).
func ConnectContext(ctx context.Context, cfg ConnectConfig) (*nats.Conn, error) {
	type dialled struct {
		nc  *nats.Conn
		err error
	}
	done := make(chan dialled, 1)
	go func() {
		nc, err := connect(cfg)
		done <- dialled{nc, err}
	}()
	select {
	case d := <-done:
		return d.nc, d.err
	case <-ctx.Done():
		go func() { // the dial cannot be called off: it ends within connectTimeout a server
			if d := <-done; d.nc != nil {
				d.nc.Close()
			}
		}()
		return nil, fmt.Errorf("connecting to NATS as %s: %w", cfg.user(), ctx.Err())
	}
}

func (cfg ConnectConfig) user() string {
	if cfg.User != "" {
		return cfg.User
	}
	return string(cfg.Role)
}

func connect(cfg ConnectConfig) (*nats.Conn, error) {
	log := cfg.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	user := cfg.user()
	name := cfg.Name
	if name == "" {
		name = "tapedeck-" + user
	}
	opts := append(connectOptions(log),
		nats.Name(name), nats.CustomInboxPrefix(InboxPrefix(user)))
	if cfg.Password != "" {
		opts = append(opts, nats.UserInfo(user, cfg.Password))
	}
	if cfg.CredsFile != "" {
		opts = append(opts, nats.UserCredentials(cfg.CredsFile))
	}
	url := cfg.URL
	if cfg.InProcess != nil {
		url, opts = "", append(opts, nats.InProcessServer(cfg.InProcess))
	}
	nc, err := nats.Connect(url, opts...)
	// A refusal inside the process breaks the pipe before its text arrives.
	if errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired) || errors.Is(err, io.ErrClosedPipe) {
		return nil, fmt.Errorf("connecting to NATS as %s: %w; check the password of this user in nats.conf", user, err)
	}
	if err != nil {
		return nil, fmt.Errorf("connecting to NATS as %s: %w", user, err)
	}
	return nc, nil
}

// Open is OpenContext for those who need not be stopped meanwhile.
func Open(cfg ConnectConfig) (*nats.Conn, jetstream.JetStream, error) {
	return OpenContext(context.Background(), cfg)
}

// OpenContext is ConnectContext with JetStream on the connection, which the
// caller closes.
func OpenContext(ctx context.Context, cfg ConnectConfig) (*nats.Conn, jetstream.JetStream, error) {
	nc, err := ConnectContext(ctx, cfg)
	if err != nil {
		return nil, nil, err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		nc.Close()
		return nil, nil, fmt.Errorf("opening JetStream: %w", err)
	}
	return nc, js, nil
}

func connectOptions(log *slog.Logger) []nats.Option {
	return []nats.Option{
		nats.MaxReconnects(-1), nats.ReconnectWait(reconnectWait), nats.ReconnectJitter(reconnectWait, reconnectWait),
		nats.ReconnectBufSize(-1), nats.Timeout(connectTimeout),
		nats.IgnoreAuthErrorAbort(), // a server that reloads its users may refuse for a moment
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			subject := ""
			if sub != nil {
				subject = sub.Subject
			}
			if errors.Is(err, nats.ErrPermissionViolation) {
				log.Error("NATS refused a permission; compare the user's rights with nats.conf", "err", err)
				return
			}
			log.Warn("NATS reports", "err", err, "subject", subject)
		}),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("connection to NATS lost, reconnecting", "err", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { log.Info("connection to NATS is back") }),
	}
}
