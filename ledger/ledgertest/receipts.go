package ledgertest

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// A file of receipts, as terminals write it, integers big-endian:
//
//	header: "ONECARD-RCPT" | version u32 = 1
//	record: class u8 | kind u8 | code 2 bytes | batch u32 | trace u32 | terminal 8 bytes | reference 12 bytes | amount u64 | card u64
const (
	receiptsMagic   = "ONECARD-RCPT"
	receiptsVersion = 1
	receiptSize     = 48
	// exampleCount is how many lost and doubled receipts are named.
	exampleCount = 10
)

// Receipts is the outcome of comparing what terminals remember with the ledger.
type Receipts struct {
	Records       uint64 // answers in the file
	Acknowledged  uint64 // of these, answers that the ledger must hold: their reference is a number
	Lost          uint64 // acknowledged and not in the ledger as they were told
	Doubled       uint64 // identities that moved money twice, or were approved under two references
	Torn          bool   // the file ends in the middle of a record: its writer was killed there
	LostFirst     []string
	DoubledFirst  []string
	approvedFirst []approval
}

// approval is one approved answer, for finding identities with two references.
type approval struct{ key, sequence uint64 }

type receipt struct {
	class, kind  byte
	code         [2]byte
	batch, trace uint32
	terminal     [8]byte
	reference    [12]byte
	amount, card uint64
}

// ErrReceipts says that a file is not one of receipts.
var ErrReceipts = errors.New("不是回执文件 / not a file of receipts")

// Receipts compares a file of receipts with the ledger. Call it after the last Block.
func (a *Auditor) Receipts(file io.Reader) (Receipts, error) {
	in := bufio.NewReaderSize(file, 1<<20)
	var header [16]byte
	if _, err := io.ReadFull(in, header[:]); err != nil {
		return Receipts{}, fmt.Errorf("%w: %w", ErrReceipts, err)
	}
	if string(header[:12]) != receiptsMagic || binary.BigEndian.Uint32(header[12:]) != receiptsVersion {
		return Receipts{}, fmt.Errorf("%w: header %q", ErrReceipts, header)
	}
	var found Receipts
	for {
		var raw [receiptSize]byte
		switch _, err := io.ReadFull(in, raw[:]); {
		case err == nil:
			found.Records++
			a.compare(&found, readReceipt(&raw))
			continue
		case errors.Is(err, io.ErrUnexpectedEOF):
			found.Torn = true
		case !errors.Is(err, io.EOF):
			return Receipts{}, fmt.Errorf("reading receipts: %w", err)
		}
		a.findDoubled(&found)
		return found, nil
	}
}

func readReceipt(raw *[receiptSize]byte) receipt {
	return receipt{
		class: raw[0], kind: raw[1], code: [2]byte(raw[2:4]),
		batch: binary.BigEndian.Uint32(raw[4:]), trace: binary.BigEndian.Uint32(raw[8:]),
		terminal: [8]byte(raw[12:20]), reference: [12]byte(raw[20:32]),
		amount: binary.BigEndian.Uint64(raw[32:]), card: binary.BigEndian.Uint64(raw[40:]),
	}
}

// sequence reads the reference as the ledger's number; false when it is not one, as that of an echo.
func (r *receipt) sequence() (uint64, bool) {
	var n uint64
	for _, c := range r.reference {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, true
}

func (r *receipt) String() string {
	class := "0210"
	if r.class == classReversal {
		class = "0410"
	}
	return fmt.Sprintf("%s %s/%s/%s %s ref=%s %s card=%s", class, r.terminal[:], digits6(r.batch), digits6(r.trace), r.code[:], r.reference[:], yuan(int64(r.amount)), masked(r.card))
}

func (a *Auditor) compare(found *Receipts, r receipt) {
	sequence, ok := r.sequence()
	if !ok {
		return
	}
	found.Acknowledged++
	number := a.campus.terminalByCode[r.terminal]
	key, _ := identityKey(r.class, number, r.batch, r.trace)
	if why := a.disagreement(&r, key, sequence); why != "" {
		found.Lost++
		if len(found.LostFirst) < exampleCount {
			found.LostFirst = append(found.LostFirst, r.String()+": "+why)
		}
	}
	if r.code == [2]byte{'0', '0'} {
		found.approvedFirst = append(found.approvedFirst, approval{key, sequence})
	}
}

// disagreement says where the ledger does not say what the terminal was told; empty when it does.
func (a *Auditor) disagreement(r *receipt, key, sequence uint64) string {
	i, ok := a.requests.bySequence(sequence)
	if !ok {
		return "账本无此条目 / the ledger has no such entry"
	}
	row := a.requests.at(i)
	amount, _ := a.requests.amounts(i)
	switch {
	case row.key != key || row.kind != r.kind:
		return "账本此号属于另一笔 / the ledger has another request under this number"
	case uint64(amount) != r.amount:
		return "账本金额为 " + yuan(amount) + " / the ledger has this amount instead"
	case a.cardNumber(row.card) != r.card:
		return "账本卡号不同 / the ledger has another card"
	case row.code != r.code:
		return fmt.Sprintf("账本应答码为 %q / the ledger has this code instead", row.code[:])
	}
	return ""
}

// findDoubled sorts the approvals by identity: two references side by side are two debits for one request.
func (a *Auditor) findDoubled(found *Receipts) {
	all := found.approvedFirst
	found.approvedFirst = nil
	slices.SortFunc(all, func(x, y approval) int { return cmp.Or(cmp.Compare(x.key, y.key), cmp.Compare(x.sequence, y.sequence)) })
	doubled := map[uint64]string{}
	for key := range a.duplicates {
		doubled[key] = a.identity(key) + ": 资金移动两次 / money moved twice"
	}
	for i := 1; i < len(all); i++ {
		if all[i].key == all[i-1].key && all[i].sequence != all[i-1].sequence {
			doubled[all[i].key] = fmt.Sprintf("%s: 两次批准,参考号 %012d 与 %012d / approved under two references", a.identity(all[i].key), all[i-1].sequence, all[i].sequence)
		}
	}
	found.Doubled = uint64(len(doubled))
	for _, text := range doubled {
		if len(found.DoubledFirst) == exampleCount {
			break
		}
		found.DoubledFirst = append(found.DoubledFirst, text)
	}
	slices.Sort(found.DoubledFirst)
}

// identity prints a key.
func (a *Auditor) identity(key uint64) string {
	terminal, batch, trace := uint32(key>>40&(1<<22-1)), uint32(key>>20&(1<<20-1)), uint32(key&(1<<20-1))
	code := "????????"
	if terminal > 0 && int(terminal) <= len(a.campus.terminals) {
		code = string(a.campus.terminals[terminal-1].code[:])
	}
	return fmt.Sprintf("%s/%s/%s", code, digits6(batch), digits6(trace))
}
