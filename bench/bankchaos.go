package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"onecard/ledger/money"
	"onecard/switch/iso8583"
	"onecard/terminals/emulator"
	"onecard/terminals/emulator/samplecampus"
)

// bankChaos is bank loads (圈存), and withdrawals to bank accounts (提现) beside them, at a bank that drops, delays, doubles, answers too late and hangs up, while the switch is killed, the bank
// restarted, lines cut and days switched. At the end the ledger and the bank's books are compared load by load.
type bankChaos struct {
	common
	loads   int
	kiosks  int
	flight  int
	kills   int
	banks   int
	cuts    int
	holders int
	share   int // withdrawals in a hundred loads
	json    string
}

func newBankChaosCommand() *cobra.Command {
	k := bankChaos{loads: 100_000, kiosks: 64, flight: 4, kills: 20, banks: 20, cuts: 20, holders: 3000, share: 10}
	c := &cobra.Command{
		Use: "bankchaos", Short: "圈存遇上坏银行、断电与断线,逐笔核对 / bank loads, a bad bank, kills and cuts: compared load by load", Args: cobra.NoArgs,
		Long: `圈存机经真实的交换机进程向模拟银行(本机 TCP)圈存。银行丢弃约 5 %、延迟约 10 %、重复 5 %、2 % 在冲正之后才应答,并不时挂断;
期间对交换机 kill -9、重启银行(账簿保留)、切断线路、银行日切、本方日切。全部冲正得到应答之后,逐笔核对账本、银行账簿、在途科目与持卡人流水。
柜台同时经 HTTP 提现,每百笔圈存 --withdrawals 笔。有任何一分不符,退出码为 1。
Kiosks load through a real process of the switch at a simulated bank over loopback TCP. The bank drops some 5 %, delays some 10 %, doubles
5 %, answers 2 % only after the reversal, and hangs up now and then; meanwhile the switch is killed with SIGKILL, the bank restarted with its
books kept, the line cut, and both sides' days turn. When every reversal has been answered, the ledger, the bank's books, the account in
transit and holders' statements are compared load by load. Cash desks ask over HTTP for --withdrawals withdrawals beside each hundred loads. A fen of difference is exit code 1. The last line is:

  loads=N withdrawals=W kills=K bank_restarts=B different=0`,
		Example: "  bin/bench bankchaos --loads 100000 --seed 7 --json out/bankchaos.json",
		RunE:    func(c *cobra.Command, _ []string) error { return k.run(c.Context(), c.OutOrStdout()) },
	}
	k.add(c)
	c.Flags().IntVar(&k.loads, "loads", k.loads, "圈存笔数 / loads")
	c.Flags().IntVar(&k.kiosks, "kiosks", k.kiosks, "圈存机台数 / kiosks")
	c.Flags().IntVar(&k.flight, "in-flight", k.flight, "每台在途数 / loads in flight at each")
	c.Flags().IntVar(&k.kills, "kills", k.kills, "对交换机 kill -9 的次数 / kills of the switch")
	c.Flags().IntVar(&k.banks, "bank-restarts", k.banks, "银行重启次数 / restarts of the bank")
	c.Flags().IntVar(&k.cuts, "cuts", k.cuts, "线路切断、银行日切、本方日切各多少次 / cuts of the line, cut-overs of the bank and day switches, each")
	c.Flags().IntVar(&k.share, "withdrawals", k.share, "每百笔圈存的提现笔数,0 至 100 / withdrawals beside each hundred loads")
	c.Flags().IntVar(&k.holders, "holders", k.holders, "持卡人数 / holders of the campus")
	c.Flags().StringVar(&k.json, "json", "", "结果写入 JSON / write the results as JSON")
	_ = c.MarkFlagFilename("json", "json")
	return c
}

// chaosBank is what the bank does with loads and with their reversals, in parts of ten thousand. request_timeout of the site is a second and
// not_found_after two, so that a delay of 1.3 s is a late answer and an original booked 1.2 s late is booked behind its reversal. A line that
// is hung up takes with it all that is in flight on it, so that is rare.
const chaosBank = `7190 approve; 300 decline 51; 250 drop; 250 lose; 700 delay 60ms; 300 delay 1300ms; 500 twice; 200 late; 100 slow 1200ms
5 close; 5 done-close; 50 contradict; 30 wrong-amount; 40 wrong-reference; 40 wrong-mac; 40 garbage
reversal: 8590 approve; reversal: 400 lose; reversal: 300 drop; reversal: 300 twice; reversal: 200 decline 96; reversal: 10 close; reversal: 10 done-close
reversal: 190 delay 1300ms
withdrawal: 7000 approve; withdrawal: 300 decline 14; withdrawal: 200 decline 96; withdrawal: 300 drop; withdrawal: 300 lose
withdrawal: 700 delay 60ms; withdrawal: 300 delay 1300ms; withdrawal: 500 twice; withdrawal: 100 slow 1200ms; withdrawal: 10 close
withdrawal: 10 done-close; withdrawal: 50 contradict; withdrawal: 60 wrong-amount; withdrawal: 60 wrong-reference; withdrawal: 60 wrong-mac; withdrawal: 50 garbage`

