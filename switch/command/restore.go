package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"onecard/ledger"
	"onecard/ledger/ledgertest"
	"onecard/ledger/pebblestore"
	"onecard/switch/transaction"
)

// restoreFindingsShown bounds what is printed of a backup that is wrong; verify prints all of it.
const restoreFindingsShown = 10

// restoreFlags are the command line of restore.
type restoreFlags struct {
	from, archive, data, to, time, left string
}

func newRestoreCommand() *cobra.Command {
	var flags restoreFlags
	c := &cobra.Command{
		Use:   "restore --from FOLDER --data DIR [--archive FOLDER] [--to SEQ | --time MOMENT]",
		Short: "从备份或档案恢复账本,可恢复到某一条或某一时刻 / bring a ledger back, up to an entry or a moment if asked",
		Long: `把备份或档案(archive)中的每个区块读出、由审计员复算无误后写成新账本,最后才放入数据目录;数据目录中不得已有账本。
--from 为备份时可另给 --archive:接着备份之后的档案文件继续恢复。已移出的旧区块一并写回,新账本自成一体。来源本身不变。
--to SEQ 恢复到止于 SEQ 或其之前的最后一个区块;--time 恢复到该时刻(站点当地时间)之前的最后一个区块。略去了什么会列出,
--left-out 把略去的各笔应答写成 CSV,供与终端和银行对账。截止处在途的圈存按掉电后处理:启动后自动向银行冲正。
Reads every block of a backup or an archive, has an auditor replay it, writes it as a new ledger and puts that in its place at the very end.
The data folder must not hold a ledger. With --archive the files of an archive go on where the backup ends. Old blocks that were moved out
are in the new ledger again. With --to it ends with the last block that ends at or before SEQ; with --time with the last block before that
moment, at the site. What is left out is told, and with --left-out written as CSV for reconciling with terminals and the bank. Loads open at
the end are taken up as after a power cut: they are reversed at the bank after the start.

恢复后请把站点密钥放回数据目录(site.key,权限 600)。/ Then put the site key back: site.key in the data folder, mode 600.
退出码 / exit codes: 0 已恢复 / restored; 1 不能恢复 / could not be; 3 来源有误 / the source is wrong.`,
		Example: `  onecard restore --from /backup/onecard-1125 --data /var/lib/onecard
  onecard restore --from /backup/onecard-1125 --archive /archive/onecard --data /var/lib/onecard
  onecard restore --from /archive/onecard --data ./noon --time "2026-11-26 12:00:00" --left-out after-noon.csv
  onecard restore --from /backup/onecard-1125 --data ./before-the-mistake --to 1048576`,
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return flags.run(c.Context(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	c.Flags().StringVar(&flags.from, "from", "", "备份或档案目录 / folder of the backup or archive")
	c.Flags().StringVar(&flags.archive, "archive", "", "备份之后的档案目录 / folder of the archive that goes on behind the backup")
	c.Flags().StringVar(&flags.data, "data", "", "数据目录 / data folder")
	c.Flags().StringVar(&flags.to, "to", "", "恢复到此条目为止 / restore up to this entry")
	c.Flags().StringVar(&flags.time, "time", "", "恢复到此时刻为止,如 \"2026-11-26 12:00:00\" / restore up to this moment at the site")
	c.Flags().StringVar(&flags.left, "left-out", "", "略去的各笔写成 CSV / write what is left out as CSV")
	_ = c.MarkFlagDirname("from")
	_ = c.MarkFlagDirname("archive")
	_ = c.MarkFlagDirname("data")
	_ = c.MarkFlagFilename("left-out", "csv")
	return c
}

// run restores.
func (f *restoreFlags) run(ctx context.Context, out, errOut io.Writer) error {
	if f.from == "" || f.data == "" {
		return withCode(exitUsage, errors.New("请给出 --from 和 --data / give --from and --data"))
	}
	var cut pebblestore.Cut
	var err error
	switch {
	case f.to != "" && f.time != "":
		err = errors.New("--to 与 --time 只能给一个 / give one of --to and --time")
	case f.to != "":
		if cut.Entry, err = strconv.ParseUint(f.to, 10, 64); err != nil || cut.Entry == 0 {
			err = fmt.Errorf("--to %q: 须为条目号,从 1 起 / must be the number of an entry, from 1", f.to)
		}
	case f.time != "":
		_, err = parseMoment(f.time, time.UTC)
	}
	if err != nil {
		return withCode(exitUsage, err)
	}
	r, err := pebblestore.BeginRestore(nil, f.from, f.archive, f.data)
	if err != nil {
		return err
	}
	zone, err := siteZone(r)
	if err != nil && f.time != "" { // without a moment the zone is for words alone
		return errors.Join(err, r.Abort())
	}
	if f.time != "" {
		moment, _ := parseMoment(f.time, zone) // it was read before
		cut.Time = moment.UnixMicro()
	}
	return f.restore(ctx, r, cut, zone, out, errOut)
}

func (f *restoreFlags) restore(ctx context.Context, r *pebblestore.Restoration, cut pebblestore.Cut, zone *time.Location, out, errOut io.Writer) error {
	behind := &leftBehind{zone: zone}
	alone, end := r.Archived(), r.End()
	left, openLoads, err := copyAudited(ctx, r, cut, behind, out, errOut)
	if err != nil {
		return errors.Join(err, r.Abort())
	}
	head, err := r.Finish()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "✓ 已恢复 / restored   %s\n  截至 / up to        第 %s 条 / entry,末块哈希 / last block %x\n", f.data, thousands(head.Sequence), head.Hash)
	if cut.Time > 0 && left.Blocks == 0 {
		fmt.Fprintf(out, "! 来源止于第 %s 条,其后至所求时刻之间有无记录不得而知 / the source ends at entry %[1]s: whether there was more before the moment asked for, it cannot say\n", thousands(end))
	}
	if openLoads > 0 {
		fmt.Fprintf(out, "! 截止处有 %d 笔圈存在途:启动后自动向银行冲正 / %[1]d loads are on their way at the end: they are reversed at the bank after the start\n", openLoads)
	}
	tellLeftOut(out, left, zone)
	behind.tell(out)
	if f.left != "" && left.Blocks > 0 {
		if err := behind.write(ctx, f.data, f.left); err != nil {
			return err
		}
		fmt.Fprintf(out, "  明细 / the list     %s\n", f.left)
	}
	if alone {
		fmt.Fprintln(out, "! 档案中没有姓名(可另行导入 / import them again)、检查点和索引:首次启动会重放全部记录 / an archive has no names, checkpoints or indexes: the first start replays every record")
	}
	_, err = fmt.Fprintf(out, "! 请把站点密钥放回 %s/site.key(权限 600)再启动 / put the site key back there (mode 600) before a start\n", f.data)
	return err
}

// parseMoment reads a moment on the clock of the site, or one that says its zone itself.
func parseMoment(text string, zone *time.Location) (time.Time, error) {
	for _, layout := range []string{time.DateTime, "2006-01-02 15:04"} {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			return t, nil
		}
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return t, fmt.Errorf("--time %q: 请写如 / write it as \"2026-11-26 12:00:00\"", text)
	}
	return t, nil
}

// siteZone is the zone that the ledger was made for; its first entry says it.
func siteZone(r *pebblestore.Restoration) (*time.Location, error) {
	first, err := r.FirstBlock()
	if err != nil {
		return time.UTC, err
	}
	var e ledger.Entry
	entries := first.Entries()
	if _, err := entries.Next(&e); err != nil {
		return time.UTC, err
	}
	site, ok := transaction.ReadSite(&e)
	if !ok {
		return time.UTC, errors.New("第一条不是建账 / the first entry is not the making of a ledger")
	}
	return time.FixedZone("", int(site.ZoneSeconds)), nil
}

// copyAudited copies the blocks past an auditor with books of its own; a finding refuses the source. openLoads is how many loads are on
// their way at the end.
func copyAudited(ctx context.Context, r *pebblestore.Restoration, cut pebblestore.Cut, behind *leftBehind, out, errOut io.Writer) (left pebblestore.LeftOut, openLoads int, err error) {
	auditor := ledgertest.New()
	told := time.Now()
	doubts := r.Doubts()
	left, err = r.Copy(ctx, cut, pebblestore.RestoreSink{
		Block: func(key uint64, raw []byte) {
			auditor.Block(key, raw)
			if now := time.Now(); now.Sub(told) >= progressInterval {
				told = now
				fmt.Fprintf(errOut, "恢复中 / restoring: %s / %s\n", thousands(key), thousands(r.End()))
			}
		},
		Left:    behind.add,
		Missing: func(from, upTo uint64, why error) { auditor.Missing(from, upTo, oneLine(why)) },
	})
	report := auditor.Finish()
	var faults []string
	if cut.Entry == 0 && left.Blocks == 0 { // the end counts
		for _, doubt := range doubts {
			faults = append(faults, oneLine(doubt))
		}
	}
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
		return left, 0, withCode(exitFindings, fmt.Errorf("备份或档案有 %d 处错误,未恢复;可换一个来源,或用 --to 恢复到出错之前 / the backup or archive has %[1]d faults: nothing was restored; take another, or restore to before them with --to", len(faults)))
	}
	return left, report.OpenLoads, err
}

// tellLeftOut says what a restore to an entry has left out, and what follows from it.
func tellLeftOut(out io.Writer, left pebblestore.LeftOut, zone *time.Location) {
	if left.Unreadable {
		fmt.Fprintln(out, "! 略去的部分中有无法读取的区块 / some of what was left out cannot be read")
	}
	if left.Blocks == 0 {
		return
	}
	at := func(micros int64) string { return time.UnixMicro(micros).In(zone).Format(time.DateTime) }
	fmt.Fprintf(out, `! 略去 / left out   %s 个区块 / blocks,%s 条 / entries:%s – %s,%s – %s
! 略去的交易终端和银行仍会记得,请与之对账 / terminals and the bank remember what was left out: reconcile with them
`, thousands(left.Blocks), thousands(left.Entries), thousands(left.From), thousands(left.UpTo), at(left.Begin), at(left.End))
}
