package simulation

// happening says what an event of the agenda is.
type happening uint8

const (
	happensTerminal happening = iota // a terminal acts by itself
	happensRequest                   // a message reaches the switch
	happensAnswer                    // an answer reaches its terminal
	happensTimeout                   // a terminal has waited long enough
	happensBank                      // something about the bank
	happensOffice                    // an operator acts
	happensClock                     // the clock steps
	happensFault                     // the power, the leadership, the disk
	happensKeeping                   // a checkpoint is taken
	happeningCount
)

// event is one thing that will happen.
type event struct {
	at    int64
	order uint64 // of events at one moment
	what  happening
	run   func()
}

// agenda is a heap of events: the earliest first, and of one moment the first that was entered.
type agenda struct {
	heap  []event
	order uint64
}

func (a *agenda) before(i, j int) bool {
	x, y := &a.heap[i], &a.heap[j]
	return x.at < y.at || x.at == y.at && x.order < y.order
}

func (a *agenda) add(at int64, what happening, run func()) {
	a.order++
	a.heap = append(a.heap, event{at, a.order, what, run})
	for i := len(a.heap) - 1; i > 0 && a.before(i, (i-1)/2); i = (i - 1) / 2 {
		a.heap[i], a.heap[(i-1)/2] = a.heap[(i-1)/2], a.heap[i]
	}
}

// REQUIRES: the agenda is not empty.
func (a *agenda) next() event {
	first, last := a.heap[0], len(a.heap)-1
	a.heap[0] = a.heap[last]
	a.heap[last] = event{}
	a.heap = a.heap[:last]
	for i := 0; ; {
		least := i
		for _, child := range [2]int{2*i + 1, 2*i + 2} {
			if child < last && a.before(child, least) {
				least = child
			}
		}
		if least == i {
			return first
		}
		a.heap[i], a.heap[least] = a.heap[least], a.heap[i]
		i = least
	}
}

func (a *agenda) empty() bool { return len(a.heap) == 0 }

// upcoming is the next event without taking it. REQUIRES: the agenda is not empty.
func (a *agenda) upcoming() *event { return &a.heap[0] }
