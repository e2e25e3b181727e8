package command

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"onecard/switch/demo"
)

func newDemoCommand() *cobra.Command {
	o := demo.DefaultOptions()
	c := &cobra.Command{
		Use:   "demo",
		Short: "一个有人有食堂的校园,在您的终端里吃午饭 / a campus at lunch, on your screen",
		Long: `在本机演示整套系统:3 万人的虚构校园、446 台终端、模拟银行和作为子进程的交换机,全部走真实 TCP;画面实时显示,差额始终为 0.00。
Shows the whole system on this machine: a made-up campus of 30,000 people, 446 terminals, a simulated bank, and the switch as a child
process, all over real TCP. The screen is live, and the difference is 0.00 all the time.

按键 / keys:
  b  切断、恢复银行线路:圈存等待或冲正,消费照常 / cut and restore the bank line: loads wait or are reversed, purchases go on
  k  kill -9 交换机并重启:显示恢复时间,一笔不丢 / kill the switch and restart it: recovery time shown, nothing lost
  l  挂失一张正要刷的卡:下一次刷卡被拒 41 / report a card lost that is about to be tapped: its next tap is refused 41
  r  把最后一张小票的报文再发一次:同样的应答,不再扣款 / send the last receipt's message again: same answer, no second debit
  q  日结:答完在途、向银行签退、独立复算、打印资产负债表 / close the day: drain, sign off, audit, print the balance sheet

在同一文件夹再次启动会接着上次继续。输出不是终端时每秒一行。只在本机回环地址监听。
A second start on the same folder goes on where the last one stopped. On a pipe it prints a line a second. It listens on loopback only.

退出码 3:复算有发现。/ Exit code 3: the audit has found something.`,
		Example: `  onecard demo
  onecard demo --data /tmp/campus --speed 30
  onecard demo --duration 20s --json result.json | cat
  onecard demo --plain --duration 30s --keys "k@5s b@10s b@20s"`,
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			binary, err := os.Executable()
			if err != nil {
				return fmt.Errorf("finding the program itself: %w", err)
			}
			o.Binary, o.Out = binary, c.OutOrStdout()
			o.In, o.Screen = terminalOf(c)
			err = demo.Run(c.Context(), o)
			switch {
			case errors.Is(err, demo.ErrOptions):
				return withCode(exitUsage, err)
			case errors.Is(err, demo.ErrFindings):
				return withCode(exitFindings, err)
			}
			return err
		},
	}
	f := c.Flags()
	f.StringVar(&o.Data, "data", o.Data, "数据目录 / data folder")
	f.Float64Var(&o.Speed, "speed", o.Speed, "校园时间的倍数 / campus seconds in a real one, 0.1 to 200")
	f.DurationVar(&o.Start, "start", o.Start, "校园从几点开始 / time of day at which the campus begins")
	f.DurationVar(&o.Loop, "loop", o.Loop, "多久后重来一遍(校园时间),0 为不重来 / campus time after which it begins again; 0: the day goes on")
	f.DurationVar(&o.Duration, "duration", 0, "多久后自动日结(实际时间) / real time after which the day is closed; 0: until q")
	f.StringVar(&o.JSON, "json", "", "结果写成 JSON / file for the result as JSON")
	f.BoolVar(&o.Plain, "plain", false, "不用画面,每秒一行 / a line a second in place of the screen")
	f.StringVar(&o.Keys, "keys", "", `到时自动按键,如 "k@5s b@10s" / keys pressed by themselves, such as "k@5s b@10s"`)
	f.Uint64Var(&o.Seed, "seed", o.Seed, "校园的种子,首次启动时用 / seed of the campus, at the first start")
	f.IntVar(&o.Size.Holders, "holders", o.Size.Holders, "人数,首次启动时用 / people, at the first start")
	f.IntVar(&o.Size.Merchants, "merchants", o.Size.Merchants, "食堂商铺数,首次启动时用 / canteens and shops, at the first start")
	f.IntVar(&o.Size.POS, "pos", o.Size.POS, "POS 数,首次启动时用 / POS, at the first start")
	f.IntVar(&o.Size.Gates, "gates", o.Size.Gates, "门数,首次启动时用 / gates, at the first start")
	f.IntVar(&o.Size.Kiosks, "kiosks", o.Size.Kiosks, "圈存机数,首次启动时用 / kiosks, at the first start")
	f.StringVar(&o.Terminals, "listen", o.Terminals, "终端端口,仅限回环 / terminal port, loopback only; port 0: any")
	f.StringVar(&o.Operations, "listen-operations", o.Operations, "运维端口,仅限回环 / operations port, loopback only; port 0: any")
	f.StringVar(&o.Bank, "listen-bank", o.Bank, "模拟银行端口,仅限回环 / the simulated bank's port, loopback only; port 0: any")
	_ = c.MarkFlagDirname("data")
	_ = c.MarkFlagFilename("json", "json")
	return c
}

// terminalOf returns the terminal that a command reads keys from and draws on; nil, nil when either is none.
func terminalOf(c *cobra.Command) (in, out *os.File) {
	in, fromFile := c.InOrStdin().(*os.File)
	out, toFile := c.OutOrStdout().(*os.File)
	if !fromFile || !toFile || !term.IsTerminal(int(in.Fd())) || !term.IsTerminal(int(out.Fd())) || os.Getenv("TERM") == "dumb" {
		return nil, nil
	}
	return in, out
}
