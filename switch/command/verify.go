package command

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"onecard/ledger/ledgertest"
	"onecard/ledger/pebblestore"
)

// verifyFlags are the command line of verify.
type verifyFlags struct {
	data, wal, archive, json, receipts, blocks string
}

func newVerifyCommand() *cobra.Command {
	var flags verifyFlags
	c := &cobra.Command{
		Use:   "verify --data DIR",
		Short: "独立复算账本 / an auditor's own replay of the ledger",
		Long: `以只读方式打开账本,由审计员用自己的账册逐块重放(不与交换机共用任何代码),核对:
  哈希链与见证、每笔分录之和、全部余额之和、透支、冻结与圈存、冲正、重复、流水索引、检查点余额;
  给出 --receipts 时,再与终端记得的应答逐条比对。交换机运行时请先停止它。
Opens the ledger read-only and replays every block with an auditor's own books, which share no code with the switch. Checked are: the hash
chain and its witness, the legs of every entry, the sum of all balances, overdrafts, holds and loads, reversals, duplicates, the statement
index, and the balances of the newest checkpoint; with --receipts, what terminals remember of their answers. Stop the switch first.

退出码 / exit codes: 0 无误 / clean; 1 无法读取 / it cannot be read; 3 有发现 / something is wrong.`,
		Example: `  onecard verify --data ./data
  onecard verify --data ./data --json report.json --receipts receipts.bin
  onecard verify --data ./data --blocks 1000:2000    # 只查这些条目所在的区块 / only the blocks that hold these entries`,
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return flags.run(c.Context(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	c.Flags().StringVar(&flags.data, "data", "", "数据目录 / data folder")
	c.Flags().StringVar(&flags.wal, "wal", "", "日志目录,若配置中与数据分开,写法同配置 / folder of the logs, if the configuration keeps them apart, written as there")
	c.Flags().StringVar(&flags.archive, "archive", "", "已移出区块所在的档案目录,默认为移出时的 / folder of the archive with the blocks that were moved out; default: where they went")
	c.Flags().StringVar(&flags.json, "json", "", "结果另存为 JSON(- 为标准输出) / also write the result as JSON (- for standard output)")
	c.Flags().StringVar(&flags.receipts, "receipts", "", "终端回执文件 / file of terminals' receipts")
	c.Flags().StringVar(&flags.blocks, "blocks", "", "只查条目 A 至 B 所在的区块:形式、哈希与链 / only the blocks with entries A to B: form, hashes and chain")
	_ = c.MarkFlagDirname("data")
	_ = c.MarkFlagDirname("wal")
	_ = c.MarkFlagDirname("archive")
	_ = c.MarkFlagFilename("json", "json")
	return c
}

func (f *verifyFlags) run(ctx context.Context, out, errOut io.Writer) error {
	if f.data == "" {
		return withCode(exitUsage, errors.New("请给出 --data / give --data"))
	}
	from, upTo, err := parseRange(f.blocks)
	if err == nil && f.blocks != "" && f.receipts != "" {
		err = errors.New("--blocks 不能与 --receipts 同用 / --blocks does not go with --receipts")
	}
	if folder := filepath.Dir(f.json); err == nil && f.json != "" { // better now than after a long replay
		if info, missing := os.Stat(folder); missing != nil || !info.IsDir() {
			err = fmt.Errorf("--json: 没有文件夹 %s / there is no folder %[1]s", folder)
		}
	}
	if err != nil {
		return withCode(exitUsage, err)
	}
	store, err := pebblestore.Inspect(pebblestore.Options{Dir: f.data, WALDir: f.wal, ArchiveDir: f.archive})
	if err != nil {
		return err
	}
	v := &verification{store: store, dir: f.data, from: from, upTo: upTo, progress: errOut}
	result, err := v.run(ctx, f.receipts)
	if err := errors.Join(err, store.Close()); err != nil {
		return err
	}
	if f.json != "-" {
		result.print(out)
	}
	if err := result.write(f.json, out); err != nil {
		return err
	}
	if !result.OK {
		return withCode(exitFindings, errSaid)
	}
	return nil
}

// parseRange reads "A:B"; nothing means everything (0, 0).
func parseRange(text string) (from, upTo uint64, err error) {
	if text == "" {
		return 0, 0, nil
	}
	first, last, ok := strings.Cut(text, ":")
	from, err1 := strconv.ParseUint(first, 10, 64)
	upTo, err2 := strconv.ParseUint(last, 10, 64)
	if !ok || err1 != nil || err2 != nil || from == 0 || upTo < from {
		return 0, 0, fmt.Errorf("--blocks %q: 请写 A:B,如 1000:2000 / write A:B, such as 1000:2000", text)
	}
	return from, upTo, nil
}

// verifyResult is the JSON of verify. Amounts in fen, days as dates.
type verifyResult struct {
	Data       string                    `json:"data"`
	Blocks     uint64                    `json:"blocks"`
	Entries    uint64                    `json:"entries"`
	FirstDay   string                    `json:"first_day"`
	LastDay    string                    `json:"last_day"`
	Head       headResult                `json:"head"`
	Witness    witnessResult             `json:"witness"`
	Sum        int64                     `json:"sum_fen"`
	Debits     int64                     `json:"debits_fen"`
	Credits    int64                     `json:"credits_fen"`
	Moved      int64                     `json:"moved_fen"`
	Accounts   uint32                    `json:"accounts"`
	OpenHolds  int                       `json:"open_holds"`
	OpenLoads  int                       `json:"open_loads"`
	OpenPaying int                       `json:"open_withdrawals"`
	Duplicates uint64                    `json:"duplicates"`
	ByCode     []ledgertest.AccountTotal `json:"accounts_by_code"`
	Index      indexResult               `json:"index"`
	Totals     totalsResult              `json:"totals"`
	Checkpoint checkpointResult          `json:"checkpoint"`
	MovedOut   movedOutResult            `json:"moved_out"`

	Acknowledged uint64 `json:"acknowledged"`
	Lost         uint64 `json:"lost"`
	Doubled      uint64 `json:"doubled"`

	Faults   uint64               `json:"faults"` // findings, those not listed included
	Findings []ledgertest.Finding `json:"findings"`
	OK       bool                 `json:"ok"`

	partial  bool
	receipts *ledgertest.Receipts
	took     time.Duration
}

type headResult struct {
	Sequence uint64 `json:"sequence"`
	Hash     string `json:"hash"`
}

type witnessResult struct {
	headResult
	Slots int  `json:"slots"`
	OK    bool `json:"ok"`
}

type indexResult struct {
	To      uint64 `json:"to"`      // entry up to which statements are on disk
	Checked uint64 `json:"checked"` // places in statements compared
	Wrong   uint64 `json:"wrong"`   // statements that differ from the blocks
}

type totalsResult struct {
	To      uint64 `json:"to"`      // entry up to which totals are on disk
	Checked uint64 `json:"checked"` // totals compared
	Wrong   uint64 `json:"wrong"`   // totals that differ from the blocks
}

// movedOutResult says which entries were read from an archive.
type movedOutResult struct {
	UpTo    uint64 `json:"up_to"` // 0: none
	Archive string `json:"archive"`
}

type checkpointResult struct {
	Sequence uint64 `json:"sequence"` // 0: there is none
	OK       bool   `json:"ok"`
}

func headOf(sequence uint64, hash [32]byte) headResult {
	return headResult{sequence, hex.EncodeToString(hash[:])}
}

// write writes the JSON to a file, or to out for "-".
func (r *verifyResult) write(path string, out io.Writer) error {
	if path == "" {
		return nil
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	text = append(text, '\n')
	if path == "-" {
		_, err = out.Write(text)
	} else {
		err = os.WriteFile(path, text, 0o644)
	}
	if err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	return nil
}
