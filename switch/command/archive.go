package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"onecard/ledger/ledgertest"
	"onecard/ledger/pebblestore"
	"onecard/ledger/pebblestore/archive"
	"onecard/switch/daemon"
)

func newArchiveCommand() *cobra.Command {
	var flags configFlags
	var order daemon.ArchiveOrder
	c := &cobra.Command{
		Use:   "archive --data DIR --to FOLDER [--keep-days N]",
		Short: "把新区块增量归档到目录 / copy new blocks into a folder of compressed files",
		Long: `把账本中尚未归档的区块压缩写入目录(zstd),每个文件写后读回核对;再次运行只写新增部分,随时中断都可重来。交换机在运行时经控制套接字
进行,不停交易;配置 archive.directory 后交换机定时自动归档。缺失或损坏的文件,只要区块还在账本中就会重写。
--keep-days N(或配置 archive.keep_days)把早于 N 天的区块与档案逐字节核对后移出账本:流水、凭证、订阅、verify 照常由档案读取,
账本无档案也能启动和继续;档案从此是这些区块的唯一一份,请另存副本。
档案自成一份完整的区块链:restore 可由它(或备份加它)恢复到任一条、任一时刻。姓名不在档案中。
Copies the blocks that the archive does not have yet into a folder, compressed; each file is read back before it counts. Run again, it writes
what is new; cut off anywhere, it goes on. While a switch is running it goes through the control socket and the switch goes on; with
archive.directory in the configuration the switch does it by itself. Files that are missing or damaged are written again while their blocks
are in the ledger. With --keep-days N (or archive.keep_days) blocks older than N days are compared with the archive byte by byte and move
out of the ledger: statements, proofs, feeds and verify read them from the archive; the ledger starts and goes on without it. From then on
the archive has the only copy of them: keep a second one. An archive is the whole chain: restore brings a ledger back from it, or from a backup and it, to any entry or moment.
Names are not in it.`,
		Example: `  onecard archive --data /var/lib/onecard --to /archive/onecard
  onecard archive list /archive/onecard
  onecard archive check /archive/onecard
  onecard restore --from /archive/onecard --data ./noon --time "2026-11-26 12:00:00"`,
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			config, err := flags.load()
			if err != nil {
				return err
			}
			if order.Folder == "" {
				order.Folder = config.Archive.Directory
			}
			if c.Flags().Changed("keep-days") && order.KeepDays < 1 {
				return withCode(exitUsage, errors.New("--keep-days 至少为 1 / --keep-days must be at least 1"))
			}
			if order.Folder == "" {
				return withCode(exitUsage, errors.New("请给出 --to,或在配置中写 archive.directory / give --to, or archive.directory in the configuration"))
			}
			began := time.Now()
			done, err := daemon.Archive(c.Context(), &config, order)
			if err != nil {
				return err
			}
			return tellArchived(c.OutOrStdout(), order.Folder, done, time.Since(began))
		},
	}
	flags.add(c)
	c.Flags().IntVar(&order.KeepDays, "keep-days", 0, "早于此天数的区块核对后移出账本,只留在档案中 / blocks older than so many days move out of the ledger once they are compared")
	c.Flags().StringVar(&order.Folder, "to", "", "档案目录;默认取配置 / folder of the archive; default: the configuration's")
	_ = c.MarkFlagDirname("to")
	c.AddCommand(newArchiveListCommand(), newArchiveCheckCommand())
	return c
}

func tellArchived(out io.Writer, folder string, a daemon.ArchiveResult, took time.Duration) error {
	if a.Repaired > 0 {
		fmt.Fprintf(out, "! 重写了 %d 个缺失或损坏的文件 / %[1]d files that were missing or damaged were written again\n", a.Repaired)
	}
	_, err := fmt.Fprintf(out, `✓ 已归档 / archived    %s
  截至 / up to         第 %s 条 / entry,新增 / new %s
  末块哈希 / last block  %x
  大小 / size          %d 个文件 / files,%s KiB(压缩前 / before %s KiB),用时 / took %s
`, folder, thousands(a.Head.Sequence), thousands(a.Entries), a.Head.Hash, a.Total, thousands(kib(a.Bytes)), thousands(kib(a.Raw)), took.Round(time.Millisecond))
	if a.MovedOut != nil {
		tellMovedOut(out, a.MovedOut)
	}
	return err
}

func tellMovedOut(out io.Writer, m *pebblestore.Retained) {
	if m.Files > 0 {
		fmt.Fprintf(out, "✓ 已移出 / moved out   第 %s 条及以前 / up to entry %[1]s:%s 个区块 / blocks,今后由档案读取 / read from the archive from now on\n  账本表文件 / tables   %s KiB → %s KiB\n",
			thousands(m.UpTo), thousands(m.Blocks), thousands(kib(m.Before)), thousands(kib(m.After)))
	} else {
		fmt.Fprintln(out, "  没有可移出的区块 / no blocks were old enough to move out")
	}
	if m.HeldBack != "" {
		fmt.Fprintln(out, "! 其余旧区块暂留 / older blocks have stayed:", m.HeldBack)
	}
}

