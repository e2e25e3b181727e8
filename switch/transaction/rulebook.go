package transaction

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"onecard/ledger"
	"onecard/ledger/invariant"
	"onecard/switch/rules"
)

// RulesVersion is one publication of the site's rules: tables, or the return to those of an older one. Records name it by its number.
type RulesVersion struct {
	Number    uint32 // from 1; 0 is the time before: the directory's limits and no prices
	Names     uint32 // the version whose tables these are: itself, or after a return an older one; 0: none
	Effective int64  // in force from this moment on, microseconds since 1970
	Published int64
	Sequence  uint64 // the entry
	Author    string // who asked, at most 32 bytes
	Approver  string // the second person; "" where nobody else had to agree
	Reason    string // at most 200 bytes
	Tables    []byte // stored form, of version Names
}

// rulebook is what has been published and which of it is in force. Owner: the engine's goroutine.
type rulebook struct {
	versions []RulesVersion
	inForce  uint32          // number of the version that compiled is of
	until    int64           // when another version comes into force
	compiled *rules.Compiled // of the version in force against the present directory; nil: to be compiled
}

// maxVersions bounds what a ledger publishes in its life.
const maxVersions = 100_000

// rulesAt returns the rules in force and their number. They are compiled when another version comes into force or the directory has changed,
// and not for each purchase. The clock of the owner never goes back.
func (s *State) rulesAt(now int64) (*rules.Compiled, uint32) {
	b := &s.rulebook
	if b.compiled == nil || now >= b.until {
		b.inForce, b.until = b.at(now)
		b.compiled = rules.Compile(s.tablesOf(b.inForce), s.RulesDirectory())
	}
	return b.compiled, b.inForce
}

// at finds the version in force at a moment: of those whose time has come the one whose time came last, and of several with the same time the
// one published last. until is when the next one comes.
func (b *rulebook) at(now int64) (number uint32, until int64) {
	until = math.MaxInt64
	since := int64(math.MinInt64)
	for i := range b.versions {
		v := &b.versions[i]
		switch {
		case v.Effective > now:
			until = min(until, v.Effective)
		case v.Effective >= since:
			number, since = v.Number, v.Effective
		}
	}
	return number, until
}

func (s *State) tablesOf(number uint32) *rules.Tables {
	if number == 0 {
		return &rules.Tables{}
	}
	names := s.rulebook.versions[number-1].Names
	if names == 0 {
		return &rules.Tables{}
	}
	tables, err := rules.Decode(s.rulebook.versions[names-1].Tables)
	invariant.Hold(err == nil, "version %d of the rules cannot be read: %v", names, err)
	return tables
}

// RulesDirectory is what the site has registered, as the rules see it.
func (s *State) RulesDirectory() *rules.Directory {
	d := &rules.Directory{Classes: make([]rules.Class, len(s.classes)), Merchants: make([]string, len(s.merchants))}
	for i := range s.classes {
		c := &s.classes[i]
		d.Classes[i] = rules.Class{Code: c.Code, RefusePartial: c.RefusePartial, Limit: rules.Limit{
			PINSingle: c.PINSingle, PINDay: c.PINDay, DayAmount: c.DayAmount, DayCount: c.DayCount, PurseCap: c.PurseCap, LoadSingle: c.LoadSingle, LoadDay: c.LoadDay,
		}}
	}
	for i := range s.merchants {
		d.Merchants[i] = s.merchants[i].Code.String()
	}
	return d
}

// RulesVersions lists what has been published, oldest first; Tables is shared and not to be changed.
func (s *State) RulesVersions() []RulesVersion {
	list := make([]RulesVersion, len(s.rulebook.versions))
	for i := range list {
		list[i] = s.rulebook.versions[i]
		if list[i].Names != 0 {
			list[i].Tables = s.rulebook.versions[list[i].Names-1].Tables
		}
	}
	return list
}

