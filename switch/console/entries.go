package console

import (
	"context"
	"errors"
	"sort"
	"time"

	"onecard/ledger"
	"onecard/switch/transaction"
)

// ErrNoEntry says that the ledger holds no entry of a number.
var ErrNoEntry = errors.New("账本中没有此条 / the ledger holds no such entry")

// Store is what the console reads of the ledger's store.
type Store interface {
	// Entry reads one entry and its business day.
	Entry(sequence uint64) (ledger.Entry, uint32, error)
	// Statement lists the entries of an index list between two sequences.
	Statement(space byte, id, from, to uint64, limit int, newestFirst bool) ([]uint64, error)
	// ReadTo is the entry up to which the lists are complete.
	ReadTo() (uint64, error)
}

func (c *Console) entry(sequence uint64) (ledger.Entry, uint32, error) {
	e, day, err := c.store.Entry(sequence)
	if err != nil && errors.Is(err, c.noEntry) {
		err = ErrNoEntry
	}
	return e, day, err
}

// indexPoll is how often the index is looked at that must catch up with the newest entry.
const indexPoll = 2 * time.Millisecond

// deskActs lists the operations of a cash desk on a business day, oldest first, the newest included. The list by desk is in the order of the
// ledger, so the day is found by halving.
func (c *Console) deskActs(ctx context.Context, desk uint16, day uint32) ([]transaction.OperationLine, error) {
	var newest uint64
	if err := c.core.Look(ctx, func(s *transaction.State) { newest = s.Book().Sequence() }); err != nil {
		return nil, err
	}
	for {
		to, err := c.store.ReadTo()
		if err != nil {
			return nil, err
		}
		if to >= newest {
			break
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(indexPoll):
		}
	}
	const everything = 1 << 62
	all, err := c.store.Statement(transaction.StatementDesk, uint64(desk), 0, everything, everything, false)
	if err != nil {
		return nil, err
	}
	first := sort.Search(len(all), func(i int) bool {
		_, at, fault := c.entry(all[i])
		err = errors.Join(err, fault)
		return at >= day
	})
	var lines []transaction.OperationLine
	for _, sequence := range all[first:] {
		e, at, fault := c.entry(sequence)
		if err = errors.Join(err, fault); err != nil || at > day {
			break
		}
		if line, ok := transaction.ReadOperation(sequence, at, &e); ok {
			lines = append(lines, line)
		}
	}
	return lines, err
}
