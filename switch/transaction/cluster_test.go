package transaction_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"

	"onecard/ledger"
	"onecard/ledger/invariant"
)

// cluster is a log on three nodes in memory, as Raft keeps one: the second implementation of the journal (ledger.Journal), by which the
// tests show that the engine needs nothing of the first.
//
// A block is durable when two nodes have it. Nothing happens by itself: while the owner appends and waits, blocks go from the leader to one
// follower or the other, and now and then the leader is deposed. A node that has no less than one other may lead next; it has every block
// that was durable, and none, some or all of the others. What its log holds from before it leads is durable when something of its own term
// is, so it begins with an empty mark, as leaders do.
type cluster struct {
	mu      sync.Mutex // the owner appends and waits while the test looks on
	rng     *rand.Rand
	term    int
	logs    [3][]logged
	durable int  // positions that a majority has for good
	alone   int  // a node that hears nothing in this term; -1: none
	calm    bool // nobody is deposed
	polled  bool // requests have been taken since the last append
	seen    map[loss]int
}

// logged is one position of a log.
type logged struct {
	term  int
	block ledger.Block
	mark  bool // the beginning of a term: no block
}

// loss is a moment at which leadership was lost.
type loss string

const (
	lossBeforeAppend loss = "before the block was in any log"
	lossAfterAppend  loss = "when the block was in the leader's log"
	lossInWait       loss = "before a majority had the block"
	lossAfterWait    loss = "when a majority had the block and nobody had heard of it"
	lossInFlight     loss = "with a block on its way and the next one being decided"
	blocksForgotten  loss = "blocks that the next leader did not have"
	blocksTakenOver  loss = "blocks that were not durable and the next leader had"
)

var errDeposed = errors.New("this node does not lead any more")

func newCluster(seed uint64) *cluster {
	return &cluster{rng: rand.New(rand.NewPCG(seed, 10)), calm: true, seen: map[loss]int{}}
}

// elect deposes the leader, if there is one, and makes another.
func (c *cluster) elect() *leader {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.term++
	var fit []int
	for node := range c.logs {
		for other := range c.logs {
			if other != node && !c.ahead(other, node) {
				fit = append(fit, node)
				break
			}
		}
	}
	l := &leader{cluster: c, term: c.term, node: fit[c.rng.IntN(len(fit))]}
	longest := 0
	for node := range c.logs {
		longest = max(longest, len(c.logs[node]))
	}
	own := c.logs[l.node]
	for _, at := range own {
		if !at.mark {
			l.head = at.block.Head()
		}
	}
	kept := c.kept()
	invariant.Hold(c.durable == 0 || len(own) >= c.durable && own[c.durable-1].term == kept[c.durable-1].term, "a leader without what is durable")
	if len(own) < longest {
		c.seen[blocksForgotten]++
	}
	if slices.ContainsFunc(own[c.durable:], func(at logged) bool { return !at.mark }) {
		c.seen[blocksTakenOver]++
	}
	c.logs[l.node] = append(own, logged{term: c.term, mark: true})
	if c.alone = -1; c.rng.IntN(2) == 0 {
		c.alone = (l.node + 1 + c.rng.IntN(2)) % len(c.logs)
	}
	return l
}

// ahead: a log is ahead of another by the term of its end, then by its length.
func (c *cluster) ahead(a, b int) bool {
	end := func(node int) (int, int) {
		n := len(c.logs[node])
		if n == 0 {
			return 0, 0
		}
		return c.logs[node][n-1].term, n
	}
	termA, lengthA := end(a)
	termB, lengthB := end(b)
	return termA > termB || termA == termB && lengthA > lengthB
}

// replicate brings one follower one position further.
func (c *cluster) replicate(leads int) {
	follower := (leads + 1 + c.rng.IntN(2)) % len(c.logs)
	if follower == c.alone {
		return
	}
	log, theirs := c.logs[leads], c.logs[follower]
	same := c.shared(leads, follower)
	theirs = slices.Clone(theirs[:same])
	if same < len(log) {
		theirs = append(theirs, log[same])
	}
	c.logs[follower] = theirs
	for n := len(log); n > c.durable && log[n-1].term == c.term; n-- {
		if c.shared(leads, (leads+1)%3) >= n || c.shared(leads, (leads+2)%3) >= n {
			c.durable = n
			break
		}
	}
}

