package console

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// The audit log holds what the ledger does not: refusals, who read whose data, from which address. One JSON object a line:
//
//	{"time":"2026-11-26T12:00:00.000+08:00","n":17,"chain":"9f…","operator":"zhang","address":"10.0.0.9","act":"cash_deposit","outcome":"funds",…}
//
// chain is HMAC-SHA256 of the line before (without its end), so that a line that is changed, taken out or put in is noticed by the next one.
// The newest line has nothing after it: a second file, audit.head, holds its number, the length of the log and what the next chain will be.
// The key comes from the site key: who may write the files but not read that key cannot make the log whole again. Somebody who puts back
// older copies of both files is found out by a head noted elsewhere: every day sheet prints it, and AuditReport names it.
//
// A line is written before the answer leaves and outlives kill -9; it is not synced one by one, because no money hangs on it.

// AuditKey is the key of the chain.
type AuditKey [sha256.Size]byte

// AuditLog and AuditHead are the files, in the data folder.
const (
	AuditLog  = "audit.log"
	AuditHead = "audit.head"
)

// AuditMark is where a log stands.
type AuditMark struct {
	Lines uint64 // number of the newest line, from 1
	Bytes int64  // length of the log behind it
	Chain string // what the next line's chain will be
}

func (m AuditMark) String() string { return fmt.Sprintf("%d:%.16s", m.Lines, m.Chain) }

// Audit is an open audit log.
type Audit struct {
	key     AuditKey
	encoder zapcore.Encoder

	mu     sync.Mutex // guards what follows
	mark   AuditMark
	log    *os.File
	head   *os.File
	failed error // a log that could not be written stays shut: nothing is read unseen
}

// errAuditClosed says that the log has been closed.
var errAuditClosed = errors.New("the audit log is closed")

// OpenAudit opens the log of a folder or begins one. What a crash or somebody has done to its end becomes a line of its own.
func OpenAudit(folder string, key AuditKey, now time.Time) (*Audit, error) {
	a := &Audit{key: key, encoder: newAuditEncoder()}
	var err error
	if a.log, err = os.OpenFile(filepath.Join(folder, AuditLog), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600); err != nil {
		return nil, fmt.Errorf("审计日志 / the audit log: %w", err)
	}
	if a.head, err = os.OpenFile(filepath.Join(folder, AuditHead), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("审计日志 / the audit log: %w", err), a.log.Close())
	}
	found, err := a.resume()
	if err == nil && found != "" {
		err = a.Record(AuditLine{Time: now, Act: "audit_resumed", Outcome: found})
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("审计日志 / the audit log: %w", err), a.log.Close(), a.head.Close())
	}
	return a, nil
}

func newAuditEncoder() zapcore.Encoder {
	return zapcore.NewJSONEncoder(zapcore.EncoderConfig{
		TimeKey: "time", EncodeTime: zapcore.TimeEncoderOfLayout("2006-01-02T15:04:05.000Z07:00"), SkipLineEnding: true,
	})
}

// chainStart stands where the line before the first would.
const chainStart = "onecard audit log"

func (k AuditKey) chain(line []byte) string {
	mac := hmac.New(sha256.New, k[:])
	mac.Write(line)
	return hex.EncodeToString(mac.Sum(nil))
}

// resume goes on where the head says, and takes in lines that were written after it.
func (a *Audit) resume() (found string, err error) {
	a.mark = AuditMark{Chain: a.key.chain([]byte(chainStart))}
	if stored, ok := readHead(a.head); ok {
		a.mark = stored
	}
	info, err := a.log.Stat()
	if err != nil {
		return "", err
	}
	if info.Size() < a.mark.Bytes {
		missing := a.mark.Bytes - info.Size()
		a.mark.Bytes = info.Size()
		return fmt.Sprintf("cut: %d bytes are missing before this line", missing), nil
	}
	rest := io.NewSectionReader(a.log, a.mark.Bytes, info.Size()-a.mark.Bytes)
	walk := auditWalk{key: a.key, mark: a.mark}
	fault, err := walk.all(rest)
	if err != nil {
		return "", err
	}
	a.mark = walk.mark
	switch {
	case walk.torn > 0: // its writer was stopped in the middle of it
		return fmt.Sprintf("torn: %d bytes of an unfinished line taken off", walk.torn), a.log.Truncate(a.mark.Bytes)
	case fault != "":
		return "broken: " + fault, nil
	}
	return "", nil
}

func readHead(r io.ReaderAt) (m AuditMark, ok bool) {
	b := make([]byte, 256)
	n, _ := r.ReadAt(b, 0)
	count, err := fmt.Sscanf(string(b[:n]), "%d %d %64s", &m.Lines, &m.Bytes, &m.Chain)
	return m, err == nil && count == 3 && len(m.Chain) == 2*sha256.Size
}

// AuditLine is one line. Empty fields are left out.
type AuditLine struct {
	Time     time.Time
	Operator string
	Address  string
	Act      string // operation of the API
	Subject  string // whose data, which batch or proposal
	Outcome  string // "done", "pending", "read", or the rule that refused
	Record   uint64 // entry of the ledger
	Reason   string
}

