package command

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"onecard/switch/daemon"
)

func newConfigCommand() *cobra.Command {
	c := group(&cobra.Command{
		Use:   "config",
		Short: "检查或打印配置 / check or print the configuration",
	})
	check := &cobra.Command{
		Use:   "check FILE",
		Short: "一次列出全部错误,带行号 / list every fault at once, with its line",
		Long: `检查配置文件和 ONECARD_ 环境变量:未知的键、类型、范围,一次全部列出。退出码 3:有错。
Checks a configuration file with the ONECARD_ environment: unknown keys, types, bounds, all at once. Exit code 3: there are faults.`,
		Example: "  onecard config check /etc/onecard/switch.yaml",
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			switch _, err := daemon.Load(args[0], os.Environ()); {
			case errors.Is(err, daemon.ErrConfigUnread):
				return withCode(exitUsage, err)
			case err != nil:
				return withCode(exitFindings, err)
			}
			fmt.Fprintf(c.OutOrStdout(), "%s: 正确 / no fault found\n", args[0])
			return nil
		},
	}
	show := &cobra.Command{
		Use:   "print [FILE]",
		Short: "打印生效的配置及每个键的来源 / print what is in force and where each key comes from",
		Long: `打印默认值、文件和环境变量合并后的配置,每个键后注明来源。密钥只以文件名出现。
Prints the configuration as defaults, file and environment make it, with the origin of each key. Keys are named by their files only.`,
		Example: "  onecard config print /etc/onecard/switch.yaml",
		Args:    usage(cobra.MaximumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			path := ""
			if len(args) == 1 {
				path = args[0]
			}
			text, err := daemon.Describe(path, os.Environ())
			if err != nil {
				return withCode(exitUsage, err)
			}
			_, err = fmt.Fprint(c.OutOrStdout(), text)
			return err
		},
	}
	c.AddCommand(check, show)
	return c
}
