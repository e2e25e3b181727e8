package proof

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"onecard/ledger"
	"onecard/ledger/merkle"
	"onecard/switch/transaction"
)

// format names the layout of the JSON and of what is signed.
const format = "onecard proof v1"

// Proof is a record with its path to the signed root of its day.
type Proof struct {
	Format   string `json:"format"`
	Record   Record `json:"record"`
	Names    Names  `json:"names_unproven"`
	Index    uint64 `json:"index"`
	TreeSize uint64 `json:"tree_size"`
	Path     []Hex  `json:"path"`
	Root     Hex    `json:"root"`
	Signed   Root   `json:"signed_root"`
}

// Record is what is proven: the leaf. The rest is for people: Sequence and Day are compared with the leaf, Says is as its maker worded it,
// and whoever checks the proof goes by the leaf.
type Record struct {
	Sequence    uint64 `json:"sequence"`
	Day         Day    `json:"day"`
	Says        string `json:"says"`
	ZoneSeconds int32  `json:"zone_seconds"` // in which Says tells the time
	Leaf        Hex    `json:"leaf"`
}

// Names are the site's word for the numbers in a record; no proof is in them.
type Names struct {
	Card     string `json:"card,omitempty"` // masked
	Terminal string `json:"terminal,omitempty"`
}

// ErrDoesNotHold says that something is not a proof, or proves something else than it says.
var ErrDoesNotHold = errors.New("凭证不成立 / the proof does not hold")

func doesNotHold(text string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrDoesNotHold, fmt.Errorf(text, args...))
}

// ErrNotProvable is the answer for a directory row.
var ErrNotProvable = errors.New("目录行含密钥和完整卡号,不出具凭证;请选一笔交易 / a directory row holds keys and whole card numbers and is not handed out: name a transaction")

// Blocks is where the blocks of a day are read from.
type Blocks interface {
	// DayOf finds the day of an entry and the durable entries of that day.
	DayOf(sequence uint64) (ledger.Span, error)
	// EachOf visits the blocks of a span in order, each checked.
	EachOf(ctx context.Context, span ledger.Span, visit func(ledger.Block) error) error
}

// leafHeader is the bytes before the entry's own.
const leafHeader = 20

// AppendLeaf writes the leaf of an entry of a day behind dst.
func AppendLeaf(dst []byte, sequence uint64, day uint32, moment int64, encoded []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, sequence)
	dst = binary.BigEndian.AppendUint32(dst, day)
	dst = binary.BigEndian.AppendUint64(dst, uint64(moment))
	return append(dst, encoded...)
}

// Make makes the proof of a record and signs the root of its day. A day is closed by the first block of the next one, so that the root of
// the last day of a ledger is signed as provisional. What the record says in words is the caller's to write.
func Make(ctx context.Context, blocks Blocks, sequence uint64, key ed25519.PrivateKey) (Proof, error) {
	span, err := blocks.DayOf(sequence)
	if err != nil {
		return Proof{}, err
	}
	p := Proof{Format: format, Index: sequence - span.First, TreeSize: span.Last - span.First + 1}
	p.Record = Record{Sequence: sequence, Day: Day(span.Day)}
	tree, err := merkle.NewPath(p.Index, p.TreeSize)
	if err != nil {
		return Proof{}, err
	}
	var last ledger.Hash
	var leaf []byte
	err = blocks.EachOf(ctx, span, func(b ledger.Block) error {
		last = b.Head().Hash
		return b.EachStored(func(at uint64, moment int64, encoded []byte) error {
			leaf = AppendLeaf(leaf[:0], at, span.Day, moment, encoded)
			if at == sequence {
				p.Record.Leaf = bytes.Clone(leaf)
			}
			return tree.Add(leaf)
		})
	})
	if err != nil {
		return Proof{}, err
	}
	contents, err := p.Record.contents()
	if err != nil {
		return Proof{}, err
	}
	if contents.Entry.Kind == transaction.KindDirectory {
		return Proof{}, fmt.Errorf("%d: %w", sequence, ErrNotProvable)
	}
	path, err := tree.Path()
	if err != nil {
		return Proof{}, err
	}
	root, err := tree.Root()
	if err != nil {
		return Proof{}, err
	}
	p.Path = make([]Hex, len(path))
	for i := range path {
		p.Path[i] = path[i][:]
	}
	p.Root = bytes.Clone(root[:])
	p.Signed = Root{Day: Day(span.Day), Complete: span.Followed, TreeSize: p.TreeSize, Root: root[:], LastBlock: last[:]}
	p.Signed.sign(key)
	return p, nil
}