func kib(bytes uint64) uint64 { return (bytes + 1<<10 - 1) >> 10 }

func newArchiveListCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "list FOLDER",
		Short:   "列出档案文件 / the files of an archive",
		Long:    "列出每个档案文件的会计日、条目、起止时间(UTC)和大小;缺失或损坏的一并列出。\nLists the business day, entries, times (UTC) and size of each file, and what is missing or damaged.",
		Example: "  onecard archive list /archive/onecard",
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			folder, err := openArchive(args[0])
			if err != nil {
				return err
			}
			table := textTable{
				head:  []string{"会计日 / day", "首条 / first", "末条 / last", "区块 / blocks", "首条时间 / begins", "末条时间 / ends", "KiB", "末块哈希 / last block"},
				right: 1<<1 | 1<<2 | 1<<3 | 1<<6,
			}
			at := func(micros int64) string { return time.UnixMicro(micros).UTC().Format(time.DateTime) }
			for _, r := range folder.Runs() {
				table.add(dateOf(r.Day), thousands(r.First), thousands(r.Last), thousands(uint64(r.Blocks)), at(r.Begin), at(r.End), thousands(kib(r.Bytes)), fmt.Sprintf("%x", r.Hash[:8]))
			}
			table.write(c.OutOrStdout())
			return tellArchiveFaults(c.OutOrStdout(), folder)
		},
	}
}

func newArchiveCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check FOLDER",
		Short: "读出并复算整个档案 / read and replay a whole archive",
		Long: `读出档案的每个区块,核对校验和、哈希链,并由审计员用自己的账册复算全部余额,如同 verify。
Reads every block of an archive: sums, hash chain, and all balances by an auditor with books of its own, as verify does.

退出码 / exit codes: 0 无误 / clean; 1 无法读取 / it cannot be read; 3 有发现 / something is wrong.`,
		Example: "  onecard archive check /archive/onecard",
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			folder, err := openArchive(args[0])
			if err != nil {
				return err
			}
			return checkArchive(c.Context(), folder, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
}

func openArchive(dir string) (*archive.Folder, error) {
	folder, err := archive.Open(nil, dir)
	if err == nil && len(folder.Runs()) == 0 {
		err = fmt.Errorf("%s: %w", dir, archive.ErrNoArchive)
	}
	return folder, err
}

func checkArchive(ctx context.Context, folder *archive.Folder, out, errOut io.Writer) error {
	auditor := ledgertest.New()
	told := time.Now()
	damaged := 0
	err := folder.Each(ctx, 1, func(key uint64, raw []byte) error {
		auditor.Block(key, raw)
		if now := time.Now(); now.Sub(told) >= progressInterval {
			told = now
			fmt.Fprintf(errOut, "核对中 / checking: %s / %s\n", thousands(key), thousands(folder.Head().Sequence))
		}
		return nil
	}, func(d *archive.Damage) {
		damaged++
		fmt.Fprintln(out, "✗", oneLine(d))
		auditor.Missing(d.From, d.UpTo, "档案缺失或损坏 / the archive is missing or damaged there")
	})
	if err != nil {
		return err
	}
	report := auditor.Finish()
	for _, f := range report.Findings[:min(restoreFindingsShown, len(report.Findings))] {
		fmt.Fprintf(out, "✗ 区块 / block %d, 条目 / entry %d: %s\n", f.Block, f.Entry, f.Text)
	}
	if head := folder.Head(); head.Sequence != report.Last || head.Hash != report.Hash {
		damaged++
		fmt.Fprintf(out, "✗ 档案应止于第 %d 条,读到第 %d 条 / the archive should end at entry %[1]d, what was read ends at %[2]d\n", head.Sequence, report.Last)
	}
	if index := folder.IndexFault(); index != nil || damaged > 0 || report.Faults > 0 {
		if index != nil {
			fmt.Fprintln(out, "✗", index)
		}
		return withCode(exitFindings, errSaid)
	}
	_, err = fmt.Fprintf(out, "✓ 档案完好 / the archive is whole: %s 个区块 / blocks,%s 条 / entries,至 / up to %s,余额之和 / sum of all balances %s\n",
		thousands(report.Blocks), thousands(report.Entries), dateOf(report.LastDay), yuanText(report.Sum))
	return err
}

// tellArchiveFaults prints what heads and INDEX show to be wrong.
func tellArchiveFaults(out io.Writer, folder *archive.Folder) error {
	faults := 0
	for _, d := range folder.Faults() {
		faults++
		fmt.Fprintln(out, "✗", oneLine(d))
	}
	if index := folder.IndexFault(); index != nil {
		faults++
		fmt.Fprintln(out, "✗", index)
	}
	if faults > 0 {
		return withCode(exitFindings, errSaid)
	}
	return nil
}