// chaosConfig stands behind the bank's lines of the configuration: room for many loads and many reversals at once, and withdrawals of any amount.
const chaosConfig = `  links: 4
  max_in_flight: 1024
  max_reversals_in_flight: 256
  withdrawal_back_off: [200ms, 500ms, 1s]
  dialect:
    features: [withdrawal]
withdrawals:
  single_max_fen: 0
  day_max_fen: 0
  two_persons_above_fen: 0
`

// chaosPatience is how long a kiosk waits for its answer: hardly longer than the switch waits for the bank's, so that now the one gives up
// first and now the other.
const chaosPatience = 1005 * time.Millisecond

// chaos is a run.
type chaos struct {
	*bankChaos
	house    *house
	fleet    *emulator.Fleet
	load     workload // startUnderLoad and turnUntil
	random   *rand.Rand
	asked    int
	ended    int
	heard    int // of them, those that the bank was asked for
	reversed int
	desks    *chaosDesks
	signed   []*samplecampus.Holder // who have signed with the bank (签约)
	resting  []rest                 // first come, first asked
	killed   []time.Time
	began    time.Time
	told     time.Time // of the last line
}

func (k *bankChaos) run(ctx context.Context, out io.Writer) error {
	fmt.Fprintf(out, "圈存混乱 bankchaos   %d 笔 loads   %d 圈存机 kiosks x %d   断电 kills %d   银行重启 bank restarts %d   种子 seed %d\n准备校园 / preparing the campus …\n",
		k.loads, k.kiosks, k.flight, k.kills, k.banks, k.seed)
	b, err := newBank(ctx, k.seed, chaosBank)
	if err != nil {
		return err
	}
	defer b.close()
	o := campusOptions(k.seed, 1)
	o.Holders, o.Kiosks = k.holders, k.kiosks
	site, err := newSite(ctx, k.common, samplecampus.New(o), killData, b)
	if err != nil {
		return err
	}
	defer site.remove()
	if err := site.appendConfig(chaosConfig); err != nil {
		return err
	}
	h := &house{site: site, servers: make(map[string]*process), bank: b}
	if h.receipts, err = site.newReceipts(); err != nil {
		return err
	}
	defer h.end()
	r := &chaos{bankChaos: k, house: h, random: rand.New(rand.NewPCG(k.seed, 11)), began: time.Now()}
	if err := r.connect(ctx); err != nil {
		return err
	}
	defer r.fleet.Close()
	if r.desks, err = r.openDesks(ctx, k.loads); err != nil {
		return err
	}
	defer r.desks.close()
	if err := r.play(ctx, out); err != nil {
		return err
	}
	return r.judge(ctx, out)
}

// appendConfig adds lines to the last group of the configuration, which is the bank's.
func (s *site) appendConfig(lines string) error {
	f, err := os.OpenFile(s.path("switch.yaml"), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString(lines)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return fmt.Errorf("writing the configuration: %w", err)
	}
	return nil
}

// connect starts the switch and signs the kiosks on.
func (r *chaos) connect(ctx context.Context) error {
	campus := r.house.site.campus
	all := devices(campus, len(campus.Terminals), r.flight)
	var kiosks []emulator.DeviceConfig
	for i := range campus.Terminals {
		if campus.Terminals[i].Type == samplecampus.Kiosk {
			kiosks = append(kiosks, all[i])
		}
	}
	for i := range campus.Holders {
		if campus.Holders[i].BankAccount != 0 {
			r.signed = append(r.signed, &campus.Holders[i])
		}
	}
	var err error
	if r.fleet, err = emulator.NewFleet(emulator.FleetConfig{
		Address: r.house.site.listen, Devices: kiosks, OnAnswer: r.onAnswer, Memory: r.house.receipts.Memory, Deadline: chaosPatience,
		RetryLeast: 20 * time.Millisecond, RetryMost: 200 * time.Millisecond, Seed: r.seed,
	}); err != nil {
		return err
	}
	r.load.fleet, r.load.random = r.fleet, r.random
	r.fleet.Connect()
	if r.house.servers["switch"], err = r.load.startUnderLoad(ctx, r.house.site); err != nil {
		return err
	}
	return r.load.turnUntil(ctx, func() bool { return r.fleet.Stats().SignedOn == len(kiosks) })
}

