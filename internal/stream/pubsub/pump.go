package pubsub

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go"
)

// A pump serves one subscription. Its goroutine owns lanes and everything
// else but what the handlers' goroutines use.
type pump struct {
	cfg     SubscriberConfig
	sources []Source
	index   map[string]int // "stream consumer" to the place in sources
	lanes   *lanes

	inbox string
	sub   *nats.Subscription
	in    chan *nats.Msg // deliveries and statuses of all sources

	out      chan *message.Message
	freed    chan struct{}      // one for each slot given back
	stopping chan struct{}      // closed when nothing more is handed out
	working  context.Context    // of the handlers: the values of Subscribe's context
	abandon  context.CancelFunc // ends working
	senders  sync.WaitGroup     // goroutines that may send to out
	workers  sync.WaitGroup     // goroutines that hold a message
}

func newPump(ctx context.Context, cfg SubscriberConfig, sources []Source) (*pump, error) {
	weights := make([]int, len(sources))
	index := make(map[string]int, len(sources))
	for i, src := range sources {
		if src.Weight < 1 {
			return nil, fmt.Errorf("consumer %s has weight %d, must be at least 1", src.Consumer, src.Weight)
		}
		weights[i] = src.Weight
		index[src.Stream+" "+src.Consumer] = i
	}
	p := &pump{
		cfg: cfg, sources: sources, index: index, lanes: newLanes(weights, cfg.Slots),
		inbox: cfg.Conn.NewInbox(),
		// What was asked for, twice over for requests that were thought lost, and statuses.
		in:  make(chan *nats.Msg, 2*cfg.Slots+64*len(sources)),
		out: make(chan *message.Message), freed: make(chan struct{}, cfg.Slots), stopping: make(chan struct{}),
	}
	p.working, p.abandon = context.WithCancel(context.WithoutCancel(ctx))
	var err error
	if p.sub, err = cfg.Conn.ChanSubscribe(p.inbox+".*.*", p.in); err != nil {
		p.abandon()
		return nil, err
	}
	return p, nil
}

// run pumps until ctx ends or closing is closed, then drains.
func (p *pump) run(ctx context.Context, closing <-chan struct{}) {
	defer p.abandon()
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	beat := time.NewTicker(p.cfg.Heartbeat)
	defer beat.Stop()
	reconnects := p.cfg.Conn.Stats().Reconnects
	for {
		out, ask := p.lanes.deal(time.Now())
		p.handOut(out)
		p.ask(ask)
		select {
		case msg := <-p.in:
			p.take(msg)
		case <-p.freed:
			p.lanes.released()
		case <-beat.C:
			p.beatHeld()
		case now := <-ticker.C:
			if n := p.cfg.Conn.Stats().Reconnects; n != reconnects {
				reconnects = n
				p.ask(p.lanes.reconnected(now))
			}
			p.ask(p.lanes.tick(now))
		case <-ctx.Done():
			p.drain()
			return
		case <-closing:
			p.drain()
			return
		}
		p.more()
	}
}

// more takes what is there already, so that a round deals with all of it.
func (p *pump) more() {
	for {
		select {
		case msg := <-p.in:
			p.take(msg)
		case <-p.freed:
			p.lanes.released()
		default:
			return
		}
	}
}

// take sorts a message of the inbox: a status of a request, or a delivery.
func (p *pump) take(msg *nats.Msg) {
	if rest, ok := strings.CutPrefix(msg.Subject, p.inbox+"."); ok {
		first, second, _ := strings.Cut(rest, ".")
		lane, err1 := strconv.Atoi(first)
		id, err2 := strconv.Atoi(second)
		if err1 != nil || err2 != nil || lane < 0 || lane >= len(p.sources) {
			return // not ours: nobody else knows the inbox
		}
		code := msg.Header.Get("Status")
		switch code {
		case statusHeartbeat, statusNoMessages, statusTimeout:
		default:
			p.cfg.Logger.Warn("a pull was refused, trying again", "stage", p.sources[lane].Consumer,
				"err", code+" "+msg.Header.Get("Description"))
		}
		p.ask(p.lanes.status(lane, id, code, time.Now()))
		return
	}
	d, lane, err := p.read(msg)
	if err != nil {
		p.cfg.Logger.Warn("a message came that no consumer sent", "err", err)
		return
	}
	if p.lanes.arrived(lane, d) {
		p.handOut([]delivery{d})
	}
}

