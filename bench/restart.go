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

// restart fills a ledger, kills the switch, and looks at how soon it answers again and how much memory it needs.
type restart struct {
	common
	purchases     int
	holders       int
	memoryHolders int
	rounds        int
	json          string
}

// restartResult is the JSON of restart. Times in milliseconds from starting the process to the answer of the first purchase.
type restartResult struct {
	Holders        int     `json:"holders"`
	Purchases      int     `json:"purchases"`
	AfterKill      float64 `json:"first_answer_after_kill_ms"`
	Recovery       float64 `json:"replay_after_kill_ms"`
	AfterStop      float64 `json:"first_answer_after_stop_ms"`
	Resident       int64   `json:"resident_after_purchases_bytes"`
	ResidentEmpty  int64   `json:"resident_empty_bytes"`
	MemoryHolders  int     `json:"memory_holders"`
	ResidentFull   int64   `json:"resident_memory_holders_bytes"`
	BytesPerHolder float64 `json:"resident_bytes_per_holder"` // (full - empty) / memory holders: purses, limits, card, indexes, and the collector's room
}

func newRestartCommand() *cobra.Command {
	var r restart
	c := &cobra.Command{
		Use: "restart", Short: "重启:断电后与正常停止后的首个应答,内存 / time to the first answer after kill -9 and after a stop; memory", Args: cobra.NoArgs,
		Long: `写入若干笔消费后强杀交换机(其间不写检查点,全部重放),测到首个应答的时间;再正常停止、再启动;并测常驻内存。
Fills a ledger, kills the switch (no checkpoint was written meanwhile: everything is replayed), and takes the time to the first answer; then
stops it politely and starts it again; and looks at resident memory beside that of a switch without holders.`,
		RunE: func(c *cobra.Command, _ []string) error { return r.run(c.Context(), c.OutOrStdout()) },
	}
	r.add(c)
	c.Flags().IntVar(&r.purchases, "purchases", 1_000_000, "消费笔数 / purchases in the ledger")
	c.Flags().IntVar(&r.holders, "holders", holders, "持卡人数 / card holders")
	c.Flags().IntVar(&r.memoryHolders, "memory-holders", 200_000, "测内存用的持卡人数 / card holders for the figure of memory")
	c.Flags().IntVar(&r.rounds, "rounds", 5, "重启次数,取中位数 / restarts of each kind; medians are shown")
	c.Flags().StringVar(&r.json, "json", "", "结果写入 JSON / write the result as JSON")
	return c
}

// restartTerminals fill the ledger.
const restartTerminals = 64

func (r *restart) run(ctx context.Context, out io.Writer) error {
	o := campusOptions(r.seed, restartTerminals)
	result := restartResult{Holders: r.holders, Purchases: r.purchases, MemoryHolders: r.memoryHolders}
	var err error
	o.Holders = 1
	if result.ResidentEmpty, err = r.residentOf(ctx, o); err != nil {
		return err
	}
	o.Holders = r.memoryHolders
	if result.ResidentFull, err = r.residentOf(ctx, o); err != nil {
		return err
	}
	result.BytesPerHolder = float64(result.ResidentFull-result.ResidentEmpty) / float64(r.memoryHolders)
	o.Holders = r.holders
	fmt.Fprintf(out, "重启 restart   %d 持卡人 holders · %d 笔 purchases\n", r.holders, r.purchases)
	// Nothing is checkpointed while the ledger fills: the interval is the longest there is.
	s, err := newSite(ctx, r.common, samplecampus.New(o), "  checkpoint_interval: 24h\n  checkpoint_entries: 2000000000\n", nil)
	if err != nil {
		return err
	}
	defer s.remove()
	if err := r.fill(ctx, s); err != nil {
		return err
	}
	if err := r.restarts(ctx, s, out, &result); err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%-52s %10.0f ms\n%-52s %10.0f ms\n%-52s %10.0f ms\n%-52s %10.1f MiB\n%-52s %10.1f MiB\n%-52s %10.0f B\n%s\n",
		"断电后首个应答 first answer after kill -9", result.AfterKill, "  其中重放 replay of it", result.Recovery,
		"正常停止后首个应答 first answer after a polite stop", result.AfterStop,
		"重放后常驻内存 resident memory after the replay", float64(result.Resident)/(1<<20),
		fmt.Sprintf("%d 持卡人常驻内存 resident memory with as many holders", r.memoryHolders), float64(result.ResidentFull)/(1<<20),
		"  每持卡人(减去空账) per holder, less an empty switch", result.BytesPerHolder, machine(s.folder))
	if r.json != "" {
		return writeJSON(r.json, result)
	}
	return nil
}

// fill sells until the ledger holds the purchases, and kills the switch.
func (r *restart) fill(ctx context.Context, s *site) error {
	p, err := s.serve(ctx)
	if err != nil {
		return err
	}
	defer p.kill()
	loop := &closedLoop{cards: cardsOf(s.campus), random: newRandom(r.seed), latency: newHistogram()}
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
	for loop.answered < int64(r.purchases) {
		if err := loop.turnFor(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	if loop.refused > 0 {
		return fmt.Errorf("%d 笔被拒 / %d refused, the last with %s", loop.refused, loop.refused, loop.lastCode)
	}
	return nil
}

// restarts alternates: the first of each round finds no checkpoint since the import, as after a power cut; the second one finds what a polite
// stop has left.
func (r *restart) restarts(ctx context.Context, s *site, out io.Writer, result *restartResult) error {
	var killed, replayed, stopped []float64
	for round := range r.rounds {
		p, took, err := r.firstAnswer(ctx, s)
		if err != nil {
			return err
		}
		recovery, err := p.metrics(ctx, "onecard_recovery_seconds")
		if err == nil && round == 0 {
			result.Resident, err = p.resident()
		}
		p.kill() // no checkpoint: the next round replays everything again
		if err != nil {
			return err
		}
		killed, replayed = append(killed, took), append(replayed, 1e3*recovery[0])
		fmt.Fprintf(out, "  %d/%d 断电后 after kill -9   %6.0f ms, 重放 replay %6.0f ms\n", round+1, r.rounds, took, 1e3*recovery[0])
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
	result.AfterKill, result.Recovery, result.AfterStop = median(killed), median(replayed), median(stopped)
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

// residentOf is the memory of a switch with a campus that has done nothing yet but answer once.
func (r *restart) residentOf(ctx context.Context, o samplecampus.Options) (int64, error) {
	s, err := newSite(ctx, r.common, samplecampus.New(o), "", nil)
	if err != nil {
		return 0, err
	}
	defer s.remove()
	p, _, err := r.firstAnswer(ctx, s)
	if err != nil {
		return 0, err
	}
	defer p.kill()
	return p.resident()
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