// Read reads a proof. What is not one, or is one with something added, is ErrDoesNotHold.
func Read(file io.Reader) (Proof, error) {
	text, err := io.ReadAll(io.LimitReader(file, maxProofBytes+1))
	if err != nil {
		return Proof{}, fmt.Errorf("reading the proof: %w", err)
	}
	if len(text) > maxProofBytes {
		return Proof{}, doesNotHold("超过 %d 字节,不是凭证 / more than %[1]d bytes are no proof", maxProofBytes)
	}
	var p Proof
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return Proof{}, doesNotHold("文件不全或已改动 / the file is cut off or changed: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Proof{}, doesNotHold("凭证之后还有内容 / something follows the proof")
	}
	if p.Format != format {
		return Proof{}, doesNotHold("格式为 %q,应为 %q / the format is %[1]q, not %[2]q", p.Format, format)
	}
	return p, nil
}

// maxProofBytes bounds what is read: an entry that can be proven is far below a kilobyte.
const maxProofBytes = 1 << 20

// Contents is what a proof proves: the record read from its leaf.
type Contents struct {
	Sequence uint64
	Day      uint32
	Entry    ledger.Entry
}

func (r *Record) contents() (Contents, error) {
	if len(r.Leaf) < leafHeader {
		return Contents{}, doesNotHold("记录只有 %d 字节 / the record has only %[1]d bytes", len(r.Leaf))
	}
	c := Contents{Sequence: binary.BigEndian.Uint64(r.Leaf), Day: binary.BigEndian.Uint32(r.Leaf[8:])}
	var err error
	if c.Entry, err = ledger.DecodeStored(int64(binary.BigEndian.Uint64(r.Leaf[12:])), r.Leaf[leafHeader:]); err != nil {
		return Contents{}, doesNotHold("记录无法读取 / the record cannot be read: %w", err)
	}
	return c, nil
}

// Contents reads what the record says, unchecked: see Check.
func (p *Proof) Contents() (Contents, error) { return p.Record.contents() }

// Check says whether the proof holds under the site's public key, and what it proves.
func (p *Proof) Check(site ed25519.PublicKey) (Contents, error) {
	if err := p.Signed.check(site); err != nil {
		return Contents{}, err
	}
	c, err := p.Record.contents()
	switch {
	case err != nil:
		return Contents{}, err
	case p.Signed.Day != p.Record.Day || Day(c.Day) != p.Record.Day:
		return Contents{}, doesNotHold("记录属 %s,凭证写 %s,签名的是 %s / the record is of %[1]s, the proof says %[2]s, signed is %[3]s", Day(c.Day), p.Record.Day, p.Signed.Day)
	case c.Sequence != p.Record.Sequence:
		return Contents{}, doesNotHold("记录是第 %d 条,凭证写第 %d 条 / the record is entry %[1]d, the proof says %[2]d", c.Sequence, p.Record.Sequence)
	case p.TreeSize != p.Signed.TreeSize || !bytes.Equal(p.Root, p.Signed.Root):
		return Contents{}, doesNotHold("根或记录数与签名的不同 / the root or the number of records is not what was signed")
	}
	path := make([]merkle.Hash, len(p.Path))
	for i := range p.Path {
		if len(p.Path[i]) != len(path[i]) {
			return Contents{}, doesNotHold("路径第 %d 节长度不对 / node %[1]d of the path has a wrong length", i+1)
		}
		path[i] = merkle.Hash(p.Path[i])
	}
	if err := merkle.Verify(p.Record.Leaf, p.Index, p.TreeSize, path, merkle.Hash(p.Root)); err != nil {
		return Contents{}, doesNotHold("记录不在该日的账中 / the record is not in the books of the day: %w", err)
	}
	return c, nil
}
