package command

import (
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"onecard/ledger/money"
	"onecard/switch/console"
)

func newDeskBatchCommand(flags *deskFlags) *cobra.Command {
	c := group(&cobra.Command{
		Use:   "batch",
		Short: "批量业务:提交、审核、进度、停止 / batches: hand in, approve, watch, stop",
		Long: `批量发放补贴、计次,批量扣款,批量清退。提交后由另一人审核,随后逐行入账,每行只入账一次;中断后原样重做即可续上。
Issues subsidies or counts, deducts, or returns subsidies, many at a time. Another person approves; then line by line is posted, each once. Whatever
is interrupted is simply done again: it goes on where it stood.`,
	})
	c.AddCommand(newBatchSubmitCommand(flags), newBatchListCommand(flags), newBatchShowCommand(flags),
		newBatchTurnCommand(flags, "approve", "审核通过,须为另一人 / approve: another person", false),
		newBatchTurnCommand(flags, "reject", "驳回或撤回 / reject, or withdraw one's own", true),
		newBatchTurnCommand(flags, "cancel", "停止,已入账的不动 / stop: what has been posted stays", true))
	return c
}

// batchOf is a batch as the API takes it.
type batchOf struct {
	Kind      string           `json:"kind"`
	Programme string           `json:"programme,omitempty"`
	Merchant  string           `json:"merchant,omitempty"`
	AtTap     bool             `json:"at_tap,omitempty"`
	Replace   bool             `json:"replace,omitempty"`
	Start     string           `json:"start,omitempty"`
	Claim     string           `json:"claim,omitempty"`
	Expiry    string           `json:"expiry,omitempty"`
	Document  string           `json:"document,omitempty"`
	Reason    string           `json:"reason"`
	Lines     []map[string]any `json:"lines"`
}

// name derives the batch's name from all that is in it: the same file handed in again is the same batch, not another one.
func (b *batchOf) name() (string, error) {
	encoded, err := json.Marshal(b)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(encoded)
	return "batch-" + hex.EncodeToString(sum[:16]), nil
}

func newBatchSubmitCommand(flags *deskFlags) *cobra.Command {
	var b batchOf
	var key string
	c := &cobra.Command{
		Use:   "submit --kind KIND --reason WHY FILE.csv",
		Short: "提交一个 CSV:学号,金额 / hand in a CSV: number,amount",
		Long: `提交一个 CSV 文件,每行“学号或工号,金额”(计次为次数;清退可不写金额,即全部)。首行可为表头。文件名 - 为标准输入。
先检查整个文件,错行逐一列出(退出码 3),有错则不提交。名字由内容得出:同一文件再次提交即同一批次,从中断处续上。
要再发一遍同样的内容(如下月),请改单据号或事由。
Hands in a CSV file: number,amount on each line (counts for counts; a return may leave the amount out: everything). The first line may be a
header; - is standard input. The whole file is checked first and every bad line is listed (exit code 3). The batch's name comes from its
contents: the same file again is the same batch and goes on where it stood. To issue the same once more, give another document or reason.`,
		Example: `  onecard desk batch submit --kind subsidy --programme subsidy --document BZ-2026-11 --reason 十一月补贴 november.csv
  onecard desk batch submit --kind subsidy --programme aid --at-tap --claim 2026-12-31 --expiry 2027-01-31 --reason 困难补助 aid.csv
  onecard desk batch submit --kind deduction --merchant 100000000000001 --reason 住宿水电 dorm.csv`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: flags.asked(func(c *cobra.Command, client *console.Client, args []string) error {
			if b.Kind == "" || b.Reason == "" {
				return withCode(exitUsage, withHelp(c, errors.New("请给出 --kind 和 --reason / give --kind and --reason")))
			}
			if err := readBatch(c, args[0], &b); err != nil {
				return err
			}
			if key == "" {
				var err error
				if key, err = b.name(); err != nil {
					return err
				}
			}
			fmt.Fprintf(c.ErrOrStderr(), "正在提交 %s 行 / handing in %[1]s lines\n", thousands(uint64(len(b.Lines))))
			var status console.BatchStatus
			if err := client.Act(c.Context(), "/batches", key, &b, &status); err != nil {
				return unanswered(err, key)
			}
			if err := tellBatch(c, flags, &status); err != nil || flags.asJSON {
				return err
			}
			_, err := fmt.Fprintf(c.OutOrStdout(), "另一人 / another person: onecard desk batch approve %s\n", status.Number)
			return err
		}),
	}
	f := c.Flags()
	f.StringVar(&b.Kind, "kind", "", "业务:subsidy、counts、deduction 或 subsidy_return / kind of the catalogue")
	f.StringVar(&b.Programme, "programme", "", "补贴项目,或 subsidy / programme, or subsidy for the general one")
	f.StringVar(&b.Merchant, "merchant", "", "扣款:收款商户 / deductions: who gets them")
	f.BoolVar(&b.AtTap, "at-tap", false, "刷卡领取 / each holder claims his line at his next tap")
	f.BoolVar(&b.Replace, "replace", false, "清零补贴:余额先退回 / what is left in the purse goes back first")
	f.StringVar(&b.Start, "start", "", "起始日 / first day, 2026-12-01")
	f.StringVar(&b.Claim, "claim", "", "领取截止日 / last day for claiming")
	f.StringVar(&b.Expiry, "expiry", "", "资金有效期 / last day of the money")
	f.StringVar(&b.Document, "document", "", "单据号 / number of the paper")
	f.StringVar(&b.Reason, "reason", "", "事由 / why")
	f.StringVar(&key, "key", "", "批次的名字,缺省由内容得出 / the batch's name, from its contents when left out")
	return c
}

