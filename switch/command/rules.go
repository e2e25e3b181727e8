package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"onecard/switch/daemon"
	"onecard/switch/rules"
	"onecard/switch/rules/rulefile"
)

func newRulesCommand() *cobra.Command {
	c := group(&cobra.Command{
		Use:   "rules",
		Short: "价格与限额规则:核对、发布、退回、查看 / prices and limits: check, publish, return, look",
		Long: `餐次、优惠、管理费、限额、扣款顺序的规则表。每次发布是一个新版本,有生效时间,记入账本;每笔流水记下裁决它的版本。
The tables of meals, privileges, fees, limits and debit orders. Each publication is a new version with a time from which it counts, kept in
the ledger; each record names the version that decided it.`,
	})
	c.AddCommand(newRulesCheckCommand(), newRulesPublishCommand(), newRulesRollbackCommand(), newRulesListCommand(), newRulesShowCommand())
	return c
}

// readRules reads a file of rules. Faults of the file are findings.
func readRules(path string) (*rules.Tables, error) {
	source, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("规则文件 / the rules: %w", err)
	}
	tables, err := rulefile.Read(path, source)
	return tables, withCode(exitFindings, err)
}

// tellFaults prints what is wrong with rules for a site.
func tellFaults(out io.Writer, faults []rules.Fault) error {
	for _, f := range faults {
		fmt.Fprintf(out, "✗ %s\n", f)
	}
	return withCode(exitFindings, errSaid)
}

func newRulesCheckCommand() *cobra.Command {
	var flags configFlags
	var alone bool
	c := &cobra.Command{
		Use:   "check FILE",
		Short: "核对一份规则文件 / check a file of rules",
		Long: `核对一份规则文件,一次报出全部错误及其行号;并与账本核对所写的身份与商户是否都已登记(--alone 则只看文件)。有错时退出码为 3。
Checks a file of rules and reports every fault with its line; then against the ledger whether all classes and merchants that it names are
registered (--alone looks at the file only). With faults the exit code is 3.`,
		Example: `  onecard rules check configs/rules.yaml --alone
  onecard rules check --data /var/lib/onecard rules.yaml`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			tables, err := readRules(args[0])
			if err != nil {
				return err
			}
			if !alone {
				config, err := flags.load()
				if err != nil {
					return err
				}
				faults, err := checkForSite(c.Context(), &config, tables)
				if err != nil {
					return err
				}
				if len(faults) > 0 {
					return tellFaults(c.OutOrStdout(), faults)
				}
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "✓ 规则无误:%d 个餐次、%d 行优惠、%d 行管理费、%d 行限额 / the rules are in order: meals %[1]d, privileges %[2]d, fees %[3]d, limits %[4]d\n",
				len(tables.Meals), len(tables.Privileges), len(tables.Fees), len(tables.Limits)+len(tables.MealLimits))
			return err
		},
	}
	flags.add(c)
	c.Flags().BoolVar(&alone, "alone", false, "只看文件,不与账本核对 / look at the file only")
	return c
}

// checkForSite asks the running switch, or reads the ledger of one that does not run.
func checkForSite(ctx context.Context, config *daemon.Config, tables *rules.Tables) ([]rules.Fault, error) {
	faults, err := daemon.NewClient(config.Data.Directory).CheckRules(ctx, tables)
	if errors.Is(err, daemon.ErrNotRunning) {
		return daemon.CheckStoppedRules(ctx, config, tables)
	}
	return faults, err
}

func newRulesPublishCommand() *cobra.Command {
	var flags configFlags
	var ask publication
	c := &cobra.Command{
		Use:   "publish FILE --reason TEXT [--effective TIME]",
		Short: "发布一份规则 / publish a file of rules",
		Long: `把一份规则文件发布为新版本,自 --effective 起生效(默认立即)。交换机须在运行;交易不停。已成交的不改价。
Publishes a file of rules as a new version, in force from --effective on (at once by default). The switch must be running and goes on.
What was sold keeps its price.`,
		Example: `  onecard rules publish --data /var/lib/onecard rules.yaml --effective 2027-02-22T00:00 --reason 春季学期 --approver 财务-赵`,
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			config, err := flags.load()
			if err != nil {
				return err
			}
			tables, err := readRules(args[0])
			if err != nil {
				return err
			}
			ask.question.Tables = tables.Append(nil)
			return ask.publish(c, &config)
		},
	}
	flags.add(c)
	ask.add(c)
	return c
}

func newRulesRollbackCommand() *cobra.Command {
	var flags configFlags
	var ask publication
	c := &cobra.Command{
		Use:   "rollback VERSION --reason TEXT [--effective TIME]",
		Short: "退回到以前的一个版本 / return to an older version",
		Long: `发布一个新版本,内容与以前的 VERSION 相同;0 为登记的限额、无优惠无管理费。排定在后的版本到时仍会生效。
Publishes a new version with the tables of an older one; 0 is the registered limits without prices. A version that is waiting for its time
still comes into force then.`,
		Example: `  onecard rules rollback --data /var/lib/onecard 3 --reason 新规则有误`,
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			number, err := strconv.ParseUint(args[0], 10, 32)
			if err != nil {
				return withCode(exitUsage, fmt.Errorf("版本号 %q 须为数字 / the version %[1]q must be a number", args[0]))
			}
			config, err := flags.load()
			if err != nil {
				return err
			}
			ask.question.ReturnTo = uint32(number)
			return ask.publish(c, &config)
		},
	}
	flags.add(c)
	ask.add(c)
	return c
}

// publication is the flags of a publication and what they ask for.
type publication struct {
	question  daemon.RulesQuestion
	effective string
}

