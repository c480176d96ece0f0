package load_test

import (
	"fmt"
	"runtime"
	"time"

	"github.com/tapedeck/tapedeck/internal/e2e/processes"
)

// measured is a process whose use of the machine is told; of a family, it is
// the first process, and its children count with it.
type measured struct {
	name   string
	pid    int
	family bool
}

// shareEvery is the time between two looks at the memory of a family.
const shareEvery = 500 * time.Millisecond

// A meter tells what the measured processes use from its start to its stop.
// On a system without /proc it tells nothing.
type meter struct {
	d     *deck
	begun time.Time
	cpu   []time.Duration
	busy  time.Duration
	share []int64 // the most of each family so far; owned by watch until done
	quit  chan struct{}
	done  chan struct{}
}

func (d *deck) start() *meter {
	m := &meter{d: d, begun: time.Now(), share: make([]int64, len(d.measured)), quit: make(chan struct{}), done: make(chan struct{})}
	for _, p := range d.measured {
		if !p.family {
			_ = processes.ResetPeak(p.pid) // then the peak is that since its start
		}
	}
	m.cpu, m.busy = m.read()
	go m.watch()
	return m
}

// watch samples the memory of families until quit.
func (m *meter) watch() {
	defer close(m.done)
	for {
		for i, p := range m.d.measured {
			if p.family {
				m.share[i] = max(m.share[i], familyShare(p.pid))
			}
		}
		select {
		case <-m.quit:
			return
		case <-time.After(shareEvery):
		}
	}
}

func (m *meter) read() (cpu []time.Duration, busy time.Duration) {
	for _, p := range m.d.measured {
		cpu = append(cpu, cpuOf(p))
	}
	busy, err := processes.Busy()
	if err != nil {
		m.d.t.Logf("no figures of processes: %v", err)
	}
	return cpu, busy
}

// stop writes a row for each process, and one for what others used of the
// machine. tickers is what was analysed meanwhile.
func (m *meter) stop(sheet *sheet, scenario string, tickers int) {
	close(m.quit)
	<-m.done
	took := time.Since(m.begun)
	cpu, busy := m.read()
	var ours, product time.Duration
	for i, p := range m.d.measured {
		used := cpu[i] - m.cpu[i]
		ours += used
		if i > 0 {
			product += used
		}
		peak := m.share[i]
		if !p.family {
			if usage, err := processes.UsageOf(p.pid); err == nil {
				peak = usage.Peak
			}
		}
		sheet.add(scenario, p.name+": CPU, peak memory", fmt.Sprintf("%.1f s, %d MiB", used.Seconds(), peak>>20))
	}
	sheet.add(scenario, "CPU per ticker without the clients", fmt.Sprintf("%.2f ms", 1000*product.Seconds()/float64(tickers)))
	others := (busy - m.busy - ours).Seconds() / took.Seconds() / float64(runtime.NumCPU())
	sheet.add(scenario, "of the machine, used by others", fmt.Sprintf("%.0f %%", 100*max(0, others)))
}

// family is a process with its children.
func family(pid int) []int {
	children, err := processes.Children(pid)
	if err != nil {
		return nil
	}
	return append(children, pid)
}

func familyShare(pid int) (sum int64) {
	for _, pid := range family(pid) {
		if share, err := processes.Share(pid); err == nil { // it may have ended
			sum += share
		}
	}
	return sum
}

func cpuOf(p measured) (sum time.Duration) {
	pids := []int{p.pid}
	if p.family {
		pids = family(p.pid)
	}
	for _, pid := range pids {
		if usage, err := processes.UsageOf(pid); err == nil { // it may have ended
			sum += usage.CPU
		}
	}
	return sum
}