func (r *chaos) ask(device int) {
	if r.asked == r.loads {
		return
	}
	holder := r.signed[r.random.IntN(len(r.signed))]
	amount := 100 * money.Fen(1+r.random.IntN(200))
	request := emulator.Request{Kind: emulator.KindLoad, Card: holder.Card, Amount: amount, PIN: iso8583.PIN(holder.PIN)}
	if r.fleet.Send(device, request) == nil {
		r.asked++
	}
}

// withdraw has a holder go to a cash desk.
func (r *chaos) withdraw() {
	holder := r.signed[r.random.IntN(len(r.signed))]
	r.desks.give(deskJob{name: fmt.Sprintf("chaos-%d-%d", r.seed, r.desks.given), holder: holder.Number, amount: 100 * money.Fen(1+r.random.IntN(200))})
}

// onAnswer asks for the next load, takes two in a hundred approved ones back, and sends one in fifty again although it was answered.
func (r *chaos) onAnswer(device int, a *emulator.Answer) {
	if a.Kind == emulator.KindReversal && !a.GivenUp {
		return
	}
	r.ended++
	if a.Kind == emulator.KindLoad && a.Code == emulator.Approved && r.random.IntN(50) == 0 {
		if r.fleet.Send(device, emulator.Request{Kind: emulator.KindReversal, Trace: a.Trace, Cause: emulator.CauseFault}) == nil {
			r.reversed++
		}
	}
	if r.random.IntN(50) == 0 && r.fleet.SignedOn(device) {
		_ = r.fleet.Repeat(device, a.Trace) // one that is forgotten is not repeated
	}
	if a.Code == cannotOperate || a.Code == turnsItsDay {
		r.resting = append(r.resting, rest{device, time.Now().Add(restTime)})
		return
	}
	if r.heard++; a.Kind == emulator.KindLoad && r.heard*r.share/100 > (r.heard-1)*r.share/100 && r.desks.given < r.withdrawals() {
		r.withdraw()
	}
	r.ask(device)
}

// What a load is told when it was not sent: no line to the bank, or the bank turns its day. Whoever hears it waits a little before he tries
// again, as people do.
var cannotOperate, turnsItsDay = emulator.ResponseCode{'9', '1'}, emulator.ResponseCode{'9', '0'}

const restTime = 200 * time.Millisecond

// rest is a place at a kiosk where nobody asks for a while.
type rest struct {
	device int
	until  time.Time
}

// rested lets those ask again who have waited.
func (r *chaos) rested() {
	now := time.Now()
	for len(r.resting) > 0 && now.After(r.resting[0].until) {
		device := r.resting[0].device
		r.resting = r.resting[1:]
		r.ask(device)
	}
}

// disturbance is what is done to a run at a moment, counted in loads that have ended.
type disturbance struct {
	at int
	do func(ctx context.Context) (string, error)
}

// disturbances in their order: each kind is spread over the whole run, at moments that are drawn.
func (r *chaos) disturbances() []disturbance {
	var list []disturbance
	add := func(times int, do func(context.Context) (string, error)) {
		for i := range times {
			span := max(1, r.loads*9/10/times)
			list = append(list, disturbance{at: i*span + r.random.IntN(span), do: do})
		}
	}
	add(r.kills, r.kill)
	add(r.banks, r.restartBank)
	add(r.cuts, r.cutLine)
	add(r.cuts, r.cutOver)
	add(r.cuts, r.switchDay)
	slices.SortStableFunc(list, func(a, b disturbance) int { return a.at - b.at })
	return list
}

