package command

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"onecard/switch/console"
	"onecard/switch/daemon"
)

func newAuditCommand() *cobra.Command {
	c := group(&cobra.Command{
		Use:   "audit",
		Short: "审计日志 / the audit log of the desks",
		Long: `数据目录中的 audit.log:谁被拒绝、谁查过谁的资料、来自哪里。每行带前一行的 HMAC,密钥出自站点密钥。
audit.log in the data folder: who was refused, who read whose data, from where. Each line holds the HMAC of the one before, under a key that comes
from the site key.`,
	})
	c.AddCommand(newAuditCheckCommand())
	return c
}

func newAuditCheckCommand() *cobra.Command {
	var flags configFlags
	var noted string
	c := &cobra.Command{
		Use:   "check --data DIR [--noted HEAD]",
		Short: "检查审计日志是否被改动、删行、截断 / was the audit log changed, thinned out or cut off",
		Long: `逐行核对链。被改、被删、被插的行由后一行发现;末尾被截由 audit.head 发现;两个文件一起换回旧副本,由别处记下的链头发现:
收银台日报上印有链头,用 --noted 给出。交换机可在运行。退出码 3:有问题。
Walks the chain. A line changed, taken out or put in is noticed by the line after it; an end cut off by audit.head; older copies of both by a head
noted elsewhere: every day sheet prints one, give it with --noted. The switch may be running. Exit code 3: something is wrong.`,
		Example: "  onecard audit check --data /var/lib/onecard\n  onecard audit check --data /var/lib/onecard --noted 1734:9f86d081884c7d65",
		Args:    usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			config, err := flags.load()
			if err != nil {
				return err
			}
			site, err := daemon.LoadSiteKey(config.SiteKeyPath(), false)
			if err != nil {
				return err
			}
			report, err := console.CheckAudit(config.Data.Directory, daemon.AuditKey(site), noted)
			if errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("%s 中没有审计日志:交换机从未运行过,或日志被移走 / no audit log there: the switch never ran, or the log was taken away (%w)", config.Data.Directory, err)
			}
			if err != nil {
				return err
			}
			out := c.OutOrStdout()
			for _, fault := range report.Faults {
				fmt.Fprintln(out, "✗", fault)
			}
			if len(report.Faults) > 0 {
				return withCode(exitFindings, fmt.Errorf("审计日志有 %d 处问题 / the audit log has %[1]d faults", len(report.Faults)))
			}
			_, err = fmt.Fprintf(out, "✓ 审计日志完整 / the audit log is whole: %s 行 / lines, 链头 / head %s\n", thousands(report.Mark.Lines), report.Mark)
			return err
		},
	}
	flags.add(c)
	c.Flags().StringVar(&noted, "noted", "", "从日报抄下的链头 / a head noted from a day sheet")
	return c
}