func (p *pump) read(msg *nats.Msg) (delivery, int, error) {
	meta, err := msg.Metadata()
	if err != nil {
		return delivery{}, 0, fmt.Errorf("reading the metadata of a message on %s: %w", msg.Subject, err)
	}
	lane, ok := p.index[meta.Stream+" "+meta.Consumer]
	if !ok {
		return delivery{}, 0, fmt.Errorf("message on %s is from consumer %s of %s", msg.Subject, meta.Consumer, meta.Stream)
	}
	return delivery{msg: msg, meta: meta}, lane, nil
}

func (p *pump) ask(requests []request) {
	for _, r := range requests {
		src := p.sources[r.lane]
		body := pullRequest{Batch: r.batch, NoWait: true}
		if r.wait {
			body = pullRequest{Batch: r.batch, Expires: waitExpires, Heartbeat: waitHeartbeat}
		}
		subject := "$JS.API.CONSUMER.MSG.NEXT." + src.Stream + "." + src.Consumer
		reply := fmt.Sprintf("%s.%d.%d", p.inbox, r.lane, r.id)
		if err := p.cfg.Conn.PublishRequest(subject, reply, body.encode()); err != nil {
			p.cfg.Logger.Debug("a pull was not sent, trying again", "stage", src.Consumer, "err", err)
		}
	}
}

// handOut starts a goroutine for each message that has a slot.
func (p *pump) handOut(list []delivery) {
	for _, d := range list {
		p.senders.Add(1)
		p.workers.Go(func() { p.work(d) })
	}
}

// work carries one message through its handler, with heartbeats.
func (p *pump) work(d delivery) {
	defer func() { p.freed <- struct{}{} }() // has room: one for each slot
	beat := time.NewTicker(p.cfg.Heartbeat)
	defer beat.Stop()
	ctx, cancel := context.WithCancel(p.working)
	defer cancel()
	msg := d.toWatermill()
	msg.SetContext(ctx)
	if !p.send(msg, d, beat.C) {
		p.answer(d, nakBytes(0))
		return
	}
	for {
		select {
		case <-msg.Acked():
			p.answer(d, ackBytes)
			return
		case <-msg.Nacked():
			p.answer(d, nakBytes(retryAfter(msg)+p.cfg.Backoff(d.meta.NumDelivered)))
			return
		case <-beat.C:
			p.answer(d, progressBytes)
		case <-p.working.Done():
			p.answer(d, nakBytes(0))
			return
		}
	}
}

// send gives the message to the reader of the subscription; false: it is closing.
func (p *pump) send(msg *message.Message, d delivery, beat <-chan time.Time) bool {
	defer p.senders.Done()
	for {
		select {
		case p.out <- msg:
			return true
		case <-p.stopping:
			return false
		case <-beat:
			p.answer(d, progressBytes)
		}
	}
}

func (p *pump) answer(d delivery, body []byte) {
	if err := p.cfg.Conn.Publish(d.msg.Reply, body); err != nil {
		p.cfg.Logger.Debug("an answer was not sent, the message will come again", "err", err)
	}
}

func (p *pump) beatHeld() {
	for i := range p.lanes.list {
		for _, d := range p.lanes.list[i].held {
			p.answer(d, progressBytes)
		}
	}
}

// drain ends the subscription as the package comment says.
func (p *pump) drain() {
	close(p.stopping)
	p.senders.Wait()
	close(p.out)
	if err := p.sub.Drain(); err == nil { // the server sends nothing after this
		_ = p.cfg.Conn.FlushTimeout(closeFlush) // and what it sent before is in p.in; without a connection there is nothing
	}
	for _, d := range p.lanes.drop() {
		p.answer(d, nakBytes(0))
	}
	for {
		select {
		case msg := <-p.in:
			if d, _, err := p.read(msg); err == nil {
				p.answer(d, nakBytes(0))
			}
			continue
		default:
		}
		break
	}
	grace := time.AfterFunc(p.cfg.Grace, p.abandon)
	defer grace.Stop()
	p.workers.Wait()
	_ = p.cfg.Conn.FlushTimeout(closeFlush) // the last answers; without a connection the messages come again anyway
}
