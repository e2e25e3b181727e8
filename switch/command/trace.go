package command

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"onecard/switch/iso8583"
)

// traceInputMax bounds what is read from standard input: a frame has at most 2,050 bytes.
const traceInputMax = 64 << 10

// traceChunk is how many columns bytes and values take before they go on in the next line.
const traceChunk = 24

func newTraceCommand() *cobra.Command {
	var bank bool
	var output string
	c := &cobra.Command{
		Use:   "trace HEX | -",
		Short: "逐字段解释一条报文(已遮蔽敏感数据) / explain a frame field by field, masked",
		Long: `逐字段解释一条 ISO 8583 报文:位置、线上字节、值、含义;格式错误时说明错在哪一字节、如何改正。
PIN、密钥、磁道、MAC 和私有数据不显示,卡号只显示前六后四,输出可以放心贴给别人。
报文可带或不带长度前缀;空格、换行、逗号和 0x 都可以有。命令行会留在 shell 历史里,请用 - 从标准输入读真实报文。

Explains an ISO 8583 frame: place, bytes, value and meaning of every field; what is wrong with a malformed one, at which byte, and what to do.
PIN blocks, keys, tracks, MACs and private data are not shown and a card number keeps six and four digits, so the output can be passed on.
The frame may come with or without its length prefix; spaces, newlines, commas and 0x are allowed. A command line stays in the shell's
history: read real frames from standard input with -.

退出码 / exit codes: 0 格式正确 / well formed, 2 不是十六进制 / not hexadecimal, 3 报文有错 / malformed.`,
		Example: `  onecard trace 0037 6000030001 603100310000 0820 0020000000C00010 000231 3130303136393139 383433323930303435383230303031 0011000000013010
  xxd -p -c 0 frame.bin | onecard trace -
  onecard trace --bank - < bank-frame.hex
  onecard trace --output json - < frame.hex | jq .fault`,
		Args: usage(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			if output != "text" && output != "json" {
				return withCode(exitUsage, fmt.Errorf("--output %q:请写 text 或 json / write text or json", output))
			}
			frame, err := readHexArguments(args, c.InOrStdin())
			if err != nil {
				return withCode(exitUsage, err)
			}
			return trace(c.OutOrStdout(), frame, bank, output == "json")
		},
	}
	c.Flags().BoolVar(&bank, "bank", false, "银行链路报文 / a message of the bank link")
	c.Flags().StringVarP(&output, "output", "o", "text", "输出格式 text 或 json / text or json")
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// trace prints a frame and says by its error that something is wrong with it.
func trace(out io.Writer, frame []byte, bank, asJSON bool) error {
	describe := iso8583.Describe
	if bank {
		describe = iso8583.DescribeBank
	}
	d, malformed := describe(frame)
	if asJSON {
		encoder := json.NewEncoder(out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(d); err != nil {
			return err
		}
	} else {
		printDescription(out, d)
	}
	if malformed != nil {
		return withCode(exitFindings, errSaid)
	}
	return nil
}

// readHexArguments joins the arguments, or standard input for "-", and reads hexadecimal.
func readHexArguments(args []string, in io.Reader) ([]byte, error) {
	text := strings.Join(args, " ")
	if text == "-" {
		contents, err := io.ReadAll(io.LimitReader(in, traceInputMax+1))
		if err != nil {
			return nil, fmt.Errorf("读标准输入 / reading standard input: %w", err)
		}
		if len(contents) > traceInputMax {
			return nil, errors.New("标准输入太长,一次请给一条报文 / standard input is too long: give one frame at a time")
		}
		text = string(contents)
	}
	var digits strings.Builder
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return strings.ContainsRune(" \t\r\n,", r) }) {
		word = strings.TrimPrefix(strings.TrimPrefix(word, "0x"), "0X")
		if at := strings.IndexFunc(word, func(r rune) bool { return !strings.ContainsRune("0123456789abcdefABCDEF", r) }); at >= 0 {
			return nil, fmt.Errorf("第 %d 个数字之后的 %q 不是十六进制 / %[2]q behind digit %[1]d is not hexadecimal", digits.Len()+at, []rune(word[at:])[0])
		}
		digits.WriteString(word)
	}
	if digits.Len() == 0 {
		return nil, errors.New("没有报文:请给十六进制,或用 - 从标准输入读 / no frame: give hexadecimal, or - to read standard input")
	}
	if digits.Len()%2 == 1 {
		return nil, fmt.Errorf("%d 个十六进制数字,应为偶数:可能少抄了一个 / %[1]d hexadecimal digits, an even number is needed: one may be missing", digits.Len())
	}
	return hex.DecodeString(digits.String())
}

