package chaos_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tapedeck/tapedeck/internal/e2e/processes"
	"github.com/tapedeck/tapedeck/internal/store/postgres/postgrestest"
	"github.com/tapedeck/tapedeck/internal/stream"
	"github.com/tapedeck/tapedeck/internal/stream/streamtest"
)

// How long faults last at most. A stopped recorder loses its lease after 3 s; an
// attempt to reach a server ends after 5 s, a request to the api after 10 s.
const (
	downAtMost    = 3 * time.Second
	stoppedAtMost = 12 * time.Second
	slowAtMost    = 5 * time.Second
	// youngAge is how long a program may take to install its signal handlers.
	youngAge = 2 * time.Second
)

// faultsOf are the faults that can befall a deck.
func faultsOf(d *deck, js jetstream.JetStream) []fault {
	list := slices.Concat(programFaults(d), natsFaults(d), postgresFaults(d), networkFaults(d))
	if len(d.nats) > 1 {
		list = append(list, leaderFaults(d, js)...)
	}
	return list
}

// programFaults are those of the roles' programs: ended without a word and
// started again later, stopped for a while, and asked to end.
func programFaults(d *deck) []fault {
	var list []fault
	for _, m := range d.members {
		role, _, _ := strings.Cut(m.name, "-")
		list = append(list,
			fault{"SIGKILL " + role, 6, downAtMost, at(m.name), func(string) (func(), bool) {
				if !m.Running() {
					return nil, false // the supervisor's
				}
				m.down = true
				m.Crash()
				return m.start, true
			}},
			fault{"SIGSTOP " + role, 3, stoppedAtMost, at(m.name), func(string) (func(), bool) {
				if !m.Running() {
					return nil, false
				}
				resume, ok := stop(m.Pid())
				return func() {
					m.began = time.Now()
					resume()
				}, ok
			}},
			fault{"SIGTERM " + role, 2, downAtMost, at(m.name), func(string) (func(), bool) {
				if time.Since(m.began) < youngAge || !m.Running() || m.Signal(syscall.SIGTERM) != nil {
					return nil, false
				}
				m.down = true
				return func() {
					if code := m.Ended(processes.DrainTime); code != 0 {
						d.note(m) // it was asked to end while it could not begin
					}
					m.start()
				}, true
			}})
	}
	return list
}

// natsFaults are those of the nats-servers.
func natsFaults(d *deck) []fault {
	var list []fault
	for i, node := range d.nats {
		list = append(list,
			fault{"SIGKILL nats-server", 12 / len(d.nats), downAtMost, at(nodeTarget(i)), func(string) (func(), bool) {
				node.Kill()
				return node.Start, true
			}},
			fault{"SIGSTOP nats-server", 6 / len(d.nats), stoppedAtMost, at(nodeTarget(i)), func(string) (func(), bool) {
				return stop(node.Pid())
			}})
	}
	return list
}

func nodeTarget(i int) string { return fmt.Sprintf("node-%d", i+1) }

// postgresFaults are those of the database's server.
func postgresFaults(d *deck) []fault {
	const target = "postgres"
	up := func() { d.postgres.Restart(d.t) }
	return []fault{
		{"SIGKILL PostgreSQL", 4, downAtMost, at(target), func(string) (func(), bool) {
			d.postgres.Kill()
			return up, true
		}},
		{"immediate stop of PostgreSQL", 6, downAtMost, at(target), func(string) (func(), bool) {
			d.postgres.Stop(true)
			return up, true
		}},
		{"pg_terminate_backend of the recorders", 12, 0, at(target), func(string) (func(), bool) {
			return nil, postgrestest.Exec(d.postgres.URL(),
				"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'tapedeck_recorder'") == nil
		}},
		{"SIGSTOP backends of the recorders", 4, stoppedAtMost, at(target), func(string) (func(), bool) {
			return stopBackends(d.postgres.URL())
		}},
	}
}

// stopBackends stops the processes of the server that serve the recorders.
func stopBackends(database string) (func(), bool) {
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		return nil, false
	}
	defer conn.Close(ctx)
	found, err := conn.Query(ctx, "SELECT pid FROM pg_stat_activity WHERE usename = 'tapedeck_recorder'")
	if err != nil {
		return nil, false
	}
	pids, err := pgx.CollectRows(found, pgx.RowTo[int])
	if err != nil || len(pids) == 0 {
		return nil, false
	}
	var heals []func()
	for _, pid := range pids {
		if heal, ok := stop(pid); ok {
			heals = append(heals, heal)
		}
	}
	return func() {
		for _, heal := range heals {
			heal()
		}
	}, true
}

// stop sends SIGSTOP to a process; what is returned lets it go on.
func stop(pid int) (func(), bool) {
	if syscall.Kill(pid, syscall.SIGSTOP) != nil {
		return nil, false
	}
	return func() { _ = syscall.Kill(pid, syscall.SIGCONT) }, true
}

