package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"onecard/terminals/emulator"
	"onecard/terminals/emulator/samplecampus"
)

// restart fills a ledger, kills the switch under load, and looks at how soon it answers again; and at what it needs in time and memory for
// how many holders.
type restart struct {
	common
	purchases int
	between   int
	holders   int
	curve     []int
	rounds    int
	quick     bool
	json      string
}

// restartResult is the JSON of restart. Times in milliseconds from starting the process to the answer of the first purchase.
type restartResult struct {
	Holders       int            `json:"holders"`
	Purchases     int            `json:"purchases"`
	Between       int            `json:"purchases_before_each_kill"`
	AfterKill     float64        `json:"first_answer_after_kill_ms"`
	Recovery      float64        `json:"recovery_after_kill_ms"` // checkpoint, replay and proof of it
	AfterStop     float64        `json:"first_answer_after_stop_ms"`
	Resident      int64          `json:"resident_bytes"` // of the filled switch
	ResidentEmpty int64          `json:"resident_bytes_empty"`
	Curve         []restartPoint `json:"curve"`
}

// restartPoint is a switch with so many holders that has done nothing yet.
type restartPoint struct {
	Holders        int     `json:"holders"`
	Import         float64 `json:"import_ms"` // of the CSV files, by the command
	AfterStop      float64 `json:"first_answer_after_stop_ms"`
	Resident       int64   `json:"resident_bytes"`
	BytesPerHolder float64 `json:"resident_bytes_per_holder"` // less an empty switch
}

func newRestartCommand() *cobra.Command {
	var r restart
	c := &cobra.Command{
		Use: "restart", Short: "重启:断电后与正常停止后的首个应答,内存 / time to the first answer after kill -9 and after a stop; memory", Args: cobra.NoArgs,
		Long: `写入若干笔消费,每轮再卖一段后强杀交换机,测到首个应答的时间(检查点按默认配置);再正常停止、再启动;并测不同持卡人数的启动时间与常驻内存。
Fills a ledger, sells on and kills the switch in each round, and takes the time to the first answer, with checkpoints as they are by default;
then stops it politely and starts it again; and looks at start and resident memory for a growing number of holders.`,
		RunE: func(c *cobra.Command, _ []string) error { return r.run(c.Context(), c.OutOrStdout()) },
	}
	r.add(c)
	c.Flags().IntVar(&r.purchases, "purchases", 10_000_000, "消费笔数 / purchases in the ledger")
	c.Flags().IntVar(&r.between, "between", 400_000, "每次强杀前再卖的笔数 / purchases before each kill")
	c.Flags().IntVar(&r.holders, "holders", 300_000, "持卡人数 / card holders")
	c.Flags().IntSliceVar(&r.curve, "curve", []int{300_000, 1_000_000, 5_000_000}, "测启动与内存的持卡人数 / card holders for start and memory")
	c.Flags().IntVar(&r.rounds, "rounds", 5, "重启次数,取中位数 / restarts of each kind; medians are shown")
	c.Flags().BoolVar(&r.quick, "quick", false, "不到一分钟的一遍 / a run of less than a minute")
	c.Flags().StringVar(&r.json, "json", "", "结果写入 JSON / write the result as JSON")
	return c
}

// restartTerminals fill the ledger.
const restartTerminals = 64

func (r *restart) run(ctx context.Context, out io.Writer) error {
	if r.quick {
		r.purchases, r.between, r.holders, r.curve, r.rounds = 300_000, 50_000, 30_000, []int{30_000, 100_000}, 2
	}
	result := restartResult{Holders: r.holders, Purchases: r.purchases, Between: r.between}
	empty, err := r.point(ctx, 1)
	if err != nil {
		return err
	}
	result.ResidentEmpty = empty.Resident
	fmt.Fprintf(out, "重启 restart\n\n%12s %14s %18s %14s %14s\n", "holders", "import s", "first answer ms", "resident MiB", "B/holder")
	for _, holders := range r.curve {
		p, err := r.point(ctx, holders)
		if err != nil {
			return err
		}
		p.BytesPerHolder = float64(p.Resident-empty.Resident) / float64(holders)
		result.Curve = append(result.Curve, p)
		fmt.Fprintf(out, "%12d %14.1f %18.0f %14.1f %14.0f\n", holders, p.Import/1e3, p.AfterStop, float64(p.Resident)/(1<<20), p.BytesPerHolder)
	}
	if err := r.filled(ctx, out, &result); err != nil {
		return err
	}
	if r.json != "" {
		return writeJSON(r.json, result)
	}
	return nil
}