// readBatch reads the lines; every bad one is said.
func readBatch(c *cobra.Command, path string, b *batchOf) error {
	in := c.InOrStdin()
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return withCode(exitUsage, err)
		}
		defer f.Close()
		in = f
	}
	r := csv.NewReader(in)
	r.FieldsPerRecord, r.TrimLeadingSpace = -1, true
	var faults []string
	for row := 1; ; row++ {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return withCode(exitFindings, fmt.Errorf("%s: %w", path, err))
		}
		line, fault := batchLine(b.Kind, fields)
		switch {
		case fault == "":
			b.Lines = append(b.Lines, line)
		case row > 1: // the first line may be a header
			faults = append(faults, fmt.Sprintf("第 %d 行 / line %[1]d: %s", row, fault))
		}
	}
	if len(faults) > 0 {
		for _, fault := range faults[:min(len(faults), 100)] {
			fmt.Fprintln(c.OutOrStdout(), fault)
		}
		return withCode(exitFindings, fmt.Errorf("共 %d 个错行,未提交 / %[1]d bad lines: nothing was handed in", len(faults)))
	}
	if len(b.Lines) == 0 {
		return withCode(exitFindings, fmt.Errorf("%s: 没有数据行 / no line with a number and an amount", path))
	}
	return nil
}

func batchLine(kind string, fields []string) (line map[string]any, fault string) {
	holder := strings.TrimSpace(strings.TrimPrefix(fields[0], "\ufeff"))
	if holder == "" {
		return nil, "缺少学号 / the number is missing"
	}
	line = map[string]any{"holder": holder}
	switch {
	case len(fields) > 2:
		return nil, "多于两列 / more than two columns"
	case len(fields) == 1 || strings.TrimSpace(fields[1]) == "":
		if kind != "subsidy_return" {
			return nil, "缺少金额 / the amount is missing"
		}
		return line, ""
	}
	text := strings.TrimSpace(fields[1])
	if kind == "counts" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 1 {
			return nil, fmt.Sprintf("次数 %q 须为正整数 / the count must be a whole number above zero", text)
		}
		line["count"] = n
		return line, ""
	}
	amount, err := money.Parse(text)
	if err != nil || amount <= 0 {
		return nil, fmt.Sprintf("金额 %q 须为正,元,至多两位小数 / the amount must be above zero, in yuan with at most two decimals", text)
	}
	line["amount"] = amount.String()
	return line, ""
}

func newBatchListCommand(flags *deskFlags) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "批次列表 / all batches, the newest first", Args: usage(cobra.NoArgs), Example: "  onecard desk batch list",
		RunE: flags.asked(func(c *cobra.Command, client *console.Client, _ []string) error {
			var all struct{ Batches []console.BatchStatus }
			if err := client.Ask(c.Context(), "/batches", nil, &all); err != nil {
				return err
			}
			return tellBatches(c, flags, all.Batches)
		}),
	}
}

