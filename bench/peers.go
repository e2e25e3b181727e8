package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/cobra"

	"onecard/terminals/emulator/samplecampus"
)

// peers measures what an engineer would otherwise take: a purchase as one function in PostgreSQL, and as one function in Redis, each with an
// answer that comes after the sync, on the same machine, with the same cards, in the same rounds as the switch.
type peers struct {
	common
	clients  []int    // of PostgreSQL, one purchase in flight on each
	batches  []string // of PostgreSQL: so many in one transaction, and in one pipeline
	depths   []string // of Redis
	seconds  float64
	rounds   int
	holders  int
	json     string
	switches []string // shapes of the switch
}

// Targets (bench/README.md, Figures).
const (
	timesPostgreSQL = 50
	timesRedis      = 4
)

func newPeersCommand() *cobra.Command {
	p := peers{
		clients: []int{64, 128, 256, 512}, batches: []string{"64x32"}, depths: []string{"64x1", "512x1", "64x8", "64x32", "64x64", "256x16"}, seconds: 2, rounds: 3,
		switches: []string{"64x1", "64x32"}, holders: holders, json: "out/peers.json",
	}
	c := &cobra.Command{
		Use: "peers", Short: "与 PostgreSQL、Redis 同机同轮对照 / beside PostgreSQL and Redis, same machine, same rounds", Args: cobra.NoArgs,
		Long: `同一台机器、同样的消费、同样的落盘要求,各轮交替。PostgreSQL 与 Redis 由本程序在自己的文件夹和回环端口上启动,结束时只结束它们。
PostgreSQL:synchronous_commit=on、fsync=on,整笔消费在一个 PL/pgSQL 函数内;商户余额分热点行与只追加两种,另测流水线与成批。
Redis:appendfsync always,整笔消费在一个 Lua 函数内,多种流水深度。各取最好的形状。安装:make peers。
Same machine, same purchases, same durability, rounds interleaved. The servers are started by this program in folders and on ports of its own
and only these are ended. PostgreSQL with the whole purchase in one PL/pgSQL function, with the merchant's balance as a hot row and
append-only, and with pipelines and batches; Redis with appendfsync always and the whole purchase in one Lua function, at several depths.
The best shape of each counts.`,
		RunE: func(c *cobra.Command, _ []string) error { return p.run(c.Context(), c.OutOrStdout()) },
	}
	p.add(c)
	f := c.Flags()
	f.IntSliceVar(&p.clients, "clients", p.clients, "PostgreSQL 的连接数 / PostgreSQL's connections")
	f.StringSliceVar(&p.batches, "batches", p.batches, "PostgreSQL 的流水线与成批 / PostgreSQL's pipelines and batches, connections x purchases")
	f.StringSliceVar(&p.depths, "depths", p.depths, "Redis 的流水线 / Redis's pipelines, connections x purchases")
	f.StringSliceVar(&p.switches, "shapes", p.switches, "交换机的形状,最后一个用于比较 / the switch's shapes; the last one is compared")
	f.Float64Var(&p.seconds, "seconds", p.seconds, "每次测量秒数 / seconds of one measurement")
	f.IntVar(&p.rounds, "rounds", p.rounds, "轮数,取中位数 / rounds; medians are shown")
	f.IntVar(&p.holders, "holders", p.holders, "持卡人数 / card holders")
	f.StringVar(&p.json, "json", p.json, "结果写入 JSON / write the result as JSON")
	return c
}

// contender is one system in one shape.
type contender struct {
	system, title string
	shape         string // connections x purchases in flight on each
	alone         bool   // every purchase is a transaction of its own: one that fails takes no other with it
	measure       func(ctx context.Context, seconds float64) (measured, error)
	rounds        []measured
}

