package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"onecard/ledger/money"
	"onecard/switch/iso8583"
	"onecard/terminals/emulator"
	"onecard/terminals/emulator/samplecampus"
)

// killing is kill -9 of the switch under load, again and again on one ledger. Terminals remember every answer, repeat what was in flight
// when the switch comes back, and at the end the auditor holds their memory against the ledger.
type killing struct {
	common
	rounds      int
	connections int
	inFlight    int
	json        string
}

func newKillCommand() *cobra.Command {
	k := killing{rounds: 10, connections: 64, inFlight: 8}
	c := &cobra.Command{
		Use: "kill", Short: "负载下 kill -9,已应答的不丢不重 / kill -9 under load: nothing acknowledged is lost or doubled", Args: cobra.NoArgs,
		Long: `在负载下随机时刻对交换机 kill -9,再在同一账本、同一端口重启;终端记住每个应答,并在重连后重发未答的请求。
最后停机,由审计程序复算整本账并与终端的收据核对。末行固定为:
Kills the switch with SIGKILL at random moments under load and starts it again on the same ledger and port. Terminals remember every
answer and repeat what had none. At the end the auditor replays the ledger and holds it against the receipts. The last line is:

  rounds=N acknowledged=M lost=0 doubled=0`,
		RunE: func(c *cobra.Command, _ []string) error { return k.run(c.Context(), c.OutOrStdout()) },
	}
	k.add(c)
	c.Flags().IntVar(&k.rounds, "rounds", k.rounds, "断电次数 / kills")
	c.Flags().IntVar(&k.connections, "connections", k.connections, "终端数 / terminals")
	c.Flags().IntVar(&k.inFlight, "in-flight", k.inFlight, "每终端在途数 / requests in flight at each")
	c.Flags().StringVar(&k.json, "json", "", "审计结果写入 JSON / write what the auditor found as JSON")
	return c
}

// killData makes checkpoints and new logs frequent, so that kills fall into them too.
const killData = `  checkpoint_interval: 1s
  memtable_bytes: 4194304
`

// killBank approves, declines, is slow, forgets, answers twice, answers too late, and closes its links.
const killBank = "900 delay 5ms; 30 decline 51; 20 delay 300ms; 10 drop; 10 lose; 10 twice; 10 late; 5 done-close; 5 close; reversal: 80 approve; reversal: 20 lose"

func (k *killing) run(ctx context.Context, out io.Writer) error {
	fmt.Fprintf(out, "断电 kill   %d 轮 rounds   %dx%d   种子 seed %d\n准备校园 / preparing the campus …\n", k.rounds, k.connections, k.inFlight, k.seed)
	b, err := newBank(ctx, k.seed, killBank)
	if err != nil {
		return err
	}
	defer b.close()
	site, err := newSite(ctx, k.common, samplecampus.New(campusOptions(k.seed, k.connections)), killData, b)
	if err != nil {
		return err
	}
	defer site.remove()
	h := &house{site: site, servers: make(map[string]*process), bank: b}
	if h.receipts, err = site.newReceipts(); err != nil {
		return err
	}
	defer h.end()
	w := &workload{campus: site.campus, random: rand.New(rand.NewPCG(k.seed, 9)), target: k.inFlight}
	if w.fleet, err = emulator.NewFleet(emulator.FleetConfig{
		Address: site.listen, Devices: devices(site.campus, k.connections, k.inFlight), OnAnswer: w.onAnswer, Memory: h.receipts.Memory,
		Deadline: 3 * time.Second, RetryLeast: 20 * time.Millisecond, RetryMost: 200 * time.Millisecond, Seed: k.seed,
	}); err != nil {
		return err
	}
	defer w.fleet.Close()
	w.fleet.Connect()
	for device := range k.connections {
		for range k.inFlight {
			w.ask(device)
		}
	}
	for round := range k.rounds {
		if err := k.round(ctx, out, h, w, round); err != nil {
			return fmt.Errorf("第 %d 轮 / round %d: %w", round+1, round+1, err)
		}
	}
	if err := k.finish(ctx, h, w); err != nil {
		return err
	}
	return k.audit(ctx, out, h, w)
}

// round starts the switch, loads it for a random time, and kills it.
func (k *killing) round(ctx context.Context, out io.Writer, h *house, w *workload, round int) error {
	acknowledged := h.receipts.Len()
	repeated := w.fleet.Stats().Repeated
	if w.random.IntN(6) == 0 {
		if err := w.killWhileRecovering(ctx, h.site); err != nil {
			return err
		}
	}
	began := time.Now()
	p, err := w.startUnderLoad(ctx, h.site)
	if err != nil {
		return err
	}
	h.servers["switch"] = p
	ready := time.Since(began)
	if err := w.turnUntil(ctx, func() bool { return h.receipts.Len() > acknowledged }); err != nil {
		return err
	}
	first := time.Since(began)
	// Mostly in the middle of things, now and then at the moment when everybody comes back.
	span := time.Duration(w.random.IntN(900)) * time.Millisecond
	if w.random.IntN(5) == 0 {
		span = time.Duration(w.random.IntN(20)) * time.Millisecond
	}
	until := time.Now().Add(span)
	if err := w.turnUntil(ctx, func() bool { return !time.Now().Before(until) }); err != nil {
		return err
	}
	waiting := w.fleet.Stats().Waiting
	p.kill()
	delete(h.servers, "switch")
	if err := h.receipts.put(); err != nil {
		return err
	}
	fmt.Fprintf(out, "  %3d/%d  就绪 ready %4d ms  首答 first answer %4d ms  负载 load %4d ms  应答 answers %7d  重发 repeated %5d  断电时在途 in flight at the kill %4d\n",
		round+1, k.rounds, ready.Milliseconds(), first.Milliseconds(), span.Milliseconds(), h.receipts.Len()-acknowledged, w.fleet.Stats().Repeated-repeated, waiting)
	return nil
}

