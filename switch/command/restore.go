package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"onecard/ledger/ledgertest"
	"onecard/ledger/pebblestore"
)

// restoreFindingsShown bounds what is printed of a backup that is wrong; verify prints all of it.
const restoreFindingsShown = 10

func newRestoreCommand() *cobra.Command {
	var from, data, to string
	c := &cobra.Command{
		Use:   "restore --from FOLDER --data DIR [--to SEQ]",
		Short: "从备份恢复账本,可恢复到某一条 / bring a ledger back from a backup, up to an entry if asked",
		Long: `把备份中的每个区块读出、由审计员复算无误后写成新账本,最后才放入数据目录;数据目录中不得已有账本。
--to SEQ 只恢复到止于 SEQ 或其之前的最后一个区块,之后的不写入,并列出略去了什么。备份本身不变。
Reads every block of a backup, has an auditor replay it, writes it as a new ledger and puts that in its place at the very end. The data
folder must not hold a ledger. With --to the ledger ends with the last block that ends at or before SEQ, and what is left out is told.
The backup does not change.

恢复后请把站点密钥放回数据目录(site.key,权限 600)。/ Then put the site key back: site.key in the data folder, mode 600.
退出码 / exit codes: 0 已恢复 / restored; 1 不能恢复 / could not be; 3 备份有误 / the backup is wrong.`,
		Example: `  onecard restore --from /backup/onecard-1125 --data /var/lib/onecard
  onecard restore --from /backup/onecard-1125 --data ./before-the-mistake --to 1048576`,
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if from == "" || data == "" {
				return withCode(exitUsage, errors.New("请给出 --from 和 --data / give --from and --data"))
			}
			upTo := uint64(0)
			if to != "" {
				var err error
				if upTo, err = strconv.ParseUint(to, 10, 64); err != nil || upTo == 0 {
					return withCode(exitUsage, fmt.Errorf("--to %q: 须为条目号,从 1 起 / must be the number of an entry, from 1", to))
				}
			}
			return restore(c.Context(), from, data, upTo, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	c.Flags().StringVar(&from, "from", "", "备份目录 / folder of the backup")
	c.Flags().StringVar(&data, "data", "", "数据目录 / data folder")
	c.Flags().StringVar(&to, "to", "", "恢复到此条目为止 / restore up to this entry")
	_ = c.MarkFlagDirname("from")
	_ = c.MarkFlagDirname("data")
	return c
}

func restore(ctx context.Context, from, data string, to uint64, out, errOut io.Writer) error {
	r, err := pebblestore.BeginRestore(nil, from, data)
	if err != nil {
		return err
	}
	left, err := copyAudited(ctx, r, to, out, errOut)
	if err != nil {
		return errors.Join(err, r.Abort())
	}
	head, err := r.Finish()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "✓ 已恢复 / restored   %s\n  截至 / up to        第 %s 条 / entry,末块哈希 / last block %x\n", data, thousands(head.Sequence), head.Hash)
	tellLeftOut(out, left)
	_, err = fmt.Fprintf(out, "! 请把站点密钥放回 %s/site.key(权限 600)再启动 / put the site key back there (mode 600) before a start\n", data)
	return err
}

// copyAudited copies the blocks past an auditor with books of its own; a finding refuses the backup.
func copyAudited(ctx context.Context, r *pebblestore.Restoration, to uint64, out, errOut io.Writer) (pebblestore.LeftOut, error) {
	auditor := ledgertest.New()
	told := time.Now()
	var faults []string
	if to == 0 {
		for _, doubt := range r.Doubts() {
			faults = append(faults, oneLine(doubt))
		}
	}
	left, err := r.Copy(ctx, to, pebblestore.RestoreSink{
		Block: func(key uint64, raw []byte) {
			auditor.Block(key, raw)
			if now := time.Now(); now.Sub(told) >= progressInterval {
				told = now
				fmt.Fprintf(errOut, "恢复中 / restoring: %s / %s\n", thousands(key), thousands(r.Backup.Sequence))
			}
		},
		Missing: func(from, upTo uint64, why error) { auditor.Missing(from, upTo, oneLine(why)) },
	})
	report := auditor.Finish()
	for _, f := range report.Findings {
		faults = append(faults, fmt.Sprintf("区块 / block %d, 条目 / entry %d: %s", f.Block, f.Entry, f.Text))
	}
	for i, text := range faults {
		if i == restoreFindingsShown {
			fmt.Fprintf(out, "✗ … 其余 %d 处见 verify / verify lists the other %[1]d\n", len(faults)-i)
			break
		}
		fmt.Fprintln(out, "✗", text)
	}
	if len(faults) > 0 {
		return left, withCode(exitFindings, fmt.Errorf("备份有 %d 处错误,未恢复;可换一个备份,或用 --to 恢复到出错之前 / the backup has %[1]d faults: nothing was restored; take another, or restore to before them with --to", len(faults)))
	}
	return left, err
}

// tellLeftOut says what a restore to an entry has left out, and what follows from it.
func tellLeftOut(out io.Writer, left pebblestore.LeftOut) {
	if left.Unreadable {
		fmt.Fprintln(out, "! 略去的部分中有无法读取的区块 / some of what was left out cannot be read")
	}
	if left.Blocks == 0 {
		return
	}
	at := func(micros int64) string { return time.UnixMicro(micros).Format(time.DateTime) }
	fmt.Fprintf(out, `! 略去 / left out   %s 个区块 / blocks,%s 条 / entries:%s – %s,%s – %s
! 略去的交易终端和银行仍会记得,请与之对账 / terminals and the bank remember what was left out: reconcile with them
`, thousands(left.Blocks), thousands(left.Entries), thousands(left.From), thousands(left.UpTo), at(left.Begin), at(left.End))
}