func (p *publication) add(c *cobra.Command) {
	c.Flags().StringVar(&p.effective, "effective", "", "生效时间(站点时间),如 2027-02-22T00:00;默认立即 / in force from, at the site's time; default: at once")
	c.Flags().StringVar(&p.question.Reason, "reason", "", "事由,记入账本 / why, recorded in the ledger")
	c.Flags().StringVar(&p.question.Author, "operator", "", "发布人,记入账本;默认为当前用户 / who publishes, recorded in the ledger; default: this user")
	c.Flags().StringVar(&p.question.Approver, "approver", "", "审核人,须为另一人 / the second person, who must be another")
}

func (p *publication) publish(c *cobra.Command, config *daemon.Config) error {
	if p.question.Reason == "" {
		return withCode(exitUsage, errors.New("请用 --reason 写明事由 / give the reason with --reason"))
	}
	if p.effective != "" {
		if _, err := time.Parse(daemon.EffectiveLayout, p.effective); err != nil {
			return withCode(exitUsage, fmt.Errorf("生效时间 %q 须写成 2027-02-22T00:00 / write the time %[1]q as 2027-02-22T00:00", p.effective))
		}
		p.question.Effective = p.effective
	}
	version, faults, err := daemon.NewClient(config.Data.Directory).PublishRules(c.Context(), p.question)
	if err != nil {
		return err
	}
	if len(faults) > 0 {
		return tellFaults(c.OutOrStdout(), faults)
	}
	_, err = fmt.Fprintf(c.OutOrStdout(), "✓ 规则版本 %d 已发布,自 %s 起生效(账本第 %d 条) / version %[1]d is published, in force from %[2]s (record %[3]d)\n",
		version.Number, version.Effective.Format("2006-01-02 15:04:05"), version.Record)
	return err
}

// rulesOf asks the running switch, or reads the ledger of one that does not run.
func rulesOf(ctx context.Context, config *daemon.Config) (*daemon.RulesState, error) {
	state, err := daemon.NewClient(config.Data.Directory).Rules(ctx)
	if errors.Is(err, daemon.ErrNotRunning) {
		return daemon.StoppedRules(ctx, config)
	}
	return state, err
}

func newRulesListCommand() *cobra.Command {
	var flags configFlags
	var asJSON bool
	c := &cobra.Command{
		Use:     "list",
		Short:   "列出发布过的各版本 / list the versions that were published",
		Long:    "列出发布过的各版本:何时生效、谁发布、谁审核、为何;* 为当前生效者。\nLists the versions: in force from when, published by whom, approved by whom, and why; * is the one in force.",
		Example: "  onecard rules list --data /var/lib/onecard",
		Args:    usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			config, err := flags.load()
			if err != nil {
				return err
			}
			state, err := rulesOf(c.Context(), &config)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(state)
			}
			return tellVersions(c.OutOrStdout(), state)
		},
	}
	flags.add(c)
	c.Flags().BoolVar(&asJSON, "json", false, "输出 JSON / print JSON")
	return c
}

func tellVersions(out io.Writer, state *daemon.RulesState) error {
	t := textTable{head: []string{"", "版本 / version", "内容同 / tables of", "生效 / in force from", "发布 / author", "审核 / approver", "标题 / title", "事由 / reason"}, right: 1<<1 | 1<<2}
	for _, v := range state.Versions {
		mark := ""
		if v.Number == state.InForce {
			mark = "*"
		}
		t.add(mark, strconv.Itoa(int(v.Number)), strconv.Itoa(int(v.Names)), v.Effective.Format("2006-01-02 15:04:05"), v.Author, v.Approver, v.Title, v.Reason)
	}
	t.write(out)
	if state.InForce == 0 {
		fmt.Fprintln(out, "\n现行:登记的限额,无优惠无管理费 / in force: the registered limits, no prices")
	}
	if state.Next != nil {
		fmt.Fprintf(out, "\n下一版本生效于 %s / the next version comes into force at %[1]s\n", state.Next.Format("2006-01-02 15:04:05"))
	}
	return nil
}

func newRulesShowCommand() *cobra.Command {
	var flags configFlags
	c := &cobra.Command{
		Use:   "show [VERSION]",
		Short: "把一个版本的规则印成文件 / print the rules of a version as a file",
		Long: `把一个版本(默认现行版本)的规则印成文件的样子:可以改了再发布。
Prints the rules of a version, by default the one in force, as a file that can be changed and published again.`,
		Example: "  onecard rules show --data /var/lib/onecard 3 > rules.yaml",
		Args:    usage(cobra.MaximumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			config, err := flags.load()
			if err != nil {
				return err
			}
			state, err := rulesOf(c.Context(), &config)
			if err != nil {
				return err
			}
			number := uint64(state.InForce)
			if len(args) == 1 {
				if number, err = strconv.ParseUint(args[0], 10, 32); err != nil {
					return withCode(exitUsage, fmt.Errorf("版本号 %q 须为数字 / the version %[1]q must be a number", args[0]))
				}
			}
			if number > uint64(len(state.Versions)) {
				return fmt.Errorf("没有规则版本 %d,最新为 %d / there is no version %[1]d of the rules, the last is %[2]d", number, len(state.Versions))
			}
			tables := &rules.Tables{}
			if number > 0 && state.Versions[number-1].Names > 0 {
				if tables, err = rules.Decode(state.Versions[number-1].Tables); err != nil {
					return fmt.Errorf("version %d: %w", number, err)
				}
			}
			_, err = c.OutOrStdout().Write(rulefile.Write(tables))
			return err
		},
	}
	flags.add(c)
	return c
}