// Record appends a line.
func (a *Audit) Record(l AuditLine) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.failed != nil {
		return a.failed
	}
	fields := []zap.Field{zap.Uint64("n", a.mark.Lines+1), zap.String("chain", a.mark.Chain)}
	for _, f := range []struct{ key, value string }{
		{"operator", l.Operator}, {"address", l.Address}, {"act", l.Act}, {"subject", l.Subject}, {"outcome", l.Outcome}, {"reason", l.Reason},
	} {
		if f.value != "" {
			fields = append(fields, zap.String(f.key, maskDigits(f.value)))
		}
	}
	if l.Record != 0 {
		fields = append(fields, zap.Uint64("record", l.Record))
	}
	line, err := a.encoder.EncodeEntry(zapcore.Entry{Time: l.Time}, fields)
	if err != nil {
		return err
	}
	defer line.Free()
	next := AuditMark{a.mark.Lines + 1, a.mark.Bytes + int64(line.Len()) + 1, a.key.chain(line.Bytes())}
	line.AppendByte('\n')
	if _, err = a.log.Write(line.Bytes()); err == nil {
		_, err = fmt.Fprintf(io.NewOffsetWriter(a.head, 0), "%020d %020d %s\n", next.Lines, next.Bytes, next.Chain)
	}
	if err != nil {
		a.failed = fmt.Errorf("审计日志写不下去 / the audit log cannot be written: %w", err)
		return a.failed
	}
	a.mark = next
	return nil
}

// Mark is where the log stands now.
func (a *Audit) Mark() AuditMark {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.mark
}

// Close syncs and closes the files.
func (a *Audit) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if errors.Is(a.failed, errAuditClosed) {
		return nil
	}
	a.failed = errAuditClosed
	return errors.Join(a.log.Sync(), a.head.Sync(), a.log.Close(), a.head.Close())
}

// auditWalk follows the chain.
type auditWalk struct {
	key  AuditKey
	mark AuditMark
	torn int // bytes of an unfinished last line
}

// auditLineMax bounds a line: what is longer is none of ours.
const auditLineMax = 64 << 10

// all walks to the end. fault is the first thing that does not fit; the walk takes the line as it is and goes on behind it.
func (w *auditWalk) all(r io.Reader) (fault string, err error) {
	b := bufio.NewReaderSize(r, auditLineMax)
	for {
		line, err := b.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF):
			w.torn = len(line)
			return fault, nil
		case errors.Is(err, bufio.ErrBufferFull):
			return fmt.Sprintf("line %d is longer than any of ours", w.mark.Lines+1), nil
		case err != nil:
			return fault, err
		}
		if f := w.step(bytes.TrimSuffix(line, []byte("\n"))); f != "" && fault == "" {
			fault = f
		}
	}
}

func (w *auditWalk) step(line []byte) (fault string) {
	var l struct {
		N     uint64
		Chain string
	}
	expected := w.mark.Lines + 1
	switch err := json.Unmarshal(line, &l); {
	case err != nil:
		fault = fmt.Sprintf("第 %d 行不是审计记录 / line %[1]d is no audit line", expected)
		l.N = expected
	case l.N != expected:
		fault = fmt.Sprintf("第 %d 行处出现的是第 %d 行:有行被删去或插入 / line %[2]d stands where line %[1]d should: lines were taken out or put in", expected, l.N)
	case l.Chain != w.mark.Chain:
		fault = fmt.Sprintf("第 %d 行之前的一行被改动过 / the line before line %[1]d was changed", l.N)
	}
	w.mark = AuditMark{l.N, w.mark.Bytes + int64(len(line)) + 1, w.key.chain(line)}
	return fault
}

// AuditReport is what a check found.
type AuditReport struct {
	Mark   AuditMark
	Faults []string
}

// CheckAudit walks the whole log of a folder, beside a switch that writes it too. noted, when not "", is a head noted earlier, such as a day
// sheet prints it; the log must have passed through it.
func CheckAudit(folder string, key AuditKey, noted string) (AuditReport, error) {
	head, err := os.Open(filepath.Join(folder, AuditHead))
	if err != nil {
		return AuditReport{}, err
	}
	defer head.Close()
	stored, ok := readHead(head) // before the log, which only grows
	log, err := os.Open(filepath.Join(folder, AuditLog))
	if err != nil {
		return AuditReport{}, err
	}
	defer log.Close()
	walk := auditWalk{key: key, mark: AuditMark{Chain: key.chain([]byte(chainStart))}}
	var report AuditReport
	fault := func(format string, args ...any) { report.Faults = append(report.Faults, fmt.Sprintf(format, args...)) }
	sawHead, sawNoted := !ok, noted == ""
	b := bufio.NewReaderSize(log, auditLineMax)
	for {
		line, err := b.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			break // an unfinished line is being written, or its writer was stopped: the next start says so
		}
		if err != nil {
			return report, err
		}
		if f := walk.step(bytes.TrimSuffix(line, []byte("\n"))); f != "" {
			fault("%s", f)
		}
		sawHead = sawHead || walk.mark == stored
		sawNoted = sawNoted || walk.mark.String() == noted
	}
	if !ok {
		fault("%s 缺失或不可读,无法确认末行 / %s is missing or unreadable: nothing says which line is the last", AuditHead, AuditHead)
	} else if !sawHead && walk.mark.Lines == stored.Lines {
		fault("末行(第 %d 行)被改动过 / the last line, line %[1]d, was changed", stored.Lines)
	} else if !sawHead && stored.Lines > 0 {
		fault("日志止于第 %d 行,而 %s 记到第 %d 行 / the log ends at line %[1]d, %[2]s knows line %[3]d: lines were cut off", walk.mark.Lines, AuditHead, stored.Lines)
	}
	if !sawNoted {
		fault("日志从未经过 %s:用旧副本替换过,或记录有误 / the log never passed %[1]s: an older copy was put in its place, or the note is wrong", noted)
	}
	report.Mark = walk.mark
	return report, nil
}