// networkFaults are those of the links: between the clients and the api, between
// each kind of program and the database, and between each and all nats-servers
// or one of them.
func networkFaults(d *deck) []fault {
	list := linkFaults("the api", "http", 2, []*link{d.apiLink})
	for role, l := range d.pgLinks {
		list = append(list, linkFaults("PostgreSQL", "postgres of "+role, 2, []*link{l})...)
	}
	for role, links := range d.natsLinks {
		list = append(list, linkFaults("NATS", "nats of "+role, 1, links)...)
		if len(links) > 1 {
			for i := range links {
				list = append(list, linkFaults("one of NATS", "nats of "+role, 1, links[i:i+1])...)
			}
		}
	}
	// In an order that the seed knows, unlike that of maps.
	slices.SortStableFunc(list, func(a, b fault) int { return strings.Compare(a.kind+a.aim(), b.kind+b.aim()) })
	return list
}

// linkFaults are those of links that break together.
func linkFaults(server, target string, weight int, links []*link) []fault {
	each := func(do, undo func(*link)) func(string) (func(), bool) {
		return func(string) (func(), bool) {
			for _, l := range links {
				do(l)
			}
			return func() {
				for _, l := range links {
					undo(l)
				}
			}, true
		}
	}
	cut := func(how int32) func(string) (func(), bool) {
		return each(func(l *link) { l.cutting.Store(how) }, func(l *link) { l.cutting.Store(cutNothing) })
	}
	return []fault{
		{"latency to " + server, weight, slowAtMost, at(target), each(
			func(l *link) { l.latency.Store(int64(20*time.Millisecond + rand.N(300*time.Millisecond))) },
			func(l *link) { l.latency.Store(0) })},
		{"black hole to " + server, 2 * weight, stoppedAtMost, at(target), each(
			func(l *link) { l.silent(true) }, func(l *link) { l.silent(false) })},
		{"reset of all connections to " + server, weight, 0, at(target), func(string) (func(), bool) {
			for _, l := range links {
				l.reset()
			}
			return nil, true
		}},
		{"refused connections to " + server, weight, downAtMost, at(target), each(
			func(l *link) { l.refuse(true) }, func(l *link) { l.refuse(false) })},
		{"cut in the middle of a request to " + server, 2 * weight, downAtMost, at(target), cut(cutRequest)},
		{"cut before the answer to a request to " + server, 2 * weight, downAtMost, at(target), cut(cutAnswer)},
	}
}

// leaderFaults kill the server that leads: a stream, one of its consumers, or
// the cluster; and ask a leader to step down.
func leaderFaults(d *deck, js jetstream.JetStream) []fault {
	kill := func(target string) (func(), bool) {
		node := d.nats[slices.IndexFunc(d.nats, func(p *streamtest.Proc) bool { return p.Name() == target })]
		node.Kill()
		return node.Start, true
	}
	list := []fault{
		{"SIGKILL meta leader", 8, downAtMost, func() string { return metaLeader(d) }, kill},
		{"step down of the leader of TAPE", 3, 0, at("step"), func(string) (func(), bool) {
			_, err := js.Conn().Request("$JS.API.STREAM.LEADER.STEPDOWN."+stream.Tape, nil, time.Second)
			return nil, err == nil
		}},
	}
	for _, name := range []string{stream.Tape, stream.Work} {
		list = append(list, fault{"SIGKILL leader of " + name, 8, downAtMost, func() string { return streamLeader(js, name) }, kill})
	}
	consumers := [][2]string{
		{stream.Tape, stream.DispatchConsumer}, {stream.Tape, stream.SubscriberConsumer(subscriberName)}, {stream.Work, stream.LaneSmall.Consumer()},
	}
	for _, c := range consumers {
		list = append(list, fault{"SIGKILL leader of consumer " + c[1], 4, downAtMost, func() string { return consumerLeader(js, c[0], c[1]) }, kill})
	}
	return list
}

// leaderTime is how long a question for a leader may take; while there is none
// nobody answers.
const leaderTime = 500 * time.Millisecond

func metaLeader(d *deck) string {
	for _, node := range d.nats {
		if leader := streamtest.MetaLeader(node); leader != "" {
			return leader
		}
	}
	return ""
}

func streamLeader(js jetstream.JetStream, name string) string {
	ctx, cancel := context.WithTimeout(context.Background(), leaderTime)
	defer cancel()
	s, err := js.Stream(ctx, name)
	if err != nil || s.CachedInfo().Cluster == nil {
		return ""
	}
	return s.CachedInfo().Cluster.Leader
}

func consumerLeader(js jetstream.JetStream, name, durable string) string {
	ctx, cancel := context.WithTimeout(context.Background(), leaderTime)
	defer cancel()
	c, err := js.Consumer(ctx, name, durable)
	if err != nil || c.CachedInfo().Cluster == nil {
		return ""
	}
	return c.CachedInfo().Cluster.Leader
}
