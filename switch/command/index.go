package command

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"onecard/ledger/pebblestore"
	"onecard/switch/daemon"
	"onecard/switch/transaction"
)

func newIndexCommand() *cobra.Command {
	var flags configFlags
	c := &cobra.Command{
		Use:   "index --data DIR",
		Short: "丢弃并由账块重建流水索引 / drop the statement index and build it again from the blocks",
		Long: `流水索引只是账块的目录:verify 发现它有错时,用本命令丢弃并重建;账本本身不变。请先停止交换机。
The statement index is only a register of the blocks: when verify finds it wrong, this drops it and builds it again. The ledger itself does
not change. Stop the switch first.`,
		Example: `  onecard index --data /var/lib/onecard
  onecard index --config /etc/onecard/switch.yaml    # 日志另放一处时 / when the logs are kept apart`,
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) (err error) {
			config, err := flags.load()
			if err != nil {
				return err
			}
			data := config.Data.Directory
			if !daemon.HasLedger(data) {
				return fmt.Errorf("%s: %w", data, pebblestore.ErrNoLedger)
			}
			store, err := pebblestore.Open(pebblestore.Options{Dir: data, WALDir: config.Data.WALDirectory, ArchiveDir: config.Archive.Directory})
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, store.Close()) }()
			if err := store.RebuildIndex(c.Context(), daemon.Index(transaction.NewRegister())); err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "索引已重建至第 %s 条 / index built up to entry %[1]s\n", thousands(store.IndexedTo()))
			return err
		},
	}
	flags.add(c)
	return c
}
