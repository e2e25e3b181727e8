package command

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"onecard/switch/iso8583"
	"onecard/terminals/emulator"
)

// terminalFlags are how a terminal by hand is set up.
type terminalFlags struct {
	address, code, merchant, keyFile, mac, pinFile, campus string
	timeout                                                time.Duration
	brief                                                  bool
}

func newTerminalCommand() *cobra.Command {
	var f terminalFlags
	c := &cobra.Command{
		Use:   "terminal --campus DIR | --terminal CODE --merchant CODE --key-file FILE  [ACTION ...[, ACTION ...]]",
		Short: "一台手动的模拟终端:签到、查询、消费、冲正、圈存、过门 / one emulated terminal by hand",
		Long: `一台模拟终端,连到交换机,按动作逐个收发并打印脱敏后的报文。未签到时先自动签到。
One emulated terminal: connects to the switch, performs actions one after another and prints both messages decoded and masked. It signs
on by itself before the first action.

动作 / actions(多个用逗号分开 / several are separated by a comma):
  signon                      签到,换取工作密钥 / sign on, working keys are exchanged
  balance [CARD]              查余额 / what the card can spend
  buy [CARD [AMOUNT [pin]]]   消费,金额以元计 / purchase, amount in yuan; "pin" asks for the PIN
  load [CARD [AMOUNT]]        圈存,需密码 / bank load, with PIN
  pass [CARD [in|out]]        过门 / pass a gate
  reverse [TRACE [CAUSE]]     冲正,默认上一笔,原因 98 96 A0 06 / take back, the last one by default
  repeat [TRACE]              原样重发 / send the same message again
  echo, signoff               线路测试、签退 / echo test, sign off

没有动作时从标准输入逐行读取(终端上有提示符)。密码取自 --pin-file 或当场输入,从不作为参数;--campus 时取自 cards.csv。
Without actions lines are read from standard input (with a prompt on a terminal). A PIN comes from --pin-file or is typed, never from a
flag; with --campus it is that of cards.csv. --campus DIR takes terminal, merchant, key, card and PIN from the CSV files of a sample campus.
每次运行开启新批次,所以只能冲正本次运行的交易。/ Each run opens a new batch, so only transactions of this run can be reversed.

退出码 / exit codes: 0 全部批准 all approved; 3 有拒绝 something was refused; 1 未得应答 no answer; 2 用法 usage.`,
		Example: `  onecard terminal --campus data/campus buy
  onecard terminal --campus data/campus balance, buy 9156000000000019 12.50 pin, repeat, reverse
  onecard terminal --address 10.0.0.5:8583 --terminal 10000001 --merchant 898300000000001 --key-file tmk.hex signon, echo
  echo 'buy 9156000000000019 6.50' | onecard terminal --campus data/campus`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error { return runTerminal(c, &f, args) },
	}
	c.Flags().StringVar(&f.address, "address", "127.0.0.1:8583", "交换机的终端端口 / the switch's port for terminals")
	c.Flags().StringVar(&f.code, "terminal", "", "终端号,8 位 / terminal code, DE 41")
	c.Flags().StringVar(&f.merchant, "merchant", "", "商户号,15 位 / merchant code, DE 42")
	c.Flags().StringVar(&f.keyFile, "key-file", "", "主密钥文件,32 位十六进制 / file with the master key, 32 hexadecimal digits")
	c.Flags().StringVar(&f.mac, "mac", "aes-cmac", "MAC 算法 / MAC mode: aes-cmac, sm4-cbc, x9.19, cup-ecb-des, cup-ecb-3des, cup-ecb-sm4")
	c.Flags().StringVar(&f.pinFile, "pin-file", "", "密码文件 / file with the PIN")
	c.Flags().StringVar(&f.campus, "campus", "", "示范校园的 CSV 目录 / folder with the CSV files of a sample campus")
	c.Flags().DurationVar(&f.timeout, "timeout", 15*time.Second, "等待应答的时限 / how long an answer is waited for")
	c.Flags().BoolVar(&f.brief, "brief", false, "只打印结果,不打印报文 / outcomes only, no messages")
	_ = c.MarkFlagDirname("campus")
	return c
}

func runTerminal(c *cobra.Command, f *terminalFlags, args []string) error {
	w, err := newWorkbench(c, f)
	if err != nil {
		return withCode(exitUsage, err)
	}
	defer w.close()
	if len(args) > 0 {
		for _, words := range splitActions(args) {
			if err := w.perform(words); err != nil {
				return err
			}
		}
		return w.verdict()
	}
	return w.script(c.InOrStdin())
}