// shared is how far two logs are the same: where terms agree at one position, everything before agrees.
func (c *cluster) shared(a, b int) int {
	n := min(len(c.logs[a]), len(c.logs[b]))
	for n > 0 && c.logs[a][n-1].term != c.logs[b][n-1].term {
		n--
	}
	return n
}

// leader is the log on the node that leads; a ledger.Journal until it is deposed, and an error from then on.
type leader struct {
	cluster *cluster
	term    int
	node    int
	head    ledger.Head
}

// falls says whether this is the moment at which leadership is lost. One in so many moments is.
func (l *leader) falls(oneIn int, at loss) bool {
	c := l.cluster
	if c.term != l.term {
		return true
	}
	if c.calm || c.rng.IntN(oneIn) != 0 {
		return false
	}
	c.seen[at]++
	if at == lossInWait && c.polled {
		c.seen[lossInFlight]++
	}
	c.term++ // another term has begun somewhere; elect says whose it is
	return true
}

func (l *leader) Append(b ledger.Block) error {
	c := l.cluster
	c.mu.Lock()
	defer c.mu.Unlock()
	if l.falls(25, lossBeforeAppend) {
		return errDeposed
	}
	if err := b.Follows(l.head); err != nil {
		return err
	}
	own, err := ledger.OpenBlock(slices.Clone(b.Bytes()))
	if err != nil {
		return err
	}
	c.logs[l.node] = append(c.logs[l.node], logged{term: l.term, block: own})
	l.head, c.polled = own.Head(), false
	for range c.rng.IntN(3) {
		c.replicate(l.node)
	}
	if l.falls(25, lossAfterAppend) {
		return errDeposed
	}
	return nil
}

func (l *leader) Wait(sequence uint64) error {
	c := l.cluster
	c.mu.Lock()
	defer c.mu.Unlock()
	moment := 60
	if c.polled {
		moment = 8 // rarer, and worth more
	}
	for c.lastDurable() < sequence {
		if l.falls(moment, lossInWait) {
			return errDeposed
		}
		c.replicate(l.node)
	}
	if l.falls(25, lossAfterWait) {
		return errDeposed
	}
	return nil
}

func (l *leader) Head() ledger.Head { return l.head }

func (l *leader) Replay(_ context.Context, after uint64, visit func(ledger.Block) error) error {
	for _, b := range l.blocks() {
		if b.Last() <= after {
			continue
		}
		if err := visit(b); err != nil {
			return err
		}
	}
	return nil
}

// blocks are those in this node's log.
func (l *leader) blocks() []ledger.Block {
	l.cluster.mu.Lock()
	defer l.cluster.mu.Unlock()
	return blocksOf(l.cluster.logs[l.node])
}

func blocksOf(log []logged) []ledger.Block {
	var blocks []ledger.Block
	for _, at := range log {
		if !at.mark {
			blocks = append(blocks, at.block)
		}
	}
	return blocks
}

// kept is what no election takes back: two nodes of three agree on it.
func (c *cluster) kept() []logged {
	for _, log := range c.logs {
		agree := 0
		for _, other := range c.logs {
			if n := c.durable; n == 0 || len(log) >= n && len(other) >= n && log[n-1].term == other[n-1].term {
				agree++
			}
		}
		if agree >= 2 {
			return log[:c.durable]
		}
	}
	invariant.Fail("no majority has what is durable")
	return nil
}

// durableBlocks are those that an answer may rest on.
func (c *cluster) durableBlocks() []ledger.Block {
	c.mu.Lock()
	defer c.mu.Unlock()
	return blocksOf(c.kept())
}

// lastDurable is the sequence up to which a majority has the blocks. REQUIRES: mu is held.
func (c *cluster) lastDurable() uint64 {
	log := c.kept()
	for n := len(log); n > 0; n-- {
		if !log[n-1].mark {
			return log[n-1].block.Last()
		}
	}
	return 0
}
