package ledgertest

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash"
)

// recountBlocks is how often all balances are added up anew; in between the sum is carried from leg to leg.
const recountBlocks = 4096

// Auditor keeps its own books of a ledger. One goroutine.
type Auditor struct {
	ranged bool // only part of the chain: form, hashes, chain and sums are checked, books can't be kept
	hash   hash.Hash
	head   [32]byte // hash of the block before, as it is stored
	next   uint64   // sequence of the next entry
	time   int64    // of the entry before
	day    uint32
	ends   map[uint32]dayEnd // of closed days: their last entry and the hash of its block
	turned bool              // a day switch has opened the day, or one before it: days go on by switches alone
	block  uint64            // the block on the table, for findings
	entry  entry             // the entry on the table

	blocks, entries   uint64
	firstDay, lastDay uint32
	accounts          []account // row 0 is no account
	holds             map[uint64]hold
	sum               int64 // of all balances, carried
	debits, credits   int64
	moved             int64
	campus            campus
	totals            totals
	requests          requests
	rulebook          rulebook
	dates             []dateFrom
	planned           planned
	prices            map[uint32]price // by row, of purchases that were not sold at their list price
	loads             map[uint64]load
	splits            map[uint32][]leg      // by row: purchases that programmes took part in
	paid              map[uint64]paidAmount // by entry: what an operation or a refunded sale took
	putRight          map[uint64]int64      // of loads that have ended, by two persons
	madeUp            map[uint64]bool       // loads
	once              map[[24]byte]bool     // keys, proposals and lines that have been carried out
	batches           map[uint64]*auditedBatch
	sheets            sheets
	duplicates        map[uint64]struct{}    // identities that moved money twice
	withdrawals       map[uint64]*withdrawal // to bank accounts, all that were ever asked for
	withdrawing       int                    // of them, those that have not ended
	promised          uint32                 // account whose hold the entry on the table posts; 0 none
	warmth            int64                  // sink of ahead
	faults            uint64
	findings          []Finding
}

// New returns an auditor of a whole ledger, from its first block on.
func New() *Auditor {
	return &Auditor{
		hash: sha256.New(), next: 1, accounts: make([]account, 1), holds: map[uint64]hold{}, loads: map[uint64]load{}, prices: map[uint32]price{},
		campus: newCampus(), requests: newRequests(), duplicates: map[uint64]struct{}{},
		totals: totals{days: map[Cell]*Sums{}, owed: map[uint32]uint32{}},
		splits: map[uint32][]leg{}, paid: map[uint64]paidAmount{}, putRight: map[uint64]int64{}, madeUp: map[uint64]bool{}, once: map[[24]byte]bool{}, batches: map[uint64]*auditedBatch{},
		sheets: sheets{map[uint64]*sheet{}, map[uint32][]*sheet{}}, withdrawals: map[uint64]*withdrawal{},
	}
}

// Expect says how many entries will come, so that the identity table need not grow on its way.
func (a *Auditor) Expect(entries uint64) { a.requests.expect(entries) }

// NewRange returns an auditor of blocks from anywhere in the chain. Without what came before there are no balances: it checks the form of
// every block and entry, hashes, chain, times, days, and that the legs of every entry sum to zero.
func NewRange() *Auditor {
	a := New()
	a.ranged, a.next = true, 0
	return a
}

// Missing says that stored bytes could not be read at all between two sequences (inclusive; upTo 0: to the end), and why.
func (a *Auditor) Missing(from, upTo uint64, why string) {
	a.block, a.entry.sequence = from, 0
	if upTo == 0 {
		a.note("自 %d 起的区块(键 42%016x)无法读取:%s", "blocks from %d on (key 42%016x) cannot be read: %s", from, from, why)
		return
	}
	a.note("区块 %[1]d 至 %[2]d(键 42%016[1]x 起)无法读取:%[3]s", "blocks %[1]d to %[2]d (from key 42%016[1]x) cannot be read: %[3]s", from, upTo, why)
}

