package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"onecard/ledger/pebblestore"
	"onecard/switch/daemon"
	"onecard/switch/transaction"
)

func newStatementCommand() *cobra.Command {
	var flags configFlags
	var ask statementOf
	c := &cobra.Command{
		Use:   "statement --data DIR (--card NUMBER | --terminal CODE)",
		Short: "一张卡或一台终端的流水,新的在前 / the entries of a card or a terminal, newest first",
		Long: `列出一张卡或一台终端在账本中的每一条:何时、何事、金额、余额、结果及理由。账本只读打开,须先停止交换机。
“变动”是持卡人两个钱包之和的变化;圈存与银行的结果合为一行;期初余额列在最后。卡号只显示首六位和末四位。
Lists what the ledger says of a card or a terminal: when, what, how much, the balance, the result and why. The ledger is opened read-only;
stop the switch first. "Change" is what it did to both purses of the holder together; a load and what became of it at the bank are one line;
the opening balance stands last. Card numbers show their first six and last four digits.`,
		Example: `  onecard statement --data /var/lib/onecard --card 9156000000000012
  onecard statement --data /var/lib/onecard --terminal 10000001 --limit 200`,
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if (ask.card == "") == (ask.terminal == "") || ask.limit < 1 {
				return withCode(exitUsage, errors.New("请给出 --card 或 --terminal 之一,--limit 至少为 1 / give one of --card and --terminal, and a --limit of at least 1"))
			}
			config, err := flags.load()
			if err != nil {
				return err
			}
			return runStatement(c.Context(), &config, ask, c.OutOrStdout())
		},
	}
	flags.add(c)
	c.Flags().StringVar(&ask.card, "card", "", "卡号 / card number")
	c.Flags().StringVar(&ask.terminal, "terminal", "", "终端号 / terminal, DE 41")
	c.Flags().IntVar(&ask.limit, "limit", 50, "最多列出多少条 / list at most this many")
	return c
}

// statementOf says whose statement is asked for.
type statementOf struct {
	card, terminal string
	limit          int
}

func runStatement(ctx context.Context, config *daemon.Config, ask statementOf, out io.Writer) (err error) {
	store, engine, err := daemon.OpenToRead(ctx, config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	s := &statementReader{store: store, state: engine.State(), out: out}
	var all []uint64
	if ask.card != "" {
		all, err = s.ofCard(ask.card)
	} else {
		all, err = s.ofTerminal(ask.terminal)
	}
	if err != nil {
		return err
	}
	for _, sequence := range all[:min(ask.limit, len(all))] {
		if err := s.line(sequence); err != nil {
			return err
		}
	}
	s.table.write(out)
	_, err = fmt.Fprintf(out, "\n共 %d 条,列出 %[2]d 条 / %[2]d of %[1]d entries\n", len(all), min(ask.limit, len(all)))
	return err
}

// statementReader reads the entries of one statement.
type statementReader struct {
	store *pebblestore.Store
	state *transaction.State
	out   io.Writer

	ofACard bool
	table   textTable
}

func statementTable(partner string) textTable {
	return textTable{
		head:  []string{"时间 / time", "参考号 / DE 37", "业务 / what", partner, "批次-流水 / trace", "金额 / amount", "变动 / change", "余额 / balance", "结果 / result"},
		right: 1<<5 | 1<<6 | 1<<7,
	}
}

type statementKey struct {
	space byte
	id    uint64
}

// entries returns the sequences of one list, newest first.
func (s *statementReader) entries(space byte, id uint64) ([]uint64, error) {
	const everything = 1 << 62
	return s.store.Statement(space, id, 0, everything, everything, true)
}

// isOutcome says whether an entry is what the bank said about a load, which is told with the load.
func (s *statementReader) isOutcome(sequence uint64) bool {
	e, _, err := s.store.Entry(sequence)
	return err == nil && e.Kind >= transaction.KindLoadConfirmed && e.Kind <= transaction.KindLoadLate
}

func (s *statementReader) ofCard(number string) ([]uint64, error) {
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return nil, withCode(exitUsage, errors.New("卡号须为数字 / the card number must be digits"))
	}
	masked := transaction.CardNumber(n)
	index, ok := s.state.CardIndex(masked)
	if !ok {
		return nil, fmt.Errorf("卡 %s 未登记 / card %s is not registered: check the number", masked, masked)
	}
	c := s.state.Card(index)
	h := s.state.Holder(c.Holder)
	main, subsidy := s.state.Book().Account(h.Main), s.state.Book().Account(h.Subsidy)
	fmt.Fprintf(s.out, "卡 / card      %s  %s\n持卡人 / holder %s\n余额 / balance  %s(主 / main %s,补贴 / subsidy %s)\n\n", masked, c.State, s.holderName(c.Holder),
		s.state.Spendable(h, s.state.BusinessDay()), main.Balance, subsidy.Balance)
	s.ofACard, s.table = true, statementTable("终端 / terminal")
	var all []uint64
	for _, list := range []statementKey{
		{transaction.StatementCard, uint64(index) + 1}, {transaction.StatementAccount, uint64(h.Main)}, {transaction.StatementAccount, uint64(h.Subsidy)},
	} {
		found, err := s.entries(list.space, list.id)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	slices.Sort(all)
	all = slices.Compact(all) // an opening balance of both purses is one entry
	slices.Reverse(all)
	return slices.DeleteFunc(all, s.isOutcome), nil
}

func (s *statementReader) ofTerminal(code string) ([]uint64, error) {
	var fixed transaction.TerminalCode
	id, ok := transaction.TerminalID(0), false
	if copy(fixed[:], code) == len(fixed) && len(code) == len(fixed) {
		id, ok = s.state.TerminalByCode(fixed)
	}
	if !ok {
		return nil, fmt.Errorf("终端 %q 未登记 / terminal %q is not registered: check the code", code, code)
	}
	merchant := s.state.Merchant(s.state.Terminal(id))
	fmt.Fprintf(s.out, "终端 / terminal %s\n商户 / merchant %s %s\n\n", code, merchant.Code, daemon.NameOf(s.store, "merchant", merchant.Code.String()))
	s.table = statementTable("卡 / card")
	return s.entries(transaction.StatementTerminal, uint64(id))
}
