// Command bench loads the switch from outside, over TCP, as terminals do, and says what came of it: a lunch rush in an open loop, the
// most that goes through in a closed loop, and kill -9 under load.
//
// The one idea: a figure is worth something only beside its limit and its audit. Every round of saturate is run against the switch and
// against two bare servers with the same client and frames: echo, which does nothing, and floor, which does what no durable switch can
// leave out. After every load the ledger is closed, replayed by the auditor and held against what the terminals were told; the money line
// says what came of that.
//
// The switch is a process of its own (bin/onecard serve) on a folder of its own; this program imports nothing of it but the codec. It
// tunes nothing. Results are left as JSON in a folder, and report makes a page of what is there.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// version is set by the linker.
var version = "dev"

// errFound ends a run whose findings are printed already: nothing is to stand behind its last line.
var errFound = errors.New("the audit found something")

// blockingThreads are how many goroutines of this program may wait in the kernel at a time without a place in Go's scheduler being taken from them
// and given back, as in the switch (switch/command/processors.go): the generator between two arrivals, the bare syncs, the events that are forced in.
// At 20,000/s the generator's own lag was 1.6 to 3.6 ms at p99 in place of 3.4 to 7.5.
const blockingThreads = 4

func main() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + blockingThreads)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := newRoot().ExecuteContext(ctx)
	stop()
	switch {
	case errors.Is(err, errFound):
		os.Exit(1)
	case err != nil:
		fmt.Fprintf(os.Stderr, "错误 / error: %v\n", err)
		os.Exit(1)
	}
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "bench",
		Short: "压测交换机并对账 / load the switch and audit it",
		Long: `从外面压测交换机:午餐高峰、饱和吞吐、负载下断电;每次都复算账本并与终端的收据核对。
Loads the switch from outside: the lunch rush, saturation, kill -9 under load; the ledger is replayed and held against the terminals'
receipts each time. Build both programs first: make build.`,
		Example: `  bin/bench lunch --rate 100,1000,5000
  bin/bench saturate --seconds 4 --rounds 5 --json out/saturate.json
  bin/bench latency --rate 20000 --seconds 60
  bin/bench kill --rounds 50 --seed 7
  bin/bench pause --shape 64x32`,
		SilenceUsage: true, SilenceErrors: true, Version: version,
		PersistentPreRunE: func(c *cobra.Command, _ []string) error { return amounts(c.Flags()) },
	}
	root.AddCommand(newLunchCommand(), newQueryCommand(), newSaturateCommand(), newAllCommand(), newKillCommand(), newRestartCommand(), newPauseCommand(), newLedgerCommand(), newLimitCommand("echo"), newLimitCommand("floor"), newBankChaosCommand(), newBankNoonCommand(), newLatencyCommand(), newPeersCommand(), newGrowthCommand(), newReportCommand(), newNationCommand())
	return root
}

// amounts refuses how many and how long of nothing: no kill and no second would be a clean result of no test at all.
func amounts(flags *pflag.FlagSet) error {
	var wrong []error
	flags.VisitAll(func(f *pflag.Flag) {
		texts := []string{f.Value.String()}
		switch f.Value.Type() {
		case "int", "float64":
		case "float64Slice":
			texts = f.Value.(pflag.SliceValue).GetSlice()
		default:
			return
		}
		for _, text := range texts {
			if n, err := strconv.ParseFloat(text, 64); err != nil || !(n > 0) {
				wrong = append(wrong, fmt.Errorf("--%s 须大于 0,不是 %s / --%[1]s must be above 0, is %[2]s", f.Name, text))
			}
		}
	})
	return errors.Join(wrong...)
}

// common are the flags of everything that runs a switch.
type common struct {
	binary string
	work   string
	keep   bool
	seed   uint64
}

func (o *common) add(c *cobra.Command) {
	c.Flags().StringVar(&o.binary, "binary", "bin/onecard", "被测程序 / the switch to be measured")
	c.Flags().StringVar(&o.work, "work", "out", "工作目录,须在真实磁盘上 / folder for data, on a real disk")
	c.Flags().BoolVar(&o.keep, "keep", false, "保留数据目录 / leave the data folder behind")
	c.Flags().Uint64Var(&o.seed, "seed", 1, "随机种子 / seed of campus and traffic")
}

func newAllCommand() *cobra.Command {
	var o common
	lunch, saturate, latency, report := defaultLunch(), defaultSaturate(), defaultLatency(), defaultReport()
	c := &cobra.Command{
		Use: "all", Short: "午餐、饱和、延迟,然后一页报告 / lunch, saturate, latency, and then one page", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			lunch.common, saturate.common, latency.common = o, o, o
			for _, part := range []func(context.Context, io.Writer) error{lunch.run, saturate.run, latency.run} {
				if err := part(c.Context(), c.OutOrStdout()); err != nil {
					return err
				}
				fmt.Fprintln(c.OutOrStdout())
			}
			return report.run(c.OutOrStdout())
		},
	}
	o.add(c)
	lunch.addOwn(c, "lunch-")
	saturate.addOwn(c, "")
	latency.addOwn(c, "latency-")
	return c
}
