package inprocess

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"onecard/ledger"
	"onecard/ledger/pebblestore"
	"onecard/switch/campus"
	"onecard/switch/campus/consumption"
	"onecard/switch/command"
	"onecard/switch/transaction"
)

// Options size a run.
type Options struct {
	Work    string // folder for data, on a real disk
	Records int    // of the ledger that is indexed and verified
	Holders int
	Seconds float64 // that each group size is measured for
	Groups  []int
	Keep    bool // leave the ledger of the last part behind
}

// Group is what one size of group came to.
type Group struct {
	Entries          int     `json:"group"`
	DurablePerSecond float64 `json:"durable_per_second"`
	CPU              float64 `json:"cpu_us"`           // process time per record: deciding, block, journal, Pebble's flushes
	Decide           float64 `json:"decide_us"`        // process time of the core alone, on a journal that does nothing
	BytesPerRecord   float64 `json:"bytes_per_record"` // 0: too few records to say
	BlockBytes       float64 `json:"block_bytes_per_record"`
	IndexBytes       float64 `json:"index_bytes_per_record"`
}

// Result is the JSON of bench ledger.
type Result struct {
	Groups           []Group `json:"groups"`
	Records          int     `json:"records"`
	Holders          int     `json:"holders"`
	DurablePerSecond float64 `json:"durable_per_second"` // of the largest group
	Decide           float64 `json:"decide_us"`          // in groups of 512
	BytesPerRecord   float64 `json:"bytes_per_record"`   // in groups of 64, with indexes, after compaction
	IndexCPU         float64 `json:"index_us"`           // process time per record, flush and compaction included
	Rebuild          float64 `json:"rebuild_records_per_second"`
	Verify           float64 `json:"verify_records_per_second"`
	VerifyCPU        float64 `json:"verify_us"`
}

// bench is a run.
type bench struct {
	Options
	out    io.Writer
	folder string
	result Result
}

// Ledger measures the parts of the ledger and prints them as they come.
func Ledger(ctx context.Context, o Options, out io.Writer) (Result, error) {
	if err := os.MkdirAll(o.Work, 0o755); err != nil {
		return Result{}, fmt.Errorf("making the work folder: %w", err)
	}
	folder, err := os.MkdirTemp(o.Work, "ledger-")
	if err != nil {
		return Result{}, fmt.Errorf("making the work folder: %w", err)
	}
	b := &bench{Options: o, out: out, folder: folder, result: Result{Records: o.Records, Holders: o.Holders}}
	if !o.Keep {
		defer os.RemoveAll(folder)
	}
	fmt.Fprintf(out, "账本 ledger   %d 持卡人 holders\n\n%8s %14s %10s %10s %10s %12s %12s\n", o.Holders, "group", "durable/s", "cpu us", "decide us", "B/record", "of it block", "index")
	for _, size := range o.Groups {
		if err := b.group(ctx, size); err != nil {
			return Result{}, err
		}
	}
	if err := b.large(ctx); err != nil {
		return Result{}, err
	}
	return b.result, nil
}

// group measures one size of group.
func (b *bench) group(ctx context.Context, size int) error {
	decide, err := b.decide(ctx, size)
	if err != nil {
		return err
	}
	dir := filepath.Join(b.folder, fmt.Sprintf("group-%d", size))
	defer os.RemoveAll(dir)
	l, err := b.open(ctx, dir)
	if err != nil {
		return err
	}
	d := &door{holders: b.Holders, group: size, left: 1 << 40, until: time.Now().Add(b.duration())}
	took, cpu, err := l.sell(ctx, d)
	var blocks, index float64
	if err == nil {
		blocks, index, err = l.settle(ctx, d.answered)
	}
	if err := errors.Join(err, l.store.Close()); err != nil {
		return err
	}
	n := float64(d.answered)
	g := Group{size, n / took.Seconds(), micros(cpu) / n, decide, blocks + index, blocks, index}
	b.result.Groups = append(b.result.Groups, g)
	b.result.DurablePerSecond = max(b.result.DurablePerSecond, g.DurablePerSecond)
	if size <= 64 && g.BytesPerRecord > 0 {
		b.result.BytesPerRecord = g.BytesPerRecord
	}
	if size <= 512 {
		b.result.Decide = decide
	}
	fmt.Fprintf(b.out, "%8d %14.0f %10.2f %10.2f %10.1f %12.1f %12.1f\n", size, g.DurablePerSecond, g.CPU, g.Decide, g.BytesPerRecord, blocks, index)
	return nil
}

