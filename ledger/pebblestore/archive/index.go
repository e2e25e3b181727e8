package archive

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"onecard/ledger"
)

// INDEX is plain text, so that it can be read where nothing else of ours is: a line per file, oldest first, and a last line with the
// SHA-256 of what stands before it.
//
//	onecard archive 1
//	file first last blocks day begin end before hash ledger raw bytes sum
//	...
//	end SHA-256
const (
	indexName   = "INDEX"
	indexTitle  = "onecard archive 1\n"
	indexHeader = "# first-last.blocks first last blocks day begin end hash-before hash-of-last ledger bytes-of-blocks bytes-of-file sum\n"
	timeLayout  = "2006-01-02T15:04:05.000000Z"
	day         = 24 * time.Hour
)

func dayText(d uint32) string {
	return time.Unix(0, 0).Add(time.Duration(d) * day).UTC().Format(time.DateOnly)
}

func appendLine(dst []byte, r *Run) []byte {
	return fmt.Appendf(dst, "%s %d %d %d %s %s %s %x %x %x %d %d %x\n", r.Name(), r.First, r.Last, r.Blocks, dayText(r.Day),
		time.UnixMicro(r.Begin).UTC().Format(timeLayout), time.UnixMicro(r.End).UTC().Format(timeLayout), r.Before, r.Hash, r.Ledger, r.Raw, r.Bytes, r.Sum)
}

func readLine(line string) (r Run, err error) {
	var name, date, begin, end, before, hash, of, sum string
	n, err := fmt.Sscanf(line, "%s %d %d %d %s %s %s %s %s %s %d %d %s", &name, &r.First, &r.Last, &r.Blocks, &date, &begin, &end, &before, &hash, &of, &r.Raw, &r.Bytes, &sum)
	if err != nil || n != 13 {
		return r, fmt.Errorf("%q: %w", line, ledger.ErrMalformed)
	}
	moment := func(layout, text string) time.Time {
		t, fault := time.Parse(layout, text)
		err = errors.Join(err, fault)
		return t
	}
	digest := func(text string) (hash ledger.Hash) {
		raw, fault := hex.DecodeString(text)
		if fault != nil || copy(hash[:], raw) != len(hash) {
			err = errors.Join(err, fault, ledger.ErrMalformed)
		}
		return hash
	}
	r.Day = uint32(moment(time.DateOnly, date).Unix() / int64(day/time.Second))
	r.Begin, r.End = moment(timeLayout, begin).UnixMicro(), moment(timeLayout, end).UnixMicro()
	r.Before, r.Hash, r.Ledger, r.Sum = digest(before), digest(hash), digest(of), digest(sum)
	if err == nil && (name != r.Name() || r.First == 0 || r.Last < r.First) {
		err = ledger.ErrMalformed
	}
	if err != nil {
		return r, fmt.Errorf("%q: %w", line, err)
	}
	return r, nil
}

// readIndex reads the list.
func readIndex(fs vfs.FS, path string) ([]Run, error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	at := bytes.LastIndex(text, []byte("end "))
	if at < 0 || string(text[at:]) != endLine(text[:at]) || !bytes.HasPrefix(text, []byte(indexTitle)) {
		return nil, errSum
	}
	var runs []Run
	for line := range strings.Lines(string(text[len(indexTitle):at])) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		r, err := readLine(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return nil, err
		}
		runs = append(runs, r)
	}
	return runs, nil
}

func endLine(text []byte) string { return fmt.Sprintf("end %x\n", sha256.Sum256(text)) }

// writeIndex writes the list.
func (f *Folder) writeIndex(runs []Run) error {
	text := append([]byte(indexTitle), indexHeader...)
	for i := range runs {
		text = appendLine(text, &runs[i])
	}
	text = append(text, endLine(text)...)
	path := f.path(indexName)
	err := f.write(path+suffixNew, text)
	if err == nil {
		err = errors.Join(f.fs.Rename(path+suffixNew, path), syncDir(f.fs, f.dir))
	}
	if err != nil {
		return fmt.Errorf("%s: 清单未写成 / the list of files was not written: %w", path, err)
	}
	return nil
}