// splitActions cuts words at commas, wherever they stand.
func splitActions(args []string) [][]string {
	var actions [][]string
	for action := range strings.SplitSeq(strings.Join(args, " "), ",") {
		if words := strings.Fields(action); len(words) > 0 {
			actions = append(actions, words)
		}
	}
	return actions
}

// workbench is the terminals that have been needed so far, and what they are told to do.
type workbench struct {
	command *cobra.Command
	flags   *terminalFlags
	sample  *sampleFiles // nil without --campus
	config  emulator.DeviceConfig
	screen  screenOfTerminal
	open    map[string]*emulator.Terminal // by code
	last    *emulator.Terminal            // of the last transaction
	refused int
}

func newWorkbench(c *cobra.Command, f *terminalFlags) (*workbench, error) {
	w := &workbench{command: c, flags: f, screen: screenOfTerminal{c.OutOrStdout(), f.brief}, open: map[string]*emulator.Terminal{}}
	if f.campus != "" {
		sample, err := readSample(f.campus)
		w.sample = sample
		return w, err
	}
	if f.code == "" || f.merchant == "" || f.keyFile == "" {
		return nil, errors.New("请给出 --campus,或 --terminal、--merchant 和 --key-file / give --campus, or --terminal, --merchant and --key-file")
	}
	mode, err := iso8583.ParseMACMode(f.mac)
	if err != nil {
		return nil, err
	}
	key, err := readHexKey(f.keyFile)
	if err != nil {
		return nil, err
	}
	w.config = emulator.DeviceConfig{Code: f.code, Merchant: f.merchant, Key: key, Mode: mode, InFlight: 1}
	return w, nil
}

func readHexKey(path string) (iso8583.Secret, error) {
	contents, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("读不出主密钥 / reading the master key: %w", err)
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(contents)))
	if err != nil || len(key) != 16 {
		return nil, fmt.Errorf("%s: 主密钥须为 32 位十六进制 / the master key must be 32 hexadecimal digits", path)
	}
	return key, nil
}

func (w *workbench) close() {
	for _, t := range w.open {
		_ = t.Close()
	}
}

// script reads actions from a file, a pipe or a person.
func (w *workbench) script(in io.Reader) error {
	person := isPerson(in)
	lines := bufio.NewScanner(in)
	for {
		if person {
			fmt.Fprint(w.command.OutOrStdout(), "终端 terminal> ")
		}
		if !lines.Scan() {
			break
		}
		line, _, _ := strings.Cut(lines.Text(), "#")
		for _, words := range splitActions([]string{line}) {
			if words[0] == "quit" || words[0] == "exit" {
				return w.verdict()
			}
			err := w.perform(words)
			if err != nil && !person {
				return err
			}
			if err != nil {
				fmt.Fprintln(w.command.OutOrStdout(), "  ", err)
			}
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("读取动作 / reading actions: %w", err)
	}
	return w.verdict()
}

func isPerson(in io.Reader) bool {
	f, ok := in.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func (w *workbench) verdict() error {
	if w.refused > 0 {
		return withCode(exitFindings, errSaid)
	}
	return nil
}

// terminal returns the terminal that does what is asked, connected: the one of the flags, or one of the sample campus of a fitting type.
func (w *workbench) terminal(kinds ...string) (*emulator.Terminal, error) {
	config := w.config
	if w.sample != nil {
		var err error
		if config, err = w.sample.terminal(w.flags.code, kinds); err != nil {
			return nil, withCode(exitUsage, err)
		}
	}
	if t := w.open[config.Code]; t != nil {
		return t, nil
	}
	d, err := emulator.New(config)
	if err != nil {
		return nil, withCode(exitUsage, err)
	}
	t, err := emulator.Dial(w.command.Context(), w.flags.address, d)
	if err != nil {
		return nil, fmt.Errorf("连不上交换机 %s,它在运行吗 / cannot reach the switch, is it running: %w", w.flags.address, err)
	}
	t.Timeout, t.Frame = w.flags.timeout, w.screen.frame
	w.open[config.Code] = t
	return t, nil
}

// signedOn is terminal, signed on.
func (w *workbench) signedOn(kinds ...string) (*emulator.Terminal, error) {
	t, err := w.terminal(kinds...)
	if err != nil || t.Device.SignedOn() {
		return t, err
	}
	a, err := t.SignOn()
	if err != nil {
		return nil, err
	}
	if !a.Approved() {
		w.screen.outcome(&a, 0)
		return nil, withCode(exitFindings, fmt.Errorf("签到被拒 / sign-on refused: %s", a.Code))
	}
	return t, nil
}
