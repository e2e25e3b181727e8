package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"onecard/terminals/emulator/samplecampus"
)

// ErrFindings says that the audit after the day was closed has found something. What has been printed says what.
var ErrFindings = errors.New("复算有发现 / the audit has found something")

// Run runs the demonstration until its duration is over, somebody presses q, or the context ends; then it closes the day. An error is what
// kept it from doing so, or ErrFindings.
func Run(ctx context.Context, o Options) (err error) {
	if err := o.validate(); err != nil {
		return err
	}
	c := &conductor{options: &o, asked: make(map[int64]tap), asides: make(chan func(), 16), keys: make(chan byte, 16), output: &lines{out: o.Out}}
	c.script, _ = parseKeys(o.Keys) // validated
	life, endLife := context.WithCancel(context.WithoutCancel(ctx))
	defer func() { endLife(); err = errors.Join(err, c.tearDown()) }()
	if err := c.prepare(ctx); err != nil {
		return err
	}
	if err := c.raiseCurtain(life); err != nil {
		return err
	}
	err = c.perform(ctx, life)
	c.ran = time.Since(c.began)
	if err == nil || errors.Is(err, errSlow) {
		err = c.closeDay(life)
	}
	c.output.close()
	if err != nil {
		return err
	}
	return c.settleUp(life)
}

// prepare brings everything up: folder, campus, import, bank, switch, terminals.
func (c *conductor) prepare(ctx context.Context) error {
	o := c.options
	place, fresh, err := openPlace(o.Data, o.Size, o.Seed)
	if err != nil {
		return err
	}
	c.place = place
	c.tell("演示", "demo", "虚构的人,真实的账 / made-up people, real books")
	c.tell("数据", "data", "%s  日志 log %s", o.Data, place.path("switch.log"))
	if err := c.growCampus(); err != nil {
		return err
	}
	if err := c.openBank(); err != nil {
		return err
	}
	if c.log, err = os.OpenFile(place.path("switch.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		return fmt.Errorf("switch.log: %w", err)
	}
	terminals, err := c.choose("终端端口", "terminal port", o.Terminals)
	if err != nil {
		return err
	}
	operations, err := c.choose("运维端口", "operations port", o.Operations)
	if err != nil {
		return err
	}
	if err := place.writeConfig(terminals, operations, c.bank.address); err != nil {
		return err
	}
	if fresh {
		if err := c.bringIn(ctx); err != nil {
			return err
		}
	}
	if err := c.openSwitch(ctx, operations); err != nil {
		return err
	}
	return c.openTerminals(ctx)
}

// tell prints a line of the start.
func (c *conductor) tell(zh, en, format string, args ...any) {
	fmt.Fprintf(c.options.Out, "✓ %s %s\n", left(zh+" "+en, 20), fmt.Sprintf(format, args...))
}

func (c *conductor) growCampus() error {
	n := &c.place.note
	n.Runs++
	c.campus = c.place.campus()
	c.crowd = newCrowd(c.campus, samplecampus.Plan{
		Seed: n.Seed + uint64(n.Runs), Start: c.options.Start, Speed: c.options.Speed, Loop: c.options.Loop,
		Transactions: transactionsPerHolder * float64(n.Holders), Passages: passagesPerHolder * float64(n.Holders),
	})
	names := make([]string, len(c.campus.Merchants))
	for i := range names {
		names[i] = c.campus.Merchants[i].Name
	}
	c.tally = newTally(names)
	c.tell("校园", "campus", "%s 人 people,%d 食堂商铺 shops,%d POS,%d 门 gates,%d 圈存机 kiosks", countText(n.Holders), n.Merchants, n.POS, n.Gates, n.Kiosks)
	return nil
}

func (c *conductor) openBank() error {
	key, err := c.place.bankKey()
	if err != nil {
		return err
	}
	if c.bank, err = startBank(c.options.Bank, key, c.place.note.Seed+uint64(c.place.note.Runs)); err != nil {
		return err
	}
	c.tell("银行", "bank", "tcp://%s (模拟 / simulated)", c.bank.address)
	return nil
}

// choose picks an address for the switch and says so when it is not the usual one.
func (c *conductor) choose(zh, en, wish string) (string, error) {
	address, moved, err := freeAddress(wish)
	if err == nil && moved {
		fmt.Fprintf(c.options.Out, "! %s %s 已被占用,改用 %s / %s is taken, using another\n", left(zh+" "+en, 20), wish, address, wish)
	}
	return address, err
}

// bringIn imports the campus, once for a folder.
func (c *conductor) bringIn(ctx context.Context) error {
	if err := c.place.writeCampus(c.campus); err != nil {
		return err
	}
	began := time.Now()
	fmt.Fprintf(c.options.Out, "… %s %s\n", left("导入 import", 20), "首次启动:校园导入账本 / first start: the campus goes into the ledger")
	output, code, err := runChild(ctx, c.options.Binary, "import", "--config", c.place.path("switch.yaml"), c.place.path("campus"))
	if err != nil {
		return fmt.Errorf("导入 / the import: %w", err)
	}
	if code != 0 {
		return fmt.Errorf("导入失败,退出码 %d / the import failed with exit code %d\n%s", code, code, output)
	}
	c.place.note.Imported = true
	c.tell("导入", "import", "%.1f s", time.Since(began).Seconds())
	return nil
}

func (c *conductor) startSwitch() (*child, error) {
	return startChild(c.options.Binary, c.log, "serve", "--config", c.place.path("switch.yaml"))
}

func (c *conductor) openSwitch(ctx context.Context, operations string) (err error) {
	if c.child, err = c.startSwitch(); err != nil {
		return err
	}
	ready, err := c.child.awaitReady(ctx, readyLimit)
	if err != nil {
		return err
	}
	c.places = Places{
		Terminals: ready["terminals"], Bank: c.bank.address, Metrics: "http://" + operations + "/metrics", Status: "http://" + operations + "/status",
		Control: ready["control"], Data: c.place.dir,
	}
	c.watch = &watcher{control: newControl(c.places.Control)}
	s, err := c.firstStatus(ctx)
	if err != nil {
		return err
	}
	c.tell("账本", "ledger", "第 %s 号分录,开账 %s / opened at this entry", countText(s.Sequence), latencyText(time.Duration(s.RecoveryMS*1e6)))
	c.tell("交换机", "switch", "tcp://%s  pid %d", c.places.Terminals, c.child.process.Pid)
	c.tell("指标", "metrics", "%s", c.places.Metrics)
	c.tell("状态", "status", "%s", c.places.Status)
	c.tell("控制", "control", "unix:%s", c.places.Control)
	return nil
}

// firstStatus waits for a status with figures in it: the switch looks at its state for the first time just after it is ready.
func (c *conductor) firstStatus(ctx context.Context) (*status, error) {
	for begin := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		s, err := c.watch.control.status(ctx)
		if err != nil || s.Sequence > 0 || time.Since(begin) > 2*pulseInterval {
			return s, err
		}
	}
}

