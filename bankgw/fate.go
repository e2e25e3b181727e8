package bankgw

import "onecard/switch/transaction"

// fate is how the waiting for a load ended. It is kept a while, so that what the bank says later can be told from what it says first.
type fate struct {
	order      transaction.LoadOrder
	end        fateEnd
	link       *link // the line that the load went out on; nil: another life of the gateway
	generation uint64
	answered   bool // the bank has answered the load and not with a late approval, so it cannot be under way there any more
	reported   bool // a late answer is in the ledger
}

type fateEnd uint8

const (
	fateConfirmed fateEnd = iota
	fateDeclined
	fateUnknown  // being taken back
	fateReversed // taken back
	fateNotFound // nothing to take back
)

// fates remembers the newest fatesBound of them.
type fates struct {
	byLoad map[uint64]*fate
	ring   []uint64
	oldest int // in the ring, when it is full
}

func (f *fates) remember(ex *exchange, end fateEnd, answered bool) {
	f.add(&fate{order: ex.order, end: end, link: ex.link, generation: ex.generation, answered: answered})
}

// add returns what it was given.
func (f *fates) add(added *fate) *fate {
	load := added.order.Load
	if f.byLoad[load] == nil {
		if len(f.ring) < fatesBound {
			f.ring = append(f.ring, load)
		} else {
			delete(f.byLoad, f.ring[f.oldest])
			f.ring[f.oldest] = load
			f.oldest = (f.oldest + 1) % fatesBound
		}
	}
	f.byLoad[load] = added
	return added
}