// RulesInForce is the number of the version in force at a moment, and when the next one comes (math.MaxInt64: none is waiting).
func (s *State) RulesInForce(now int64) (number uint32, until int64) { return s.rulebook.at(now) }

// Rules compiles the tables of a version against the present directory. REQUIRES: number <= the last version's.
func (s *State) Rules(number uint32) *rules.Compiled {
	return rules.Compile(s.tablesOf(number), s.RulesDirectory())
}

// CheckRules finds what is wrong with tables for this site: in themselves, or because they name what is not registered.
func (s *State) CheckRules(t *rules.Tables) []rules.Fault {
	if faults := t.Check(); len(faults) > 0 {
		return faults
	}
	return t.CheckNames(s.RulesDirectory())
}

// Publication asks for a new version of the rules.
type Publication struct {
	Tables    *rules.Tables // nil: return to those of version ReturnTo
	ReturnTo  uint32        // 0 with Tables nil: the directory's limits alone, no prices
	Effective int64         // microseconds since 1970; 0 at once
	Author    string
	Approver  string
	Reason    string
}

// PublishRules publishes a version, durably, and returns it. With faults nothing is written.
func (e *Engine) PublishRules(ctx context.Context, p *Publication, now int64) (RulesVersion, []rules.Fault, error) {
	var faults []rules.Fault
	var version RulesVersion
	err := e.command(ctx, func() error {
		var err error
		version, faults, err = e.publish(p, now)
		return err
	})
	return version, faults, err
}

// PublishRulesBeforeRun is PublishRules for a ledger that nobody serves yet.
func (e *Engine) PublishRulesBeforeRun(p *Publication, now int64) (RulesVersion, []rules.Fault, error) {
	version, faults, err := e.publish(p, now)
	if err == nil && len(faults) == 0 {
		err = e.settle()
	}
	return version, faults, err
}

func (e *Engine) publish(p *Publication, now int64) (RulesVersion, []rules.Fault, error) {
	if p.Tables != nil {
		if faults := e.state.CheckRules(p.Tables); len(faults) > 0 {
			return RulesVersion{}, faults, nil
		}
	}
	if err := e.setClock(now); err != nil {
		return RulesVersion{}, nil, err
	}
	v, err := e.state.newVersion(p, e.decider.now)
	if err != nil {
		return RulesVersion{}, nil, err
	}
	if err := e.prepare(now); err != nil {
		return RulesVersion{}, nil, err
	}
	e.completeChart()
	e.add(&ledger.Entry{Kind: KindRules, Time: e.decider.now, Payload: v.append(nil)})
	return e.state.RulesVersions()[v.Number-1], nil, nil
}

// newVersion says what a publication would be, or why it is not possible.
func (s *State) newVersion(p *Publication, now int64) (*RulesVersion, error) {
	v := &RulesVersion{Number: uint32(len(s.rulebook.versions)) + 1, Effective: p.Effective, Author: p.Author, Approver: p.Approver, Reason: p.Reason}
	if v.Effective == 0 {
		v.Effective = now
	}
	switch {
	case len(p.Author) == 0 || len(p.Author) > 32 || len(p.Approver) > 32:
		return nil, fmt.Errorf("须写明由谁发布,至多 32 字节 / say who publishes the rules, 1 to 32 bytes")
	case p.Author == p.Approver:
		return nil, fmt.Errorf("发布人与审核人不能是同一人 %s / nobody approves his own act: %[1]s is author and approver", p.Author)
	case len(p.Reason) == 0 || len(p.Reason) > 200 || !utf8.ValidString(p.Reason):
		return nil, fmt.Errorf("须写明事由,1 至 200 字节 / give the reason, 1 to 200 bytes")
	case v.Effective < now:
		return nil, fmt.Errorf("生效时间 %s 已过:过去的交易不能改价,请写现在之后的时间 / the effective time %[1]s has passed, and what was sold keeps its price: give a time to come",
			time.UnixMicro(v.Effective).In(time.FixedZone("", int(s.zone))).Format(time.RFC3339))
	case v.Number > maxVersions:
		return nil, fmt.Errorf("规则版本已满 / there are too many versions of the rules")
	case p.Tables != nil:
		v.Names = v.Number
		if v.Tables = p.Tables.Append(nil); len(v.Tables) > rules.MaxBytes {
			return nil, fmt.Errorf("规则为 %d 字节,至多 %d / the rules have %[1]d bytes, at most %[2]d", len(v.Tables), rules.MaxBytes)
		}
	case p.ReturnTo >= v.Number:
		return nil, fmt.Errorf("没有规则版本 %d,最新为 %d / there is no version %[1]d of the rules, the last is %[2]d", p.ReturnTo, v.Number-1)
	case p.ReturnTo > 0:
		v.Names = s.rulebook.versions[p.ReturnTo-1].Names
		if faults := s.tablesOf(p.ReturnTo).CheckNames(s.RulesDirectory()); len(faults) > 0 {
			return nil, fmt.Errorf("规则版本 %d 已不适用 / version %[1]d of the rules no longer fits: %s", p.ReturnTo, faults[0])
		}
	}
	return v, nil
}

