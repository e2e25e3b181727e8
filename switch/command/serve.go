package command

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"onecard/switch/daemon"
)

func newServeCommand(version string) *cobra.Command {
	var path string
	c := &cobra.Command{
		Use:   "serve [--config FILE]",
		Short: "运行交换机 / run the switch",
		Long: `运行交换机,直到收到中断或终止信号;然后答完在途请求、向银行签退、写检查点再退出。kill -9 同样安全。
Runs the switch until it is interrupted or terminated; then it answers what is in flight, signs off from the bank, writes a checkpoint and
ends. kill -9 is as safe.

不给 --config 时用默认值和 ONECARD_ 环境变量。日志为 JSON,写到标准错误;读日志的程序退出,交换机照常运行。
Without --config the defaults and the ONECARD_ environment hold. Logs are JSON lines on standard error; the switch goes on when their
reader has gone.`,
		Example: `  onecard serve --config configs/switch.yaml
  ONECARD_TERMINALS_LISTEN=0.0.0.0:8583 onecard serve --config /etc/onecard/switch.yaml`,
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			config, err := daemon.Load(path, os.Environ())
			if err != nil {
				return withCode(exitUsage, err)
			}
			spareProcessors()
			signal.Ignore(syscall.SIGPIPE) // a log shipper that ends is no reason to stop selling lunch
			return daemon.Run(c.Context(), config, daemon.Options{Version: version, Log: c.ErrOrStderr(), Ready: func(a daemon.Addresses) {
				fmt.Fprintf(c.OutOrStdout(), "ready terminals=%s operations=%s control=%s\n", a.Terminals, a.Operations, a.Control)
			}})
		},
	}
	c.Flags().StringVar(&path, "config", "", "配置文件 / configuration file (YAML)")
	_ = c.MarkFlagFilename("config", "yaml", "yml")
	return c
}

// configFlags are shared by commands that work on a data folder: a configuration file, or only the folder.
type configFlags struct{ path, data string }

func (f *configFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.path, "config", "", "配置文件 / configuration file (YAML)")
	c.Flags().StringVar(&f.data, "data", "", "数据目录,优先于配置文件 / data folder, in place of the configuration's")
	_ = c.MarkFlagFilename("config", "yaml", "yml")
	_ = c.MarkFlagDirname("data")
}

func (f *configFlags) load() (daemon.Config, error) {
	if f.path == "" && f.data == "" {
		return daemon.Config{}, withCode(exitUsage, errors.New("请给出 --data 或 --config / give --data or --config"))
	}
	config, err := daemon.Load(f.path, os.Environ())
	if err != nil {
		return config, withCode(exitUsage, err)
	}
	if f.data != "" {
		config.Data.Directory = f.data
	}
	return config, nil
}
