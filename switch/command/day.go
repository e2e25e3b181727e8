package command

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"onecard/switch/daemon"
	"onecard/switch/dayend"
	"onecard/switch/proof"
)

func newDayCommand() *cobra.Command {
	c := group(&cobra.Command{
		Use:   "day",
		Short: "会计日:日切与日结 / business days: switching and ending them",
		Long: `会计日在配置的时刻(site.day_switch)自动日切,不停业务;日切之后自动日结:按手册 3.11 做八项核对,签名,写入 DIR/days/日期.json 并记账。
一个会计日关闭之后不再改变,日结可以重做,结果相同。
A business day is switched by itself at the configured time (site.day_switch) while sales go on. Behind the switch it is ended by itself: the
eight checks of handbook 3.11, signed, written to DIR/days/DATE.json and recorded in the ledger. A closed day never changes; ending it again
gives the same.`,
	})
	c.AddCommand(newDayListCommand(), newDayShowCommand(), newDayEndCommand(), newDaySwitchCommand(), newDayCheckCommand())
	return c
}

func dayArgument(text string) (proof.Day, error) {
	var day proof.Day
	return day, withCode(exitUsage, day.UnmarshalText([]byte(text)))
}

func newDayListCommand() *cobra.Command {
	var flags configFlags
	c := &cobra.Command{
		Use:     "list --data DIR",
		Short:   "列出已日结的会计日 / the business days that were ended",
		Long:    "列出有签名日结单的会计日及其结果。交换机运行或停止时都可使用。\nLists the business days that have a signed statement, with its result. It works with and without a running switch.",
		Example: "  onecard day list --data /var/lib/onecard",
		Args:    usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			config, err := flags.load()
			if err != nil {
				return err
			}
			return listDays(daemon.DaysOf(config.Data.Directory), c.OutOrStdout())
		},
	}
	flags.add(c)
	return c
}

func listDays(days daemon.Days, out io.Writer) error {
	list, err := days.List()
	if err != nil {
		return err
	}
	table := textTable{head: []string{"会计日 / day", "结果 / result", "条目 / entries", "期末 / closing", "未过 / failed checks"}, right: 1<<2 | 1<<3}
	for _, day := range list {
		signed, err := days.Statement(day)
		if err != nil {
			table.add(day.String(), "✗ 文件不成立 / the file does not hold", "", "", err.Error())
			continue
		}
		s := &signed.Statement
		result := "✓ 通过 / passed"
		var failed []string
		for _, check := range s.Checks {
			if check.Result == dayend.Failed {
				result, failed = "✗ 未过 / failed", append(failed, fmt.Sprint(check.Number))
			}
		}
		table.add(day.String(), result, thousands(s.Entries), s.Equation.Closing.String(), strings.Join(failed, ", "))
	}
	table.write(out)
	return nil
}

func newDayShowCommand() *cobra.Command {
	var flags configFlags
	c := &cobra.Command{
		Use:     "show --data DIR DAY",
		Short:   "打印一个会计日的日结单 / print the statement of a business day",
		Long:    "打印日结单:八项核对、平衡式、复式记账。全部明细在 DIR/days/日期.json。\nPrints a statement: the eight checks, the equation, the double entry. Everything is in DIR/days/DATE.json.",
		Example: "  onecard day show --data /var/lib/onecard 2026-11-23",
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			day, err := dayArgument(args[0])
			if err != nil {
				return err
			}
			config, err := flags.load()
			if err != nil {
				return err
			}
			signed, err := daemon.DaysOf(config.Data.Directory).Statement(day)
			if errors.Is(err, dayend.ErrDoesNotHold) {
				return withCode(exitFindings, err)
			}
			if err != nil {
				return err
			}
			return printDay(&signed.Statement, c.OutOrStdout())
		},
	}
	flags.add(c)
	return c
}

// printDay prints a statement; a day that has not passed ends with its own exit code.
func printDay(s *dayend.Statement, out io.Writer) error {
	if _, err := io.WriteString(out, dayend.Text(s)); err != nil {
		return err
	}
	if !s.Passed {
		return withCode(exitFindings, errSaid)
	}
	return nil
}