// printDescription prints a frame as a table that lines up under Chinese, and its fault below.
func printDescription(out io.Writer, d iso8583.Description) {
	link := "终端链路 / terminal link"
	if d.Link == "bank" {
		link = "银行链路 / bank link"
	}
	fmt.Fprintf(out, "%s,%d 字节 / bytes\n%s\n\n", link, d.Bytes, strings.TrimSpace(d.MTI+" "+bothWays(d.Name)))
	if d.Purpose != nil {
		fmt.Fprintf(out, "业务 / business: %s\n\n", bothWays(*d.Purpose))
	}
	rows := [][5][]string{{{"偏移", "offset"}, {"字段", "field"}, {"名称", "name"}, {"线上字节", "wire"}, {"值", "value"}}}
	meanings := [][]string{{"含义", "meaning"}}
	for _, p := range append(append([]iso8583.Part(nil), d.Head...), d.Fields...) {
		rows = append(rows, [5][]string{{fmt.Sprint(p.Offset)}, {p.Key}, {p.Name.ZH, p.Name.EN}, chunks(p.Wire), chunks(p.Value)})
		var meaning []string
		for _, m := range p.Meaning {
			meaning = append(meaning, bothWays(m))
		}
		meanings = append(meanings, meaning)
	}
	printRows(out, rows, meanings)
	if d.Fault != nil {
		printFault(out, d)
	}
}

// printRows lines the columns up. Each row takes as many lines as its longest cell.
func printRows(out io.Writer, rows [][5][]string, meanings [][]string) {
	var widths [5]int
	for _, row := range rows {
		for i, cell := range row {
			for _, line := range cell {
				widths[i] = max(widths[i], columns(line))
			}
		}
	}
	var b strings.Builder
	for n, row := range rows {
		height := len(meanings[n])
		for _, cell := range row {
			height = max(height, len(cell))
		}
		for line := range height {
			text := ""
			for i, cell := range row {
				part := ""
				if line < len(cell) {
					part = cell[line]
				}
				text += pad(part, widths[i]) + "  "
			}
			if line < len(meanings[n]) {
				text += meanings[n][line]
			}
			b.WriteString(strings.TrimRight(text, " ") + "\n")
		}
	}
	_, _ = io.WriteString(out, b.String())
}

func printFault(out io.Writer, d iso8583.Description) {
	f := d.Fault
	fmt.Fprintf(out, "\n✗ 偏移 / offset %d (0x%02X): %s\n", f.Offset, f.Offset, f.Fault)
	fmt.Fprintf(out, "  %s\n  %s\n  → %s\n  → %s\n", f.What.ZH, f.What.EN, f.Advice.ZH, f.Advice.EN)
	if d.Unread > 0 {
		fmt.Fprintf(out, "  其后 %d 字节未解释 / %[1]d bytes from there on are not explained\n", d.Unread)
	}
}

// bothWays is Chinese with English beside it, or what is the same in both.
func bothWays(t iso8583.Text) string {
	if t.ZH == t.EN {
		return t.ZH
	}
	return t.ZH + " / " + t.EN
}

// chunks cuts a long text into lines of a column.
func chunks(text string) []string {
	var all []string
	line := ""
	for _, r := range text {
		if columns(line+string(r)) > traceChunk {
			all, line = append(all, line), ""
		}
		line += string(r)
	}
	return append(all, strings.TrimRight(line, " "))
}