// play asks for all loads, disturbs them, and waits until every kiosk has heard the end of everything that it asked.
func (r *chaos) play(ctx context.Context, out io.Writer) error {
	for device := range r.fleet.Len() {
		for range r.flight {
			r.ask(device)
		}
	}
	for _, d := range r.disturbances() {
		if err := r.turn(ctx, out, func() bool { return r.ended >= d.at }); err != nil {
			return err
		}
		what, err := d.do(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		r.tell(out, what)
	}
	if err := r.turn(ctx, out, func() bool { return r.ended >= r.loads && r.fleet.Idle() }); err != nil {
		return err
	}
	for r.desks.given < r.withdrawals() { // those that the outages have kept away
		r.withdraw()
	}
	return r.turn(ctx, out, r.desks.idle)
}

// withdrawals is how many are asked for in all.
func (k *bankChaos) withdrawals() int { return k.loads * k.share / 100 }

// turn goes on until something is so. It fails when a minute has brought nothing.
func (r *chaos) turn(ctx context.Context, out io.Writer, done func() bool) error {
	for !done() {
		before, pause := r.ended, time.Now().Add(5*time.Second)
		err := r.load.turnUntil(ctx, func() bool {
			r.rested()
			return done() || r.ended > before && time.Now().After(pause)
		})
		if err != nil {
			return err
		}
		if time.Since(r.told) > 5*time.Second {
			r.tell(out, "")
		}
	}
	return nil
}

func (r *chaos) tell(out io.Writer, what string) {
	r.told = time.Now()
	stats := r.house.bank.Stats()
	fmt.Fprintf(out, "  %4.0f s  %7d/%d  在途 waiting %5d  银行 bank: 扣款 debited %7d  冲回 reversed %6d  未找到 not found %6d  %s\n",
		time.Since(r.began).Seconds(), r.ended, r.loads, r.fleet.Stats().Waiting, stats.Debited.Count, stats.Reversed.Count, stats.NotFound, what)
}

// kill is kill -9 of the switch and its start.
func (r *chaos) kill(ctx context.Context) (string, error) {
	what := "断电 kill -9 the switch"
	r.house.servers["switch"].kill()
	delete(r.house.servers, "switch")
	r.killed = append(r.killed, time.Now())
	if err := r.house.receipts.put(); err != nil {
		return what, err
	}
	p, err := r.load.startUnderLoad(ctx, r.house.site)
	if err == nil {
		r.house.servers["switch"] = p
	}
	return what, err
}

// restartBank stops the bank with all that it had not answered, and starts it on the same port with the same books.
func (r *chaos) restartBank(ctx context.Context) (string, error) {
	what := "银行重启 the bank restarts"
	r.house.bank.close()
	if err := r.pause(ctx); err != nil {
		return what, err
	}
	return what, r.house.bank.open(ctx)
}

func (r *chaos) cutLine(ctx context.Context) (string, error) {
	r.house.bank.Cut()
	defer r.house.bank.Restore()
	return "线路切断 the line is cut", r.pause(ctx)
}

// cutOver is the bank turning its day: loads are declined with 90 until it is over.
func (r *chaos) cutOver(ctx context.Context) (string, error) {
	r.house.bank.Ask(201)
	defer r.house.bank.Ask(202)
	return "银行日切 the bank turns its day", r.pause(ctx)
}

func (r *chaos) switchDay(ctx context.Context) (string, error) {
	what := "本方日切 our day is switched"
	asker := newControlAsker(r.house.site.path("data"))
	for limit := time.Now().Add(patience); ; {
		err := asker.do(ctx, "day_switch")
		if err == nil || time.Now().After(limit) {
			return what, err
		}
		if err := r.pause(ctx); err != nil { // the status that names the open day is up to a second old
			return what, err
		}
	}
}

// chaosStatus is what the run needs of the switch's status.
type chaosStatus struct {
	Sequence        uint64 `json:"sequence"`
	LoadsOpen       int    `json:"loads_open"`
	WithdrawalsOpen int    `json:"withdrawals_open"`
	Bank            struct {
		LoadsInFlight   int `json:"loads_in_flight"`
		ReversalsQueued int `json:"reversals_queued"`
		OutcomesWaiting int `json:"outcomes_waiting"`
	} `json:"bank"`
}

// quiet says that nothing is under way between the switch and the bank.
func (s *chaosStatus) quiet() bool {
	return s.Sequence > 0 && s.LoadsOpen+s.WithdrawalsOpen == 0 && s.Bank.LoadsInFlight == 0 && s.Bank.ReversalsQueued == 0 && s.Bank.OutcomesWaiting == 0
}

// awaitStatus looks at the switch until something is so, while the kiosks go on.
func (r *chaos) awaitStatus(ctx context.Context, so func(*chaosStatus) bool) error {
	asker := newControlAsker(r.house.site.path("data"))
	for limit := time.Now().Add(patience); ; {
		var s chaosStatus
		if err := asker.ask(ctx, http.MethodGet, "/status", nil, &s); err != nil {
			return err
		}
		if so(&s) {
			return nil
		}
		if time.Now().After(limit) {
			return fmt.Errorf("交换机一分钟没有进展 / no progress for a minute: %+v", s)
		}
		if err := r.pause(ctx); err != nil {
			return err
		}
	}
}

// pause lets the kiosks go on for a while.
func (r *chaos) pause(ctx context.Context) error {
	until := time.Now().Add(time.Duration(50+r.random.IntN(300)) * time.Millisecond)
	return r.load.turnUntil(ctx, func() bool {
		r.rested()
		return !time.Now().Before(until)
	})
}
