package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"onecard/ledger"
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
		all, err = s.ofCard(ctx, ask.card)
	} else {
		all, err = s.ofTerminal(ctx, ask.terminal)
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

// statementReader reads the entries of one statement. The index is built behind the ledger; what it does not have yet is read from the
// blocks.
type statementReader struct {
	store *pebblestore.Store
	state *transaction.State
	out   io.Writer

	ofACard bool
	table   textTable
	tail    map[statementKey][]uint64 // of the entries after the index
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

func (s *statementReader) readTail(ctx context.Context) error {
	s.tail = make(map[statementKey][]uint64)
	indexed := s.store.IndexedTo()
	return s.store.Replay(ctx, indexed, func(b ledger.Block) error {
		return b.Each(func(sequence uint64, e *ledger.Entry) error {
			if sequence > indexed {
				transaction.StatementKeys(sequence, e, func(space byte, id uint64) {
					key := statementKey{space, id}
					s.tail[key] = append(s.tail[key], sequence)
				})
			}
			return nil
		})
	})
}

// entries returns the sequences of one list, newest first.
func (s *statementReader) entries(space byte, id uint64) ([]uint64, error) {
	const everything = 1 << 62
	found, err := s.store.Statement(space, id, 0, everything, everything, false)
	if err != nil {
		return nil, err
	}
	found = append(found, s.tail[statementKey{space, id}]...)
	slices.Sort(found)
	found = slices.Compact(found)
	slices.Reverse(found)
	return found, nil
}

func (s *statementReader) ofCard(ctx context.Context, number string) ([]uint64, error) {
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return nil, withCode(exitUsage, errors.New("卡号须为数字 / the card number must be digits"))
	}
	masked := transaction.CardNumber(n)
	index, ok := s.state.CardIndex(masked)
	if !ok {
		return nil, fmt.Errorf("卡 %s 未登记 / card %s is not registered: check the number", masked, masked)
	}
	if err := s.readTail(ctx); err != nil {
		return nil, err
	}
	c := s.state.Card(index)
	h := s.state.Holder(c.Holder)
	main, subsidy := s.state.Book().Account(h.Main), s.state.Book().Account(h.Subsidy)
	fmt.Fprintf(s.out, "卡 / card      %s  %s\n持卡人 / holder %s\n余额 / balance  %s(主 / main %s,补贴 / subsidy %s)\n\n", masked, c.State, s.holderName(c.Holder),
		s.state.Spendable(h), main.Balance, subsidy.Balance)
	s.ofACard, s.table = true, statementTable("终端 / terminal")
	var all []uint64
	for _, list := range []statementKey{
		{transaction.StatementCard, uint64(index) + 1}, {transaction.StatementPurse, uint64(h.Main)}, {transaction.StatementPurse, uint64(h.Subsidy)},
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
	return all, nil
}

func (s *statementReader) ofTerminal(ctx context.Context, code string) ([]uint64, error) {
	var fixed transaction.TerminalCode
	id, ok := transaction.TerminalID(0), false
	if copy(fixed[:], code) == len(fixed) && len(code) == len(fixed) {
		id, ok = s.state.TerminalByCode(fixed)
	}
	if !ok {
		return nil, fmt.Errorf("终端 %q 未登记 / terminal %q is not registered: check the code", code, code)
	}
	if err := s.readTail(ctx); err != nil {
		return nil, err
	}
	merchant := s.state.Merchant(s.state.Terminal(id))
	fmt.Fprintf(s.out, "终端 / terminal %s\n商户 / merchant %s %s\n\n", code, merchant.Code, daemon.NameOf(s.store, "merchant", merchant.Code.String()))
	s.table = statementTable("卡 / card")
	return s.entries(transaction.StatementTerminal, uint64(id))
}