// append writes the payload of a publication:
//
//	number uvarint | names uvarint | effective varint | author, approver, reason text | tables, to the end, when it names itself
func (v *RulesVersion) append(dst []byte) []byte {
	dst = binary.AppendUvarint(binary.AppendUvarint(dst, uint64(v.Number)), uint64(v.Names))
	dst = binary.AppendVarint(dst, v.Effective)
	return append(appendText(appendText(appendText(dst, v.Author), v.Approver), v.Reason), v.Tables...)
}

func (v *RulesVersion) decode(src []byte) error {
	p := payloadReader{b: src}
	*v = RulesVersion{Number: uint32(p.uvarint()), Names: uint32(p.uvarint()), Effective: p.varint(), Author: p.string(), Approver: p.string(), Reason: p.string()}
	if v.Names == v.Number && !p.bad {
		v.Tables = bytes.Clone(p.b)
		if _, err := rules.Decode(v.Tables); err != nil {
			return err
		}
		p.b = nil
	}
	p.bad = p.bad || v.Number == 0 || v.Names > v.Number
	return p.done(KindRules)
}

// ReadRules reads the entry of a publication.
func ReadRules(sequence uint64, e *ledger.Entry) (RulesVersion, bool) {
	var v RulesVersion
	if e.Kind != KindRules || v.decode(e.Payload) != nil {
		return v, false
	}
	v.Sequence, v.Published = sequence, e.Time
	return v, true
}

func (s *State) applyRules(sequence uint64, e *ledger.Entry) {
	v, ok := ReadRules(sequence, e)
	invariant.Hold(ok && v.Number == uint32(len(s.rulebook.versions))+1, "rules entry %d cannot be read", sequence)
	s.rulebook.versions = append(s.rulebook.versions, v)
	s.rulebook.compiled = nil
}

// encodeRulebook writes what has been published as the entries that did it, each with its sequence and time in front.
func (b *rulebook) encode() []byte {
	var p []byte
	for i := range b.versions {
		v := &b.versions[i]
		p = binary.AppendUvarint(p, v.Sequence)
		p = binary.AppendVarint(p, v.Published)
		p = appendText(p, string(v.append(nil)))
	}
	return p
}

func (s *State) restoreRulebook(part []byte) error {
	p := payloadReader{b: part}
	for len(p.b) > 0 && !p.bad {
		sequence, published := p.uvarint(), p.varint()
		v, ok := ReadRules(sequence, &ledger.Entry{Kind: KindRules, Time: published, Payload: p.text()})
		if !ok || v.Number != uint32(len(s.rulebook.versions))+1 {
			return ledger.ErrMalformed
		}
		s.rulebook.versions = append(s.rulebook.versions, v)
	}
	return p.done(KindRules)
}