func newBatchShowCommand(flags *deskFlags) *cobra.Command {
	var watch bool
	c := &cobra.Command{
		Use: "show NUMBER [--watch]", Short: "一个批次的进度 / how far a batch has come", Args: usage(cobra.ExactArgs(1)),
		Example: "  onecard desk batch show 000000000123 --watch",
		RunE: flags.asked(func(c *cobra.Command, client *console.Client, args []string) error {
			var status console.BatchStatus
			for {
				if err := client.Ask(c.Context(), "/batches/"+args[0], nil, &status); err != nil {
					return err
				}
				if !watch || status.State != "approved" || status.Posted+status.Refused == status.Lines {
					return tellBatch(c, flags, &status)
				}
				fmt.Fprintf(c.ErrOrStderr(), "%s  %s\n", time.Now().Format(time.TimeOnly), progress(&status))
				select {
				case <-c.Context().Done():
					return c.Context().Err()
				case <-time.After(time.Second):
				}
			}
		}),
	}
	c.Flags().BoolVar(&watch, "watch", false, "每秒一行,直到完成 / a line a second until it is done")
	return c
}

// progress is a batch as a bar: [########----] 48,000/72,000.
func progress(b *console.BatchStatus) string {
	const width = 30
	done := b.Posted + b.Refused
	full := 0
	if b.Lines > 0 {
		full = int(uint64(done) * width / uint64(b.Lines))
	}
	return fmt.Sprintf("[%s%s] %s/%s", strings.Repeat("#", full), strings.Repeat("-", width-full), thousands(uint64(done)), thousands(uint64(b.Lines)))
}

func newBatchTurnCommand(flags *deskFlags, verb, short string, needsReason bool) *cobra.Command {
	var reason, key string
	c := &cobra.Command{
		Use: verb + " NUMBER", Short: short, Args: usage(cobra.ExactArgs(1)), Example: "  onecard desk batch " + verb + " 000000000123 --reason 经批准",
		RunE: flags.asked(func(c *cobra.Command, client *console.Client, args []string) error {
			if needsReason && reason == "" {
				return withCode(exitUsage, withHelp(c, errors.New("请给出 --reason / give --reason")))
			}
			if key == "" {
				key = console.NewName()
			}
			var status console.BatchStatus
			if err := client.Act(c.Context(), "/batches/"+args[0]+"/"+verb, key, map[string]string{"reason": reason}, &status); err != nil {
				return unanswered(err, key)
			}
			return tellBatch(c, flags, &status)
		}),
	}
	c.Flags().StringVar(&reason, "reason", "", "事由 / why")
	c.Flags().StringVar(&key, "key", "", "业务的名字 / the act's name (Idempotency-Key)")
	return c
}

func tellBatch(c *cobra.Command, flags *deskFlags, b *console.BatchStatus) error {
	err := tellBatches(c, flags, []console.BatchStatus{*b})
	if err == nil && b.Refused > 0 {
		return withCode(exitFindings, fmt.Errorf("%d 行未能入账 / %[1]d lines could not be posted", b.Refused))
	}
	return err
}

var batchStateWords = map[string]string{
	"proposed": "待审 / proposed", "approved": "入账中 / being posted", "rejected": "已驳回 / rejected", "cancelled": "已停止 / cancelled", "done": "完成 / done",
}

func tellBatches(c *cobra.Command, flags *deskFlags, all []console.BatchStatus) error {
	if flags.asJSON {
		if len(all) == 1 {
			return printJSON(c.OutOrStdout(), all[0])
		}
		return printJSON(c.OutOrStdout(), all)
	}
	t := textTable{
		head:  []string{"编号 / number", "业务 / kind", "状态 / state", "行 / lines", "已入账 / posted", "未入账 / refused", "总额 / total", "已动 / moved", "经办 / by", "审核 / approved", "单据 / document"},
		right: 1<<3 | 1<<4 | 1<<5 | 1<<6 | 1<<7,
	}
	for i := range all {
		b := &all[i]
		t.add(b.Number, b.KindZH, batchStateWords[b.State], thousands(uint64(b.Lines)), thousands(uint64(b.Posted)), thousands(uint64(b.Refused)),
			quantity(b.Total, b.Counts), quantity(b.Moved, b.Counted), b.Operator, b.Approver, b.Document)
	}
	t.write(c.OutOrStdout())
	return nil
}

func quantity(amount *console.Yuan, count *int64) string {
	switch {
	case count != nil:
		return strconv.FormatInt(*count, 10)
	case amount != nil:
		return amount.String()
	}
	return ""
}