func (p *peers) run(ctx context.Context, out io.Writer) error {
	shapes, err := parseShapes(p.switches)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "同机对照 peers   %d 轮 rounds x %g s   %d 持卡人 holders   种子 seed %d\n准备校园 / preparing the campus …\n", p.rounds, p.seconds, p.holders, p.seed)
	o := campusOptions(p.seed, mostConnections(shapes))
	o.Holders = p.holders
	site, err := newSite(ctx, p.common, samplecampus.New(o), "", nil)
	if err != nil {
		return err
	}
	defer site.remove()
	if err := os.Chmod(site.folder, 0o711); err != nil { // PostgreSQL runs as somebody else and must get through to its own
		return fmt.Errorf("opening the work folder to PostgreSQL: %w", err)
	}
	a := &arena{site: site, out: out}
	defer a.close()
	contenders, err := p.contenders(ctx, a, shapes)
	if err != nil {
		return err
	}
	for round := range p.rounds {
		for _, c := range contenders {
			m, err := c.measure(ctx, p.seconds)
			if err != nil {
				return fmt.Errorf("%s: %w", c.title, err)
			}
			c.rounds = append(c.rounds, m)
			fmt.Fprintf(out, "  %d/%d %s %10.0f/s  p50 %8.2f ms  p99 %8.2f ms  cpu %7.2f us  客户端 client %6.2f us\n", round+1, p.rounds, wide(c.title, 46), m.tps, m.p50, m.p99, m.cpu, m.client)
		}
	}
	r := summarisePeers(contenders)
	r.Machine, r.Rounds, r.Seconds, r.Versions = machine(site.folder), p.rounds, p.seconds, a.versions()
	r.print(out)
	if p.json != "" {
		if err := writeJSON(p.json, r); err != nil {
			return err
		}
	}
	return a.audit(ctx)
}

func mostConnections(shapes []shape) int {
	most := 0
	for _, s := range shapes {
		most = max(most, s.connections)
	}
	return most
}

// arena is everything that runs.
type arena struct {
	site     *site
	out      io.Writer
	house    *house
	postgres *postgres
	redis    *redis
	work     *peerWork
	random   *rand.Rand
}

func (a *arena) close() {
	if a.postgres != nil {
		a.postgres.close()
	}
	if a.redis != nil {
		a.redis.close()
	}
	if a.house != nil {
		a.house.end()
	}
}

func (a *arena) versions() string {
	return fmt.Sprintf("PostgreSQL %s · Redis %s", a.postgres.version, a.redis.version)
}