// finish starts the switch once more, lets every terminal hear the end of everything it has asked, and stops politely.
func (k *killing) finish(ctx context.Context, h *house, w *workload) error {
	p, err := w.startUnderLoad(ctx, h.site)
	if err != nil {
		return err
	}
	h.servers["switch"] = p
	w.stopping = true
	if err := w.turnUntil(ctx, w.fleet.Idle); err != nil {
		return err
	}
	if w.asked != w.ended {
		return fmt.Errorf("问了 %d 笔,只知道 %d 笔的结局 / %d requests were asked and the end of %d is known", w.asked, w.ended, w.asked, w.ended)
	}
	return nil
}

func (k *killing) audit(ctx context.Context, out io.Writer, h *house, w *workload) error {
	a, err := h.audit(ctx)
	if err != nil {
		return err
	}
	stats := w.fleet.Stats()
	fmt.Fprintf(out, "终端 terminals  请求 requests %d  应答 answers %d  重发 repeated %d  冲正 taken back %d  重连 reconnects %d\n",
		w.asked, h.receipts.Len(), stats.Repeated, stats.GivenUp+w.reversed, stats.Reconnects)
	fmt.Fprintf(out, "应答码 codes %s\n", codeCounts(h.receipts.Memory))
	fmt.Fprintln(out, machine(h.site.folder))
	err = a.report(out, h.bank)
	if k.json != "" {
		if err := writeJSON(k.json, a); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "rounds=%d acknowledged=%d lost=%d doubled=%d\n", k.rounds, a.Acknowledged, a.Lost, a.Doubled)
	return err
}

// codeCounts lists how often each kind was answered with each code.
func codeCounts(m *emulator.Memory) string {
	var b strings.Builder
	last := emulator.Kind(0)
	m.Codes(func(kind emulator.Kind, code emulator.ResponseCode, count int64) {
		if kind != last {
			fmt.Fprintf(&b, " %s", kind)
			last = kind
		}
		fmt.Fprintf(&b, " %s:%d", code, count)
	})
	return b.String()
}

// workload is what terminals ask while the switch is being killed: sales with and without PIN, loads at a bank that misbehaves, enquiries,
// reversals of what went through, repeats of messages that were answered.
type workload struct {
	fleet    *emulator.Fleet
	campus   *samplecampus.Campus
	random   *rand.Rand
	target   int
	asked    int64
	ended    int64
	reversed int64
	stopping bool
}

func (w *workload) ask(device int) {
	holder := &w.campus.Holders[w.random.IntN(len(w.campus.Holders))]
	r := emulator.Request{Kind: emulator.KindPurchase, Card: holder.Card, Amount: 50 + money.Fen(w.random.IntN(2000))}
	switch p := w.random.IntN(100); {
	case p < 3:
		r.PIN = iso8583.PIN(holder.PIN)
	case p < 6:
		r.Kind, r.Amount = emulator.KindBalance, 0
	case p < 7:
		r.Amount = 0 // refused with 13: a refusal is remembered too
	case p < 9:
		r.Kind, r.Amount, r.PIN = emulator.KindLoad, 5000, iso8583.PIN(holder.PIN)
	}
	if err := w.fleet.Send(device, r); err == nil {
		w.asked++
	}
}

func (w *workload) onAnswer(device int, a *emulator.Answer) {
	w.ended++
	sold := a.Kind == emulator.KindPurchase || a.Kind == emulator.KindLoad
	if sold && a.Code == emulator.Approved && w.random.IntN(20) == 0 {
		if w.fleet.Send(device, emulator.Request{Kind: emulator.KindReversal, Trace: a.Trace, Cause: emulator.CauseFault}) == nil {
			w.asked++
			w.reversed++
		}
	}
	if w.random.IntN(100) == 0 && w.fleet.SignedOn(device) {
		_ = w.fleet.Repeat(device, a.Trace) // one that is forgotten is not repeated
	}
	if !w.stopping && a.Kind != emulator.KindReversal || a.GivenUp && !w.stopping {
		w.ask(device)
	}
}

// killWhileRecovering starts the switch and kills it before it is ready, or just after.
func (w *workload) killWhileRecovering(ctx context.Context, s *site) error {
	early, cancel := context.WithTimeout(ctx, time.Duration(20+w.random.IntN(200))*time.Millisecond)
	defer cancel()
	p, err := w.startUnderLoad(early, s)
	if err != nil {
		return ctx.Err() // it was killed while it started, as it should be
	}
	p.kill()
	return nil
}

// startUnderLoad starts the switch while the terminals knock at its door.
func (w *workload) startUnderLoad(ctx context.Context, s *site) (*process, error) {
	type started struct {
		process *process
		err     error
	}
	ready := make(chan started, 1)
	go func() {
		p, err := s.serve(ctx)
		ready <- started{p, err}
	}()
	for {
		select {
		case r := <-ready:
			return r.process, r.err
		default:
			if err := w.fleet.Poll(5 * time.Millisecond); err != nil {
				r := <-ready
				if r.process != nil {
					r.process.kill()
				}
				return nil, err
			}
		}
	}
}

func (w *workload) turnUntil(ctx context.Context, done func() bool) error {
	for limit := time.Now().Add(patience); !done(); {
		if err := w.fleet.Poll(2 * time.Millisecond); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if time.Now().After(limit) {
			return fmt.Errorf("交换机一分钟没有进展 / no progress for a minute: %+v", w.fleet.Stats())
		}
	}
	return nil
}
