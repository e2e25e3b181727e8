package command

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/term"

	"onecard/ledger/money"
	"onecard/switch/iso8583"
	"onecard/terminals/emulator"
)

// Types of terminals in terminals.csv, and which serve what.
const (
	typePOS   = "pos"
	typeGate  = "gate"
	typeKiosk = "kiosk"
)

// defaultSale is what "buy" without an amount costs: a lunch.
const defaultSale, defaultLoad money.Fen = 650, 5000

// explanations say in both languages what to look at; the terminal's own words follow.
var explanations = []struct {
	of   error
	text string
}{
	{emulator.ErrTimeout, "交换机没有及时应答,地址对吗 / the switch did not answer in time, is it the right address"},
	{iso8583.ErrCheckValue, "密钥校验值不符,这不是交换机登记的主密钥 / this is not the master key that the switch has for the terminal"},
	{emulator.ErrMAC, "应答的 MAC 不对,密钥或 MAC 算法不符 / wrong MAC: key or --mac differ from what is registered"},
	{emulator.ErrUnknown, "没有记住这个流水号 / this trace number is not remembered"},
	{emulator.ErrNoReversal, "查询不能冲正,请重发 / an enquiry is not reversed"},
	{io.EOF, "交换机断开了连接 / the switch has closed the connection"},
}

// perform does one action. A refusal is printed and counted, not returned.
func (w *workbench) perform(words []string) error {
	err := w.act(words)
	for _, known := range explanations {
		if errors.Is(err, known.of) {
			return fmt.Errorf("%s (%w)", known.text, err)
		}
	}
	return err
}

func (w *workbench) act(words []string) error {
	argument := func(i int) string {
		if i < len(words) {
			return words[i]
		}
		return ""
	}
	switch words[0] {
	case "signon":
		return w.manage(false, (*emulator.Terminal).SignOn)
	case "signoff":
		return w.manage(true, (*emulator.Terminal).SignOff)
	case "echo":
		return w.manage(true, (*emulator.Terminal).Echo)
	case "balance":
		return w.ask(emulator.Request{Kind: emulator.KindBalance}, argument(1), "", false, typePOS, typeKiosk)
	case "buy":
		return w.ask(emulator.Request{Kind: emulator.KindPurchase, Amount: defaultSale}, argument(1), argument(2), argument(3) == "pin", typePOS)
	case "load":
		return w.ask(emulator.Request{Kind: emulator.KindLoad, Amount: defaultLoad}, argument(1), argument(2), true, typeKiosk, typePOS)
	case "pass":
		r := emulator.Request{Kind: emulator.KindPassage, Direction: emulator.In}
		switch argument(2) {
		case "", "in":
		case "out":
			r.Direction = emulator.Out
		default:
			return withCode(exitUsage, fmt.Errorf("方向 %q:写 in 或 out / direction: write in or out", argument(2)))
		}
		return w.ask(r, argument(1), "", false, typeGate)
	case "reverse":
		return w.again(argument(1), argument(2), true)
	case "repeat":
		return w.again(argument(1), "", false)
	}
	return withCode(exitUsage, fmt.Errorf("没有动作 %q:signon balance buy load pass reverse repeat echo signoff / no such action", words[0]))
}

func (w *workbench) manage(needsSession bool, do func(*emulator.Terminal) (emulator.Answer, error)) error {
	get := w.terminal
	if needsSession {
		get = w.signedOn
	}
	t := w.last
	var err error
	if t == nil || needsSession && !t.Device.SignedOn() {
		if t, err = get(typePOS, typeKiosk, typeGate); err != nil {
			return err
		}
	}
	w.last = t
	return w.tell(func() (emulator.Answer, error) { return do(t) })
}

// ask fills in card, amount and PIN and sends a request.
func (w *workbench) ask(r emulator.Request, card, amount string, withPIN bool, kinds ...string) error {
	var err error
	if r.Card, err = w.card(card); err != nil {
		return withCode(exitUsage, err)
	}
	if amount != "" {
		if r.Amount, err = money.Parse(amount); err != nil {
			return withCode(exitUsage, err)
		}
	}
	if withPIN {
		if r.PIN, err = w.pin(r.Card); err != nil {
			return withCode(exitUsage, err)
		}
	}
	t, err := w.signedOn(kinds...)
	if err != nil {
		return err
	}
	w.last = t
	return w.tell(func() (emulator.Answer, error) { return t.Do(r) })
}

// again repeats or reverses what this run has sent.
func (w *workbench) again(trace, cause string, reverse bool) error {
	t := w.last
	if t == nil {
		return withCode(exitUsage, fmt.Errorf("本次运行还没有交易 / nothing has been sent in this run yet"))
	}
	n := uint64(t.Device.Trace())
	if trace != "" {
		var err error
		if n, err = strconv.ParseUint(trace, 10, 20); err != nil {
			return withCode(exitUsage, fmt.Errorf("流水号 %q 须为 1 至 6 位数字 / a trace number is 1 to 6 digits", trace))
		}
	}
	if !reverse {
		return w.tell(func() (emulator.Answer, error) { return t.Repeat(uint32(n)) })
	}
	why := emulator.CauseNoAnswer
	if cause != "" {
		if !strings.Contains("98 96 A0 06", cause) || len(cause) != 2 {
			return withCode(exitUsage, fmt.Errorf("冲正原因 %q:98 无应答、96 故障、A0 MAC 错、06 其他 / cause: 98, 96, A0 or 06", cause))
		}
		copy(why[:], cause)
	}
	return w.tell(func() (emulator.Answer, error) { return t.Reversal(uint32(n), why) })
}

