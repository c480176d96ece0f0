package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/natsd"
	"github.com/tapedeck/tapedeck/internal/stream"
)

type subscriberCmd struct {
	Add    subscriberAddCmd    `cmd:"" help:"Make a subscriber and print its credentials; again, to change its filter or password."`
	Remove subscriberRemoveCmd `cmd:"" help:"Remove a subscriber and its place on the tape."`
	List   subscriberListCmd   `cmd:"" help:"List subscribers and how far behind they are."`
}

type subscriberAddCmd struct {
	tapeAccess
	Name   string   `arg:"" help:"Name: a-z, 0-9, - and _, at most 32."`
	Kind   []string `placeholder:"KIND" help:"Only events of this kind, such as ticker_analyzed; repeatable."`
	Ticker string   `placeholder:"TICKER" help:"Only outcomes of this ticker."`
	From   uint64   `default:"0" placeholder:"SEQ" help:"First sequence to deliver; by default only what is new."`
	JSON   bool     `name:"json" help:"Print JSON."`
}

// A subscription is what a program needs to follow the tape.
type subscription struct {
	Name     string `json:"name"`
	URL      string `json:"url"`
	User     string `json:"user"`
	Password string `json:"password,omitempty"`
}

// Run makes the durable and its user, and prints how to connect.
func (cmd subscriberAddCmd) Run(a *app) error {
	c, err := cmd.open(a)
	if err != nil {
		return err
	}
	defer c.close()
	kinds := make([]events.Type, len(cmd.Kind))
	for i, kind := range cmd.Kind {
		kinds[i] = events.Type("tapedeck.v1." + kind)
	}
	err = stream.AddSubscriber(a.ctx, c.js, stream.SubscriberConfig{Name: cmd.Name, Kinds: kinds, Ticker: cmd.Ticker, From: cmd.From})
	if errors.Is(err, stream.ErrSubscriber) {
		return exitError{exitUsage, err.Error()}
	}
	if err != nil {
		return err
	}
	sub := subscription{Name: cmd.Name, User: stream.SubscriberConsumer(cmd.Name)}
	if !c.embedded {
		sub.URL = c.nc.ConnectedUrlRedacted()
		return cmd.printExternal(a, sub)
	}
	dir, err := cmd.path()
	if err != nil {
		return err
	}
	if c.server != nil {
		sub.Password, err = c.server.AddUser(cmd.Name)
	} else if sub.URL, err = natsd.Address(dir); err == nil {
		sub.Password, err = natsd.AddUser(dir, cmd.Name)
	}
	if err != nil {
		return err
	}
	if cmd.JSON {
		return printJSON(a.out, []subscription{sub})
	}
	fmt.Fprintf(a.out, "subscriber  %s\nurl         %s\nuser        %s\npassword    %s\n", sub.Name, orNone(sub.URL), sub.User, sub.Password)
	if sub.URL == "" {
		fmt.Fprintln(a.out, "\nThe embedded server takes no connections from outside: start tapedeck up with --nats-listen 127.0.0.1:4222.")
	}
	return nil
}

// printExternal prints what to paste into nats.conf of a server that is not ours.
func (cmd subscriberAddCmd) printExternal(a *app, sub subscription) error {
	if cmd.JSON {
		return printJSON(a.out, []subscription{sub})
	}
	fmt.Fprintf(a.out, "subscriber  %s\nurl         %s\nuser        %s\n\nAdd this user to nats.conf with a password of your own and reload the server (nats-server --signal reload):\n\n%s\n",
		sub.Name, sub.URL, sub.User, stream.SubscriberUser(cmd.Name, "PASSWORD"))
	return nil
}

func orNone(text string) string {
	if text == "" {
		return "(none)"
	}
	return text
}

type subscriberRemoveCmd struct {
	tapeAccess
	Name string `arg:"" help:"Name of the subscriber."`
}

// Run removes a subscriber's user and durable.
func (cmd subscriberRemoveCmd) Run(a *app) error {
	c, err := cmd.open(a)
	if err != nil {
		return err
	}
	defer c.close()
	if err := stream.RemoveSubscriber(a.ctx, c.js, cmd.Name); err != nil {
		return err
	}
	if c.embedded {
		dir, err := cmd.path()
		if err != nil {
			return err
		}
		if c.server != nil {
			err = c.server.RemoveUser(cmd.Name)
		} else {
			err = natsd.RemoveUser(dir, cmd.Name)
		}
		if err != nil {
			return err
		}
	}
	fmt.Fprintf(a.out, "subscriber %s is removed\n", cmd.Name)
	return nil
}

type subscriberListCmd struct {
	tapeAccess
	JSON bool `name:"json" help:"Print JSON, an object per line."`
}

// Run lists subscribers.
func (cmd subscriberListCmd) Run(a *app) error {
	c, err := cmd.open(a)
	if err != nil {
		return err
	}
	defer c.close()
	subscribers, err := stream.Subscribers(a.ctx, c.js)
	if err != nil {
		return err
	}
	if cmd.JSON {
		return printJSON(a.out, subscribers)
	}
	t := newTable("SUBSCRIBER", ">PENDING", ">UNACKED", "FILTERS")
	for _, s := range subscribers {
		t.add(s.Name, strconv.FormatUint(s.Pending, 10), strconv.Itoa(s.Unacked), fmt.Sprint(s.Filters))
	}
	t.write(a.out, nil)
	return nil
}