func (c *conductor) openTerminals(ctx context.Context) (err error) {
	if c.paper, err = openPaper(c.place.path("receipts.bin")); err != nil {
		return err
	}
	if err := c.newFleet(); err != nil {
		return err
	}
	began := time.Now()
	c.fleet.Connect()
	for c.fleet.Stats().SignedOn < c.fleet.Len() {
		if err := c.fleet.Poll(10 * time.Millisecond); err != nil {
			return err
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case !c.child.alive():
			return c.child.ended()
		case time.Since(began) > readyLimit:
			return fmt.Errorf("只有 %d/%d 个终端签到 / only %d of %d terminals signed on: %w", c.fleet.Stats().SignedOn, c.fleet.Len(), c.fleet.Stats().SignedOn, c.fleet.Len(), errSlow)
		}
	}
	c.tell("终端", "terminals", "%d 个已签到 signed on,%s", c.fleet.Len(), latencyText(time.Since(began)))
	clean := c.place.note.Clean
	c.place.note.Clean = false // until this run has come to its end
	err = c.place.save()
	c.place.note.Clean = clean
	return err
}

// raiseCurtain takes the screen, if there is one, and starts to watch the switch and the keyboard until the context ends.
func (c *conductor) raiseCurtain(ctx context.Context) error {
	if c.options.Screen != nil && !c.options.Plain {
		console, err := openConsole(c.options.In, c.options.Screen)
		if err != nil {
			return err
		}
		s := openScreen(console)
		c.output = s
		go func() {
			defer s.restoreOnPanic()
			console.read(ctx, c.keys)
		}()
	}
	go func() {
		defer c.output.restoreOnPanic()
		c.watch.run(ctx)
	}()
	return nil
}

// settleUp audits the closed ledger, prints the sheet and writes the summary.
func (c *conductor) settleUp(ctx context.Context) error {
	c.tell("停止", "stopped", "交换机已签退并停止,复算中 … / signed off, stopped; auditing …")
	a, err := c.verify(ctx)
	if err != nil {
		return err
	}
	match := c.matchBank(a)
	printSheet(c.options.Out, a, &match)
	for _, f := range a.Findings {
		fmt.Fprintf(c.options.Out, "✗ 块 block %d 分录 entry %d: %s\n", f.Block, f.Entry, f.Text)
	}
	summary := summaryOf(c.tally, c.bank.sim.Stats().Reversed.Count, c.ran, a)
	c.printRun(c.options.Out, &summary)
	if c.options.JSON != "" {
		if err := summary.write(c.options.JSON); err != nil {
			return err
		}
	}
	n := &c.place.note
	n.BankLoads, n.BankFen, n.Clean = match.loads, match.bank, match.open == 0
	if !match.known && match.open == 0 {
		n.BankFen = match.cards // what was lost with an earlier run cannot be found again: count from here
	}
	if err := errors.Join(c.place.save(), c.bank.audit()); err != nil {
		return err
	}
	if !a.OK || a.Lost+a.Doubled > 0 || a.difference() != 0 || !match.agreed() {
		return ErrFindings
	}
	return nil
}

func (c *conductor) printRun(out io.Writer, s *Summary) {
	fmt.Fprintf(out, " 本次 this run: %s 笔 requests,%s 通过 approved,%.0f 笔/秒 req/s,断电 kills %d\n", countText(s.Requests), countText(s.Approved), s.TPS, c.killing.kills)
	fmt.Fprintf(out, " 时延 latency: p50 %.2f ms  p99 %.2f ms  p99.9 %.2f ms\n", s.Latency.P50, s.Latency.P99, s.Latency.P999)
	fmt.Fprintf(out, " 再次启动从这里继续 / goes on from here: onecard demo --data %s\n", c.place.dir)
}

// tearDown leaves nothing behind, however far things had come.
func (c *conductor) tearDown() error {
	c.output.close()
	for ; c.busy > 0; c.busy-- {
		(<-c.asides)() // a switch that was just started is ours to stop
	}
	if c.fleet != nil {
		c.fleet.Close()
	}
	if c.child != nil && c.child.alive() {
		c.child.kill()
	}
	var errs []error
	if c.paper != nil {
		errs = append(errs, c.paper.close())
	}
	if c.bank != nil {
		errs = append(errs, c.bank.close())
	}
	if c.log != nil {
		errs = append(errs, c.log.Close())
	}
	if c.place != nil {
		errs = append(errs, c.place.close())
	}
	return errors.Join(errs...)
}
