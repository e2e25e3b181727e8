package command

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"onecard/switch/daemon"
)

func newFeedCommand() *cobra.Command {
	var flags configFlags
	var ask daemon.FeedQuestion
	c := &cobra.Command{
		Use:   "feed --data DIR --name NAME",
		Short: "逐条输出账本的记录,断点续读 / print the ledger's records, going on where the last run ended",
		Long: `按记录号顺序逐行输出账本的记录(JSON,卡号掩码),供报表、导出和告警使用。每个名称有自己的断点,写出的行才算读过;读者再慢也不影响交换机。
中途被强杀时,最后几行可能再次输出:请按 sequence 去重。交换机未运行时只读打开账本,断点不动。
Prints the ledger's records in order of their numbers, one JSON line each with masked card numbers, for reports, exports and alerts. Each name
has a cursor of its own, which moves over lines that were written; however slow the reader, the switch does not notice. After a kill the
last lines may come again: tell them by their sequence. When no switch is running the ledger is opened read-only and the cursor stays.`,
		Example: `  onecard feed --data /var/lib/onecard --name reports >> records.jsonl
  onecard feed --data /var/lib/onecard --name alerts --follow | my-alerts
  onecard feed --data /var/lib/onecard --name reports --from 1
  onecard feed list --data /var/lib/onecard
  onecard feed drop --data /var/lib/onecard reports`,
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if ask.Name == "" || c.Flags().Changed("from") && ask.From == 0 {
				return withCode(exitUsage, errors.New("请给出 --name;--from 至少为 1 / give --name, and a --from of at least 1"))
			}
			config, err := flags.load()
			if err != nil {
				return err
			}
			return runFeed(c.Context(), &config, ask, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	flags.add(c)
	c.Flags().StringVar(&ask.Name, "name", "", "订阅名:小写字母、数字、点、横线、下划线 / name of the feed: a-z 0-9 . - _")
	c.Flags().BoolVar(&ask.Follow, "follow", false, "持续输出新记录,直到中断 / go on with new records until interrupted")
	c.Flags().Uint64Var(&ask.From, "from", 0, "从此记录号开始,断点随之移动 / begin with this record; the cursor follows")
	c.AddCommand(newFeedListCommand(), newFeedDropCommand())
	return c
}

func runFeed(ctx context.Context, config *daemon.Config, ask daemon.FeedQuestion, out, errOut io.Writer) error {
	err := daemon.NewClient(config.Data.Directory).Feed(ctx, ask, out)
	if !errors.Is(err, daemon.ErrNotRunning) || ask.Follow {
		return err
	}
	fmt.Fprintln(errOut, "交换机未运行:只读打开账本,断点不动 / no switch is running: the ledger is opened read-only and the cursor stays")
	return daemon.ReadFeed(ctx, config, ask, out)
}

func newFeedListCommand() *cobra.Command {
	var flags configFlags
	c := &cobra.Command{
		Use:     "list --data DIR",
		Short:   "列出各订阅读到哪里、落后多少 / where each feed stands and how far it is behind",
		Long:    "列出各订阅的断点和尚未读的记录数。\nLists the cursor of each feed and the number of records behind it.",
		Example: "  onecard feed list --data /var/lib/onecard",
		Args:    usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			config, err := flags.load()
			if err != nil {
				return err
			}
			all, err := daemon.NewClient(config.Data.Directory).Feeds(c.Context())
			if errors.Is(err, daemon.ErrNotRunning) {
				all, err = daemon.StoppedFeeds(&config)
			}
			if err != nil {
				return err
			}
			table := textTable{head: []string{"名称 / name", "断点 / cursor", "落后 / behind"}, right: 1<<1 | 1<<2}
			for _, f := range all {
				table.add(f.Name, thousands(f.Cursor), thousands(f.Lag))
			}
			table.write(c.OutOrStdout())
			return nil
		},
	}
	flags.add(c)
	return c
}

func newFeedDropCommand() *cobra.Command {
	var flags configFlags
	c := &cobra.Command{
		Use:   "drop --data DIR NAME",
		Short: "删除一个订阅 / forget a feed",
		Long: `删除一个订阅及其断点;再次使用该名称时从头开始。交换机须在运行。
Forgets a feed with its cursor; the name begins again with the first record when it is used the next time. The switch must be running.`,
		Example: "  onecard feed drop --data /var/lib/onecard reports",
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			config, err := flags.load()
			if err != nil {
				return err
			}
			if err := daemon.NewClient(config.Data.Directory).DropFeed(c.Context(), args[0]); err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "订阅 %s 已删除 / feed %[1]s is dropped\n", args[0])
			return err
		},
	}
	flags.add(c)
	return c
}