func (b *bench) duration() time.Duration { return time.Duration(b.Seconds * float64(time.Second)) }

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// decide is the core alone.
func (b *bench) decide(ctx context.Context, size int) (float64, error) {
	l := &opened{}
	var err error
	if l.engine, err = engineOn(ctx, &nowhere{}, b.Holders); err != nil {
		return 0, err
	}
	d := &door{holders: b.Holders, group: size, left: 1 << 40, until: time.Now().Add(b.duration() / 2)}
	_, cpu, err := l.sell(ctx, d)
	return micros(cpu) / float64(d.answered), err
}

// nowhere is a journal that keeps nothing.
type nowhere struct{ head ledger.Head }

func (j *nowhere) Append(b ledger.Block) error { j.head = b.Head(); return nil }
func (j *nowhere) Wait(uint64) error           { return nil }
func (j *nowhere) Head() ledger.Head           { return j.head }
func (j *nowhere) Replay(context.Context, uint64, func(ledger.Block) error) error {
	return nil
}

// opened is a ledger with its core.
type opened struct {
	store  *pebblestore.Store
	engine *transaction.Engine
	before pebblestore.Usage // of the import
}

func engineOn(ctx context.Context, journal ledger.Journal, holders int) (*transaction.Engine, error) {
	engine, err := transaction.Open(ctx, transaction.Config{
		Journal: journal, Site: transaction.DefaultSite(), Routes: campus.Routes([]campus.Subsystem{consumption.New(consumption.DefaultConfig())}),
	}, noon-2)
	if err != nil {
		return nil, err
	}
	faults, err := engine.ImportBeforeRun(directory(holders), noon-1)
	if err != nil || len(faults) > 0 {
		return nil, errors.Join(err, fmt.Errorf("%d faults in the measured campus", len(faults)))
	}
	return engine, nil
}

// indexWindow is what the indexer gathers in its thirty seconds at 20,000 purchases a second.
const indexWindow = 600_000

// open makes a ledger with the campus in it.
func (b *bench) open(ctx context.Context, dir string) (l *opened, err error) {
	l = new(opened)
	if l.store, err = pebblestore.Open(pebblestore.Options{Dir: dir, IndexWindowEntries: indexWindow}); err != nil {
		return nil, err
	}
	if l.engine, err = engineOn(ctx, l.store, b.Holders); err == nil {
		l.before, err = l.usage(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, l.store.Close())
	}
	return l, nil
}

// sell runs the core until the door has nothing left.
func (l *opened) sell(ctx context.Context, d *door) (took, cpu time.Duration, err error) {
	ctx, d.stop = context.WithCancel(ctx)
	defer d.stop()
	l.engine.Connect(d, nil)
	span := startSpan()
	if err := l.engine.Run(ctx, noon); err != nil {
		return 0, 0, err
	}
	took, cpu = span.end()
	return took, cpu, d.check()
}

// settle builds the index, compacts, and says what a record takes beyond the import.
func (l *opened) settle(ctx context.Context, records int) (blocks, index float64, err error) {
	after, err := l.usage(ctx)
	if records < fewRecords {
		return 0, 0, err // what the import's own rows take differs by more from one compaction to the next
	}
	return (float64(after.Blocks) - float64(l.before.Blocks)) / float64(records), (float64(after.Indexes) - float64(l.before.Indexes)) / float64(records), err
}

