package streamtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tapedeck/tapedeck/internal/loopback"
)

// Cluster starts n nats-servers, each a process, as one cluster with a
// directory each below dir, not provisioned. One server is no cluster: it is
// what Process starts. Clients are told of no other server than those that they
// are given, so that a test may stand between. The servers are named node-1 and
// so on, which is what STREAM.INFO calls a leader.
func Cluster(tb testing.TB, dir string, n int) []*Proc {
	tb.Helper()
	if n == 1 {
		return []*Proc{Process(tb, dir, Bare())}
	}
	routes := make([]string, n)
	for i := range routes {
		routes[i] = fmt.Sprintf("127.0.0.1:%d", loopback.Port(tb))
	}
	nodes := make([]*Proc, n)
	for i := range nodes {
		home := filepath.Join(dir, nodeName(i))
		if err := os.Mkdir(home, 0o700); err != nil {
			tb.Fatal(err)
		}
		monitor := loopback.Port(tb)
		nodes[i] = newProc(tb, home, nodeConf(i, monitor, routes))
		nodes[i].name, nodes[i].monitor = nodeName(i), fmt.Sprintf("http://127.0.0.1:%d", monitor)
		tb.Cleanup(nodes[i].Kill)
	}
	for _, node := range nodes {
		node.Start()
	}
	elected(tb, nodes[0])
	return nodes
}

func nodeName(i int) string { return fmt.Sprintf("node-%d", i+1) }

// nodeConf is nats.conf for one server of a cluster.
func nodeConf(i, monitor int, routes []string) []byte {
	var others []string
	for j, route := range routes {
		if j != i {
			others = append(others, fmt.Sprintf("%q", "nats://"+route))
		}
	}
	conf := bytes.Replace(Conf(), []byte("server_name: tapedeck\n"), []byte("server_name: "+nodeName(i)+"\n"), 1)
	return append(conf, fmt.Sprintf("\nhttp: \"127.0.0.1:%d\"\ncluster { name: tapedeck, listen: %q, no_advertise: true, routes: [%s] }\n",
		monitor, routes[i], strings.Join(others, ", "))...)
}

// elected waits until the cluster has a leader that answers for JetStream.
func elected(tb testing.TB, node *Proc) {
	tb.Helper()
	nc, err := nats.Connect(node.URL(), nats.UserInfo(string(Admin), adminPassword))
	if err != nil {
		tb.Fatal(err)
	}
	defer nc.Close()
	for deadline := time.Now().Add(patience); ; {
		answer, err := nc.Request("$JS.API.INFO", nil, time.Second)
		if err == nil && !bytes.Contains(answer.Data, []byte(`"error"`)) {
			return
		}
		if time.Now().After(deadline) {
			tb.Fatalf("the cluster elects no leader: %v", err)
		}
		time.Sleep(20 * time.Millisecond) // poll a server: nothing else tells
	}
}

// Name is the server's name in its cluster; empty of one that is alone.
func (p *Proc) Name() string { return p.name }

// MetaLeader is the name of the server that leads the cluster, as one of its
// nodes sees it; empty if there is none, or if the node does not answer in a second.
func MetaLeader(node *Proc) string {
	client := http.Client{Timeout: time.Second}
	response, err := client.Get(node.monitor + "/jsz")
	if err != nil {
		return ""
	}
	defer response.Body.Close()
	var answer struct {
		Meta struct {
			Leader string `json:"leader"`
		} `json:"meta_cluster"`
	}
	if json.NewDecoder(response.Body).Decode(&answer) != nil {
		return ""
	}
	return answer.Meta.Leader
}