// Block takes the next stored block. key is the sequence under which it is stored.
func (a *Auditor) Block(key uint64, raw []byte) {
	a.block, a.entry.sequence = key, 0
	if len(raw) < blockHeaderSize || raw[0] != 1 || raw[1] != 0 || raw[2] != 0 || raw[3] != 0 {
		a.note("区块(键 42%016x,%d 字节)不是区块", "the block under key 42%016x of %d bytes is not a block", key, len(raw))
		return
	}
	count, first := binary.BigEndian.Uint32(raw[4:]), binary.BigEndian.Uint64(raw[8:])
	if count == 0 || first == 0 || int(binary.BigEndian.Uint32(raw[28:])) != len(raw)-blockHeaderSize {
		a.note("区块(键 42%016x)长度不符:%d 条,%d 字节", "the block under key 42%016x has a wrong length: %d entries in %d bytes", key, count, len(raw))
		return
	}
	last := first + uint64(count) - 1
	if key != first {
		a.note("区块 %d 至 %d 存于错误的键 42%016x", "block %d to %d stands under the wrong key 42%016x", first, last, key)
	}
	a.block = first
	a.checkChain(raw, first, last)
	a.checkHash(raw, first, last)
	day := binary.BigEndian.Uint32(raw[24:])
	a.checkDay(raw, day)
	if a.firstDay == 0 {
		a.firstDay = day
	}
	a.lastDay = max(a.lastDay, day)
	a.readEntries(raw, first, count)
	copy(a.head[:], raw[64:96])
	a.next = last + 1
	a.blocks++
	a.checkSum()
}

func (a *Auditor) checkChain(raw []byte, first, last uint64) {
	if a.ranged && a.blocks == 0 {
		a.next = first
		copy(a.head[:], raw[32:64])
	}
	switch {
	case first > a.next:
		a.note("缺第 %d 至 %d 条:区块 %d 至 %d 之前有区块丢失(键自 42%016[1]x)", "entries %d to %d are missing before block %d to %d (keys from 42%016[1]x)", a.next, first-1, first, last)
	case first < a.next:
		a.note("区块 %d 至 %d 与前一区块重叠(前一区块止于 %d)", "block %d to %d overlaps the one before it, which ends at %d", first, last, a.next-1)
	case !bytes.Equal(raw[32:64], a.head[:]):
		a.note("区块 %d 至 %d(键 42%016[1]x)与前一区块的哈希不相连", "block %d to %d (key 42%016[1]x) does not carry the hash of the block before it", first, last)
	}
}

func (a *Auditor) checkHash(raw []byte, first, last uint64) {
	a.hash.Reset()
	a.hash.Write(raw[:64])
	a.hash.Write(raw[blockHeaderSize:])
	var sum [32]byte
	if !bytes.Equal(a.hash.Sum(sum[:0]), raw[64:96]) {
		a.note("区块 %d 至 %d(键 42%016[1]x)内容与其哈希不符", "the contents of block %d to %d (key 42%016[1]x) do not match its hash", first, last)
	}
}

func (a *Auditor) readEntries(raw []byte, first uint64, count uint32) {
	r := reader{b: raw[blockHeaderSize:]}
	previous := int64(binary.BigEndian.Uint64(raw[16:]))
	if previous < a.time {
		a.note("时间倒退:由 %d 到 %d", "time goes back from %d to %d", a.time, previous)
	}
	e := &a.entry
	e.day = binary.BigEndian.Uint32(raw[24:])
	for i := range uint64(count) {
		e.sequence = first + i
		if i%aheadEntries == 0 {
			a.ahead(r, uint64(count)-i)
		}
		if body := r.text(); r.bad || !e.read(body, previous) {
			a.note("无法读取该条", "the entry cannot be read")
			if r.bad {
				break
			}
			continue
		}
		previous = e.time
		a.entries++
		a.post()
	}
	a.time = max(a.time, previous)
	e.sequence = 0
	if !r.bad && len(r.b) > 0 {
		a.note("末条之后还有 %d 字节", "%d bytes after the last entry", len(r.b))
	}
}