const fewRecords = 20_000

func (l *opened) usage(ctx context.Context) (pebblestore.Usage, error) {
	err := l.store.RebuildIndex(ctx, index())
	if err == nil {
		err = l.store.Compact(ctx)
	}
	if err != nil {
		return pebblestore.Usage{}, err
	}
	return l.store.Usage()
}

// index is what a switch keeps behind its ledger.
func index() pebblestore.Index {
	register := transaction.NewRegister()
	return pebblestore.Index{Keys: register.Statements, Shared: transaction.SharedStatements, Totals: pebblestore.Totals{Count: register.Count, Settle: register.Settle, RollUp: transaction.RollUp}}
}

// large makes one ledger of many records, builds its index again and verifies it.
func (b *bench) large(ctx context.Context) error {
	dir := filepath.Join(b.folder, "large")
	l, err := b.open(ctx, dir)
	if err != nil {
		return err
	}
	d := &door{holders: b.Holders, group: 512, left: b.Records}
	if _, _, err = l.sell(ctx, d); err == nil {
		err = l.store.Compact(ctx)
	}
	if err == nil {
		err = b.rebuild(ctx, l)
	}
	if err := errors.Join(err, l.store.Close()); err != nil {
		return err
	}
	if err := b.verify(dir); err != nil {
		return err
	}
	r := &b.result
	fmt.Fprintf(b.out, "\n%-58s %12.2f us\n%-58s %12.0f /s\n%-58s %12.0f /s\n%-58s %12.2f us\n",
		"流水索引,每笔 statement index behind, cpu per record", r.IndexCPU, "重建索引 index rebuilt", r.Rebuild,
		fmt.Sprintf("复算 %d 笔 verified", b.Records), r.Verify, "  每笔 cpu per record", r.VerifyCPU)
	return nil
}

// rebuild builds the index again, as it is built behind the switch: read, gather, write, flush, compact.
func (b *bench) rebuild(ctx context.Context, l *opened) error {
	span := startSpan()
	if err := l.store.RebuildIndex(ctx, index()); err != nil {
		return err
	}
	took, _ := span.end()
	if err := l.store.Compact(ctx); err != nil {
		return err
	}
	_, cpu := span.end()
	b.result.Rebuild, b.result.IndexCPU = float64(b.Records)/took.Seconds(), micros(cpu)/float64(b.Records)
	return nil
}

// verify runs onecard verify on the ledger.
func (b *bench) verify(dir string) error {
	report := filepath.Join(b.folder, "verify.json")
	span := startSpan()
	if code := command.Run("bench", []string{"verify", "--data", dir, "--json", report}, nil, io.Discard, b.out); code != 0 {
		return fmt.Errorf("verify: 退出码 %d / exit code %[1]d", code)
	}
	took, cpu := span.end()
	contents, err := os.ReadFile(report)
	if err != nil {
		return fmt.Errorf("reading what verify says: %w", err)
	}
	var said struct {
		Entries uint64 `json:"entries"`
		OK      bool   `json:"ok"`
	}
	if err := json.Unmarshal(contents, &said); err != nil {
		return fmt.Errorf("reading what verify says: %w", err)
	}
	if !said.OK || said.Entries < uint64(b.Records) {
		return fmt.Errorf("verify: %d 条,ok=%v / %[1]d entries, ok=%[2]v", said.Entries, said.OK)
	}
	b.result.Verify, b.result.VerifyCPU = float64(said.Entries)/took.Seconds(), micros(cpu)/float64(said.Entries)
	return nil
}

// span is time on the clock and of the process.
type span struct {
	began time.Time
	cpu   time.Duration
}

func startSpan() span { return span{time.Now(), processTime()} }

func (s span) end() (took, cpu time.Duration) { return time.Since(s.began), processTime() - s.cpu }

func processTime() time.Duration {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