func (w *workbench) tell(do func() (emulator.Answer, error)) error {
	began := time.Now()
	a, err := do()
	if err != nil {
		return err
	}
	if a.Code != emulator.Approved {
		w.refused++
	}
	w.screen.outcome(&a, time.Since(began))
	return nil
}

// card reads a card number, or a holder's number of the sample campus; "" is a card of the sample.
func (w *workbench) card(text string) (uint64, error) {
	if w.sample != nil {
		if row, ok := w.sample.card(text); ok {
			return row.number, nil
		}
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n < 1e15 {
		return 0, fmt.Errorf("卡号 %q 须为 16 至 19 位数字 / a card number is 16 to 19 digits", text)
	}
	return n, nil
}

// pin comes from the sample campus, a file or a person.
func (w *workbench) pin(card uint64) (iso8583.PIN, error) {
	if w.flags.pinFile != "" {
		contents, err := os.ReadFile(w.flags.pinFile)
		if err != nil {
			return "", fmt.Errorf("读不出密码文件 / reading the PIN: %w", err)
		}
		return iso8583.PIN(strings.TrimSpace(string(contents))), nil
	}
	if w.sample != nil {
		if row, ok := w.sample.card(strconv.FormatUint(card, 10)); ok {
			return row.pin, nil
		}
	}
	in := w.command.InOrStdin()
	if !isPerson(in) {
		return "", fmt.Errorf("没有密码:用 --pin-file 给出 / no PIN: give --pin-file")
	}
	fmt.Fprint(w.command.OutOrStdout(), "密码 / PIN: ")
	typed, err := term.ReadPassword(int(in.(*os.File).Fd()))
	fmt.Fprintln(w.command.OutOrStdout())
	return iso8583.PIN(typed), err
}

// screenOfTerminal prints messages and outcomes.
type screenOfTerminal struct {
	out   io.Writer
	brief bool
}

// frame prints a message decoded and masked.
func (s screenOfTerminal) frame(sent bool, frame []byte) {
	if s.brief {
		return
	}
	arrow := "←"
	if sent {
		arrow = "→"
	}
	d, err := iso8583.Describe(frame)
	purpose := ""
	if d.Purpose != nil {
		purpose = "  " + d.Purpose.ZH + " / " + d.Purpose.EN
	}
	fmt.Fprintf(s.out, "%s %s %s / %s%s\n", arrow, d.MTI, d.Name.ZH, d.Name.EN, purpose)
	for _, part := range d.Fields {
		meaning := ""
		for i, m := range part.Meaning {
			meaning += [...]string{"  ", ", "}[min(i, 1)] + m.ZH
			if m.EN != m.ZH {
				meaning += " / " + m.EN
			}
		}
		fmt.Fprintf(s.out, "    %-4s %s %s%s\n", part.Key, pad(part.Name.ZH+" / "+part.Name.EN, 46), part.Value, meaning)
	}
	switch {
	case d.Fault != nil:
		fmt.Fprintf(s.out, "    ✗ 第 %d 字节 / at byte %d: %s / %s\n      %s / %s\n", d.Fault.Offset, d.Fault.Offset, d.Fault.What.ZH, d.Fault.What.EN, d.Fault.Advice.ZH, d.Fault.Advice.EN)
	case err != nil:
		fmt.Fprintf(s.out, "    ✗ %v\n", err)
	}
}

func (s screenOfTerminal) outcome(a *emulator.Answer, took time.Duration) {
	mark := "✓"
	if a.Code != emulator.Approved {
		mark = "✗"
	}
	zh, en := iso8583.ResponseText(a.Code.String())
	line := fmt.Sprintf("%s %s %s / %s", mark, a.Code, zh, en)
	if a.Text != "" {
		line += "  「" + a.Text + "」"
	}
	if a.Priced {
		line += fmt.Sprintf("  原价 list %s 优惠 discount %s 管理费 fee %s 应付 payable %s", a.Amount.Yuan(), a.Discount.Yuan(), a.Fee.Yuan(), a.Payable.Yuan())
	}
	if a.HasBalance {
		line += "  余额 balance " + a.Balance.Yuan()
	}
	if a.Trace != 0 {
		line += fmt.Sprintf("  批次 batch %d 流水 trace %d", a.Batch, a.Trace)
	}
	if a.Reference != (emulator.Reference{}) {
		line += "  参考号 reference " + a.Reference.String()
	}
	if a.Repeated {
		line += "  (重发,同一应答 / repeat, the same answer)"
	}
	if !a.Authentic && a.Kind != emulator.KindEcho && a.Kind != emulator.KindSignOff && a.Kind != emulator.KindSignOn {
		line += "  (无 MAC,不可信 / no MAC, not to be believed)"
	}
	fmt.Fprintf(s.out, "%s  %.1f ms\n", line, float64(took.Microseconds())/1e3)
}