func newDayEndCommand() *cobra.Command {
	var flags configFlags
	c := &cobra.Command{
		Use:   "end --data DIR DAY",
		Short: "日结一个已关闭的会计日,可重做 / end a closed business day, again if need be",
		Long: `对已日切的会计日做日结:核对、签名、记账,然后打印日结单。交换机须在运行。自动日结失败、补录了银行余额或清点了钱箱之后使用。
Ends a business day that was switched: balances, signs and records it, and prints the statement. The switch must be running. For days whose
day-end failed, and when a figure of the bank or a drawer's count has come since.

退出码 / exit codes: 0 通过 / passed; 1 无法进行 / it cannot be done; 2 命令有误 / wrong command line; 3 未通过 / not passed.`,
		Example: "  onecard day end --data /var/lib/onecard 2026-11-23",
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			day, err := dayArgument(args[0])
			if err != nil {
				return err
			}
			config, err := flags.load()
			if err != nil {
				return err
			}
			return runDayEnd(c.Context(), &config, day, c.OutOrStdout())
		},
	}
	flags.add(c)
	return c
}

func runDayEnd(ctx context.Context, config *daemon.Config, day proof.Day, out io.Writer) error {
	ended, err := daemon.NewClient(config.Data.Directory).EndDay(ctx, day)
	if err != nil {
		return err
	}
	signed, err := daemon.DaysOf(config.Data.Directory).Statement(day)
	if err != nil {
		return err
	}
	if err := printDay(&signed.Statement, out); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "\n已签名 / signed: %s\n已记账 / recorded: 第 %d 条 / entry\n", ended.Path, ended.Entry)
	return err
}

func newDaySwitchCommand() *cobra.Command {
	var flags configFlags
	var now bool
	var closes string
	c := &cobra.Command{
		Use:   "switch --data DIR --now --closes DAY",
		Short: "提前日切:立即关闭当前会计日 / close the open business day before its time",
		Long: `立即关闭当前会计日并开启下一日,不停业务。不能撤销:此后的交易记入下一日。通常不需要,日切按 site.day_switch 自动进行。
须写明 --now 和要关闭的会计日,以免重复执行时多关一日。交换机须在运行。
Closes the open business day at once and opens the next, while sales go on. There is no way back: what is sold from now on is booked to the
next day. It is not needed as a rule: days are switched by themselves at site.day_switch. --now and the day that is meant must be given, so
that asking twice closes one day. The switch must be running.`,
		Example: "  onecard day switch --data /var/lib/onecard --now --closes 2026-11-23",
		Args:    usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if !now || closes == "" {
				return withCode(exitUsage, errors.New("提前日切不能撤销,请写明 --now 和 --closes DAY / a switch before its time cannot be undone: give --now and --closes DAY"))
			}
			day, err := dayArgument(closes)
			if err != nil {
				return err
			}
			config, err := flags.load()
			if err != nil {
				return err
			}
			if err := daemon.NewClient(config.Data.Directory).SwitchDay(c.Context(), day); err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "会计日 %s 已关闭,当前为 %s / business day %[1]s is closed, %[2]s is open\n", day, day+1)
			return err
		},
	}
	flags.add(c)
	c.Flags().BoolVar(&now, "now", false, "确认提前日切 / yes, before its time")
	c.Flags().StringVar(&closes, "closes", "", "要关闭的会计日 / the business day to be closed")
	return c
}

func newDayCheckCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "check --key PUBFILE FILE",
		Short: "核对一张日结单,不需要账本 / check a day's statement, without a ledger",
		Long: `用站点公钥核对日结单:日结单的签名、日根的签名、规范形式,并重算平衡式。公钥文件来自 prove --public-key,请从站点处另行取得。
Checks a statement with the site's public key: its signature, that of the day's root, its canonical form; and works the equation out again.
The key's file comes from prove --public-key: take it from the site by another way than the statement.

退出码 / exit codes: 0 成立且通过 / it holds and has passed; 1 无法读取 / it cannot be read; 2 命令或公钥文件有误 / wrong command line or key file;
3 不成立或未通过 / it does not hold, or the day has not passed.`,
		Example: "  onecard day check --key site.pub 2026-11-23.json",
		Args:    usage(cobra.ExactArgs(1)),
	}
	return checksSigned(c, "读日结单 / reading the statement", runDayCheck)
}

func runDayCheck(site ed25519.PublicKey, file io.Reader, out io.Writer) error {
	s, hash, err := dayend.Verify(file, site)
	if errors.Is(err, dayend.ErrDoesNotHold) {
		return withCode(exitFindings, err)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "✓ 日结单成立 / the statement holds\n  日根 / day root %x\n  账块 / block    %x\n  摘要 / SHA-256  %x\n  公钥 / key      %x\n\n", []byte(s.Root.Root), []byte(s.Root.LastBlock), hash, []byte(site))
	return printDay(&s, out)
}