// post checks one entry and takes it into the books.
func (a *Auditor) post() {
	e := &a.entry
	a.checkLegs()
	if a.ranged {
		return
	}
	a.keepDate()
	a.applyHold()
	a.applyLegs()
	for _, o := range e.opens {
		a.siteAccount(o, uint32(len(a.accounts)))
		a.accounts = append(a.accounts, account{code: o.code, flags: o.flags & 0x0F, set: o.flags >> 4})
	}
	a.applyStates()
	if e.kind != kindPurchase {
		a.count()
	}
	switch e.kind {
	case kindGenesis:
		a.genesis()
	case kindDirectory:
		a.directoryRow()
	case kindCardState:
		a.cardState()
	case kindOpening:
		a.openingBalance()
	case kindRules:
		a.ruleVersion()
	case kindDaySwitch:
		a.daySwitch()
	case kindDayEnd:
		a.dayEnd()
	case kindBalance, kindPurchase, kindLoad, kindPassage:
		a.original()
	case kindReversal:
		a.reversal()
	case kindLoadConfirmed, kindLoadDeclined, kindLoadUnknown, kindLoadReversed, kindLoadLate, kindLoadManual:
		a.loadOutcome()
	case kindWithdrawalPaid, kindWithdrawalDeclined, kindWithdrawalUnknown, kindWithdrawalManual, kindWithdrawalLate:
		a.withdrawalOutcome()
	case kindPurse:
		a.purse()
	case kindSheetDrafted, kindSheetMoved:
		a.sheetEntry()
	case kindProposal, kindProposalClosed:
		a.noMoney()
	case kindBatch, kindBatchLines, kindBatchDecided, kindLineRefused:
		a.batchEntry()
	default:
		if e.kind >= kindCashDeposit && e.kind <= kindOperationLast {
			a.operationEntry()
			return
		}
		a.note("条目类型 %d 本审计员不认识:只核对了金额", "kind %d is unknown to this auditor: only its money was checked", e.kind)
	}
}

// checkSum: all balances together are zero after every block.
func (a *Auditor) checkSum() {
	if a.ranged {
		return
	}
	if a.blocks%recountBlocks == 0 {
		a.recount()
	}
	if a.sum != 0 {
		a.note("区块之后全部余额之和为 %[1]s,应为 0.00", "after the block all balances sum to %[1]s, not 0.00", yuan(a.sum))
		a.sum = 0 // named once, where it began
	}
}

func (a *Auditor) recount() {
	var sum int64
	for i := range a.accounts {
		sum += a.accounts[i].balance
	}
	if sum != a.sum {
		a.note("逐户重新相加的余额之和为 %[1]s,累计为 %[2]s", "adding up all accounts gives %[1]s, carried is %[2]s", yuan(sum), yuan(a.sum))
	}
	a.sum = sum
}

// Last is the sequence of the last entry taken.
func (a *Auditor) Last() uint64 { return a.next - 1 }

// Hash is the hash of the last block taken, as stored.
func (a *Auditor) Hash() [32]byte { return a.head }

// Finish adds up and returns the report. It may be called again after more blocks.
func (a *Auditor) Finish() Report {
	a.block, a.entry.sequence = 0, 0
	if !a.ranged {
		a.finishBooks()
	}
	var sum int64
	for i := range a.accounts {
		sum += a.accounts[i].balance
	}
	last := uint64(0)
	if a.next > 0 {
		last = a.next - 1
	}
	return Report{
		Blocks: a.blocks, Entries: a.entries, FirstDay: a.firstDay, LastDay: a.lastDay, Last: last, Hash: a.head,
		Sum: sum, Debits: a.debits, Credits: a.credits, Moved: a.moved, Accounts: uint32(len(a.accounts) - 1), OpenHolds: len(a.holds), OpenLoads: len(a.loads), OpenWithdrawals: a.withdrawing,
		Duplicates: uint64(len(a.duplicates)), Faults: a.faults, Findings: a.findings,
	}
}