// start starts all three and loads the same campus into them.
func (a *arena) start(ctx context.Context, connections int) (err error) {
	a.random = newRandom(a.site.seed)
	a.work = &peerWork{cards: cardsOf(a.site.campus), terminals: 1024, merchants: len(a.site.campus.Merchants)}
	fmt.Fprintln(a.out, "启动 / starting PostgreSQL …")
	if a.postgres, err = startPostgres(ctx, a.site.folder, a.site.keep); err == nil {
		err = a.postgres.load(ctx, a.work)
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(a.out, "启动 / starting Redis …")
	if a.redis, err = startRedis(ctx, a.site.folder, connections); err == nil {
		err = a.redis.load(ctx, a.work)
	}
	if err != nil {
		return err
	}
	a.house = &house{site: a.site, servers: map[string]*process{}, random: a.random}
	if a.house.receipts, err = a.site.newReceipts(); err != nil {
		a.house = nil
		return err
	}
	a.house.servers["switch"], err = a.site.serve(ctx)
	if err != nil {
		delete(a.house.servers, "switch")
	}
	return err
}

// contenders are all systems in all shapes, in the order of a round.
func (p *peers) contenders(ctx context.Context, a *arena, shapes []shape) ([]*contender, error) {
	batches, err := parseShapes(p.batches)
	depths, err2 := parseShapes(p.depths)
	if err := errors.Join(err, err2); err != nil {
		return nil, err
	}
	if err := a.start(ctx, mostConnections(depths)); err != nil {
		return nil, err
	}
	var all []*contender
	for _, s := range shapes {
		all = append(all, &contender{system: "switch", shape: s.String(), title: "交换机 switch " + s.String(), measure: func(ctx context.Context, seconds float64) (measured, error) {
			return a.house.measure(ctx, "switch", s, seconds)
		}})
	}
	sql := func(title string, of shape, alone bool, ask sqlAsk) {
		all = append(all, &contender{system: "postgresql", shape: of.String(), alone: alone, title: "PostgreSQL " + of.String() + " " + title, measure: func(ctx context.Context, seconds float64) (measured, error) {
			return a.measureSQL(ctx, of.connections, seconds, ask)
		}})
	}
	for _, n := range p.clients {
		for _, hot := range []bool{true, false} {
			title := "商户" + map[bool]string{true: "热点行 hot row", false: "只追加 append-only"}[hot]
			sql(title, shape{n, 1}, true, func(ctx context.Context, c *sqlClient, r *rand.Rand) (int, error) {
				c.hot = hot
				return c.one(ctx, a.work, r)
			})
		}
	}
	for _, s := range batches {
		sql("流水线 pipeline, append-only", s, true, func(ctx context.Context, c *sqlClient, r *rand.Rand) (int, error) {
			c.hot = false
			return c.pipelined(ctx, a.work, r, s.inFlight)
		})
		sql("一事务一批 batch, append-only", s, false, func(ctx context.Context, c *sqlClient, r *rand.Rand) (int, error) {
			return c.batched(ctx, a.work, r, s.inFlight)
		})
	}
	for _, s := range depths {
		all = append(all, &contender{system: "redis", shape: s.String(), title: "Redis " + s.String(), measure: func(ctx context.Context, seconds float64) (measured, error) {
			a.redis.connect(s.connections)
			return a.measurePeer(ctx, a.redis.server, s.connections, seconds, func(ctx context.Context, i int, r *rand.Rand) (int, error) {
				return a.redis.clients[i].pipelined(ctx, a.work, r, s.inFlight)
			})
		}})
	}
	return all, nil
}

type sqlAsk func(ctx context.Context, c *sqlClient, r *rand.Rand) (int, error)

func (a *arena) measureSQL(ctx context.Context, connections int, seconds float64, ask sqlAsk) (measured, error) {
	if err := a.postgres.connect(ctx, connections); err != nil {
		return measured{}, err
	}
	return a.measurePeer(ctx, a.postgres.server, connections, seconds, func(ctx context.Context, i int, r *rand.Rand) (int, error) { return ask(ctx, a.postgres.clients[i], r) })
}

// measurePeer keeps so many clients asking: once for the warm-up, once measured. A client of its own counts its latencies.
func (a *arena) measurePeer(ctx context.Context, server *peerProcess, clients int, seconds float64, ask func(ctx context.Context, client int, r *rand.Rand) (int, error)) (measured, error) {
	if _, err := a.turn(ctx, clients, warmUp, ask); err != nil {
		return measured{}, err
	}
	cpu, own, began := server.cpu(), ownCPU(), time.Now()
	h, err := a.turn(ctx, clients, time.Duration(seconds*float64(time.Second)), ask)
	if err != nil {
		return measured{}, err
	}
	took, n := time.Since(began).Seconds(), float64(max(1, h.TotalCount()))
	own, cpu = ownCPU()-own, server.cpu()-cpu
	return measured{
		tps: n / took, cpu: float64(cpu.Microseconds()) / n, client: float64(own.Microseconds()) / n,
		p50: milliseconds(h, 50), p99: milliseconds(h, 99), p999: milliseconds(h, 99.9),
	}, nil
}

func (a *arena) turn(ctx context.Context, clients int, span time.Duration, ask func(ctx context.Context, client int, r *rand.Rand) (int, error)) (*hdrhistogram.Histogram, error) {
	total, errs := newHistogram(), make([]error, clients)
	var running sync.WaitGroup
	var merging sync.Mutex
	until := time.Now().Add(span)
	for i := range clients {
		random := rand.New(rand.NewPCG(a.random.Uint64(), uint64(i)))
		running.Go(func() {
			took := make([]int64, 0, 4096)
			for now := time.Now(); now.Before(until) && ctx.Err() == nil; {
				n, err := ask(ctx, i, random)
				if err != nil {
					errs[i] = err
					break
				}
				after := time.Now()
				for range n {
					took = append(took, after.Sub(now).Microseconds())
				}
				now = after
			}
			merging.Lock()
			defer merging.Unlock()
			for _, t := range took {
				_ = total.RecordValue(max(1, t)) // above a minute the run is given up
			}
		})
	}
	running.Wait()
	return total, errors.Join(append(errs, ctx.Err())...)
}

// audit closes the books of all three.
func (a *arena) audit(ctx context.Context) error {
	sql, err := a.postgres.audit(ctx)
	fmt.Fprintln(a.out, sql)
	lua, err2 := a.redis.audit(ctx)
	fmt.Fprintln(a.out, lua)
	return errors.Join(err, err2, a.house.close(ctx, a.out))
}

// peerWork is what all clients of the peers ask for: what the switch's are asked for.
type peerWork struct {
	cards                []uint64
	terminals, merchants int
}

// richFen and countMost are those of the measured campus: no purchase is to be refused.
const (
	richFen   = 90_000_000
	countMost = 1_000_000_000
)

// buyer is a terminal in its batch.
type buyer struct {
	terminal, batch, trace int
	approved               int64
}

type wish struct {
	trace  int
	card   uint64
	amount int64
}

// next draws a purchase.
func (b *buyer) next(w *peerWork, random *rand.Rand) wish {
	if b.trace++; b.batch == 0 || b.trace > 999_999 {
		b.batch, b.trace = b.batch+1, 1
	}
	n := random.Uint64()
	return wish{b.trace, w.cards[n%uint64(len(w.cards))], 50 + int64(n>>40%2000)}
}

// told counts an answer.
func (b *buyer) told(code int) error {
	if code != 0 {
		return fmt.Errorf("被拒 / refused with %02d: the sale of a rich holder must go through", code)
	}
	b.approved++
	return nil
}

// readCode reads the answer of a pipeline.
func (b *buyer) readCode(answer any) error {
	r, ok := answer.(*pgconn.ResultReader)
	if !ok {
		return fmt.Errorf("PostgreSQL answered with %T", answer)
	}
	code := -1
	for r.NextRow() {
		var err error
		if code, err = strconv.Atoi(string(r.Values()[0])); err != nil {
			return fmt.Errorf("PostgreSQL's code: %w", err)
		}
	}
	if _, err := r.Close(); err != nil {
		return err
	}
	return b.told(code)
}

// peerProcess is a server of somebody else.
type peerProcess struct {
	name    string
	command *exec.Cmd
	log     *os.File
	polite  syscall.Signal
	ended   <-chan happening
}

func startPeer(command *exec.Cmd, name, logPath string, polite syscall.Signal) (*peerProcess, error) {
	log, err := os.Create(logPath)
	if err != nil {
		return nil, fmt.Errorf("log of %s: %w", name, err)
	}
	command.Stdout, command.Stderr = log, log
	if err := command.Start(); err != nil {
		_ = log.Close()
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	return &peerProcess{name: name, command: command, log: log, polite: polite, ended: askBeside(command.Wait)}, nil
}

// await tries until the server answers.
func (p *peerProcess) await(ctx context.Context, try func() error) error {
	limit := time.Now().Add(patience)
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case happened := <-p.ended:
			p.ended = nil
			return fmt.Errorf("%s ended: %w (see %s)", p.name, happened.err, p.log.Name())
		case <-time.After(100 * time.Millisecond):
		}
		if time.Now().After(limit) {
			return fmt.Errorf("%s does not answer: %w (see %s)", p.name, err, p.log.Name())
		}
	}
}

// stop ends the server, and no other.
func (p *peerProcess) stop() {
	if p.ended != nil {
		_ = p.command.Process.Signal(p.polite)
		select {
		case <-p.ended:
		case <-time.After(10 * time.Second):
			_ = p.command.Process.Kill()
			<-p.ended
		}
	}
	_ = p.log.Close()
}

// cpu is the processor time of the server and of the processes that it has started.
func (p *peerProcess) cpu() time.Duration {
	total := time.Duration(0)
	found, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is good
	for _, path := range found {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		fields := strings.Fields(rest)
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if len(fields) < 15 || pid != p.command.Process.Pid && fields[1] != strconv.Itoa(p.command.Process.Pid) {
			continue
		}
		counted := fields[11:13]
		if pid == p.command.Process.Pid {
			counted = fields[11:15] // with those of its children that have ended
		}
		for _, f := range counted {
			ticks, _ := strconv.Atoi(f) // /proc writes numbers
			total += time.Duration(ticks) * time.Second / ticksPerSecond
		}
	}
	return total
}