// filled is the part with purchases in the ledger.
func (r *restart) filled(ctx context.Context, out io.Writer, result *restartResult) error {
	fmt.Fprintf(out, "\n%d 持卡人 holders · %d 笔 purchases\n", r.holders, r.purchases)
	o := campusOptions(r.seed, restartTerminals)
	o.Holders = r.holders
	s, err := newSite(ctx, r.common, samplecampus.New(o), "", nil)
	if err != nil {
		return err
	}
	defer s.remove()
	if err := r.fill(ctx, s, r.purchases); err != nil {
		return err
	}
	if err := r.restarts(ctx, s, out, result); err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%-52s %10.0f ms\n%-52s %10.0f ms\n%-52s %10.0f ms\n%-52s %10.1f MiB\n%s\n",
		"断电后首个应答 first answer after kill -9", result.AfterKill, "  其中恢复 recovery of it", result.Recovery,
		"正常停止后首个应答 first answer after a polite stop", result.AfterStop,
		"恢复后常驻内存 resident memory after it", float64(result.Resident)/(1<<20), machine(s.folder))
	return nil
}

// fill sells so many and kills the switch with requests on their way.
func (r *restart) fill(ctx context.Context, s *site, purchases int) error {
	p, err := s.serve(ctx)
	if err != nil {
		return err
	}
	defer p.kill()
	loop := &closedLoop{cards: cardsOf(s.campus), crowd: s.crowd, random: newRandom(r.seed), latency: newHistogram()}
	f, err := emulator.NewFleet(emulator.FleetConfig{Address: p.address, Devices: devices(s.campus, restartTerminals, 32), OnAnswer: loop.onAnswer, Deadline: time.Minute})
	if err != nil {
		return err
	}
	defer f.Close()
	loop.fleet = f
	if err := f.ConnectAll(time.Minute); err != nil {
		return err
	}
	for device := range restartTerminals {
		for range 32 {
			loop.send(device)
		}
	}
	for loop.answered < int64(purchases) {
		if err := loop.turnFor(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	if loop.refused > 0 {
		return fmt.Errorf("%d 笔被拒 / %d refused, the last with %s", loop.refused, loop.refused, loop.lastCode)
	}
	return nil
}

// restarts kills and stops in turn.
func (r *restart) restarts(ctx context.Context, s *site, out io.Writer, result *restartResult) error {
	var killed, recovered, stopped []float64
	for round := range r.rounds {
		if err := r.fill(ctx, s, r.between); err != nil {
			return err
		}
		p, took, err := r.firstAnswer(ctx, s)
		if err != nil {
			return err
		}
		recovery, err := p.metrics(ctx, "onecard_recovery_seconds")
		if err == nil && round == 0 {
			result.Resident, err = p.settled(ctx)
		}
		p.kill()
		if err != nil {
			return err
		}
		killed, recovered = append(killed, took), append(recovered, 1e3*recovery[0])
		fmt.Fprintf(out, "  %d/%d 断电后 after kill -9   %6.0f ms, 恢复 recovery %6.0f ms\n", round+1, r.rounds, took, 1e3*recovery[0])
	}
	p, err := s.serve(ctx)
	if err != nil {
		return err
	}
	if err := p.stop(); err != nil {
		return err
	}
	for round := range r.rounds {
		p, took, err := r.firstAnswer(ctx, s)
		if err != nil {
			return err
		}
		if err := p.stop(); err != nil {
			return err
		}
		stopped = append(stopped, took)
		fmt.Fprintf(out, "  %d/%d 正常停止后 after a stop %6.0f ms\n", round+1, r.rounds, took)
	}
	result.AfterKill, result.Recovery, result.AfterStop = median(killed), median(recovered), median(stopped)
	return nil
}

// firstAnswer starts the switch and takes the time until a terminal has signed on and sold.
func (r *restart) firstAnswer(ctx context.Context, s *site) (*process, float64, error) {
	began := time.Now()
	p, err := s.serve(ctx)
	if err != nil {
		return nil, 0, err
	}
	if err := sellOnce(ctx, s, p.address); err != nil {
		p.kill()
		return nil, 0, err
	}
	return p, float64(time.Since(began).Microseconds()) / 1e3, nil
}

func sellOnce(ctx context.Context, s *site, address string) error {
	d, err := emulator.New(devices(s.campus, 1, 1)[0])
	if err != nil {
		return err
	}
	t, err := emulator.Dial(ctx, address, d)
	if err != nil {
		return err
	}
	defer t.Close()
	if _, err := t.SignOn(); err != nil {
		return err
	}
	a, err := t.Purchase(s.campus.Holders[0].Card, 100, "")
	if err == nil && !a.Approved() {
		err = fmt.Errorf("首笔被拒 / the first purchase was refused with %s", a.Code)
	}
	return err
}

// point imports a campus, starts the switch twice and looks at the second start, which finds nothing but the tables and a finished index.
func (r *restart) point(ctx context.Context, holders int) (restartPoint, error) {
	o := campusOptions(r.seed, restartTerminals)
	o.Holders = holders
	s, err := newSite(ctx, r.common, samplecampus.New(o), "", nil)
	if err != nil {
		return restartPoint{}, err
	}
	defer s.remove()
	s.campus.Holders = s.campus.Holders[:1] // one is asked for; the others' memory is wanted elsewhere
	first, _, err := r.firstAnswer(ctx, s)
	if err != nil {
		return restartPoint{}, err
	}
	if err := first.indexed(ctx); err != nil {
		first.kill()
		return restartPoint{}, err
	}
	if err := first.stop(); err != nil {
		return restartPoint{}, err
	}
	p, took, err := r.firstAnswer(ctx, s)
	if err != nil {
		return restartPoint{}, err
	}
	defer p.kill()
	resident, err := p.settled(ctx)
	return restartPoint{Holders: holders, Import: float64(s.imported.Milliseconds()), AfterStop: took, Resident: resident}, err
}

// indexed waits until the index behind has come to the end of the ledger: after an import it has much to do.
func (p *process) indexed(ctx context.Context) error {
	for {
		at, err := p.metrics(ctx, "onecard_index_sequence", "onecard_ledger_sequence")
		if err != nil || at[0] >= at[1] {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// settled is the resident memory when it has stopped to change: what the start has left goes back to the system after the first answer.
func (p *process) settled(ctx context.Context) (int64, error) {
	const look, calmLooks, looks, same = 250 * time.Millisecond, 20, 80, 1 << 20
	resident, _, err := steady(ctx, look, calmLooks, looks, same, p.resident)
	return resident, err
}

// steady looks at a value until it has changed by no more than same in so many looks in a row, and says when it never did.
func steady(ctx context.Context, look time.Duration, calmLooks, looks int, same int64, value func() (int64, error)) (last int64, calm bool, err error) {
	before, still := int64(0), 0
	for range looks {
		now, err := value()
		if err != nil {
			return 0, false, err
		}
		if still++; max(now-before, before-now) > same {
			still = 0
		}
		if before = now; still == calmLooks {
			return before, true, nil
		}
		select {
		case <-ctx.Done():
			return 0, false, ctx.Err()
		case <-time.After(look):
		}
	}
	return before, false, nil
}

// resident is the process's resident memory.
func (p *process) resident() (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.command.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("memory of %s: %w", p.name, err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("memory of %s: /proc is not as expected", p.name)
}
