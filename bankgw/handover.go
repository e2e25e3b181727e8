package bankgw

import (
	"sync"

	"onecard/switch/transaction"
)

// order is what the owner of the ledger has asked for.
type order struct {
	transaction.LoadOrder
	reverse  bool
	withdraw bool
}

// handover keeps the owner's orders until the gateway's goroutine takes them, in their order: a load stands before its reversal. It is
// not bounded by itself because the owner must neither wait nor lose an order: it holds at most the loads that are open in the ledger.
type handover struct {
	mu      sync.Mutex
	orders  []order  // guarded by mu
	errands []errand // guarded by mu
	closed  bool     // guarded by mu: nobody takes any more

	wake chan struct{} // holds one: there is something to take
}

// give reports false when the gateway has stopped.
func (h *handover) give(o order) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	h.orders = append(h.orders, o)
	select {
	case h.wake <- struct{}{}:
	default:
	}
	return true
}

// take moves the orders to taken.
func (h *handover) take(taken []order) []order {
	h.mu.Lock()
	defer h.mu.Unlock()
	taken = append(taken, h.orders...)
	h.orders = h.orders[:0]
	return taken
}

// close returns what was given after the last take.
func (h *handover) close() []order {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	return h.orders
}
