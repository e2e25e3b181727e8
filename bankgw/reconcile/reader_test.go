package reconcile_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/cockroachdb/datadriven"
	"github.com/emmansun/gmsm/sm3"
	"github.com/stretchr/testify/require"

	"onecard/bankgw/reconcile"
)

// TestFiles runs the scripts in testdata/files. A line of a file is written as it is, with \r, \n (an end of its own) and \xNN for other bytes; @sm3@
// stands for the digest of all before the trailer; a last line of "\" takes away the end of the line before it.
func TestFiles(t *testing.T) {
	datadriven.Walk(t, "testdata/files", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, c *datadriven.TestData) string {
			source := reconcile.Source{Name: "bank.txt", Format: reconcile.FormatA}
			if c.Cmd == "read-b" {
				source.Format = reconcile.FormatB
			}
			for _, arg := range c.CmdArgs {
				switch value := strings.Join(arg.Vals, ""); arg.Key {
				case "bank":
					source.Bank = value
				case "school":
					source.School = value
				case "day":
					source.Day = dayOf(t, value)
				case "lines":
					n, err := strconv.Atoi(value)
					require.NoError(t, err)
					source.LinesMax = n
				default:
					t.Fatalf("%s: argument %s", c.Pos, arg.Key)
				}
			}
			f, err := reconcile.Read(strings.NewReader(bytesOf(t, c.Input)), source)
			if err != nil {
				require.Nil(t, f)
				var faults *reconcile.FileError
				require.ErrorAs(t, err, &faults)
				return err.Error() + "\n"
			}
			return printFile(f)
		})
	})
}

// bytesOf is the file that a script means.
func bytesOf(t *testing.T, input string) string {
	text, cut := strings.CutSuffix(input, "\n\\")
	if !cut && text != "" {
		text += "\n"
	}
	var b strings.Builder
	for line := range strings.SplitAfterSeq(text, "\n") {
		body, end := strings.TrimSuffix(line, "\n"), line[len(strings.TrimSuffix(line, "\n")):]
		if strings.Contains(body, `\`) {
			var err error
			body, err = strconv.Unquote(`"` + body + `"`)
			require.NoError(t, err)
		}
		digest := sm3.Sum([]byte(b.String()))
		b.WriteString(strings.ReplaceAll(body, "@sm3@", hex.EncodeToString(digest[:])) + end)
	}
	return b.String()
}

func printFile(f *reconcile.File) string {
	var b strings.Builder
	fmt.Fprintf(&b, "bank %s school %s day %s\n", f.Bank, f.School, f.Day)
	for _, l := range f.Lines {
		fmt.Fprintf(&b, "line %d: %012d bank %012d kind %d %s account %d card %q %s code %s\n", l.Number, l.Sequence, l.BankSequence, l.Kind, l.Amount, uint64(l.Account), l.Card, l.Moment, l.Code)
	}
	fmt.Fprintf(&b, "loads %d, %s; reversals %d, %s; refused %d\n", f.Loads.Count, f.Loads.Sum, f.Reversals.Count, f.Reversals.Sum, f.Refused)
	return b.String()
}

// sample is a small file that is right.
func sample(t require.TestingT, format reconcile.Format) (text []byte, f *reconcile.File) {
	day := dayOf(t, "2026-11-26")
	f = &reconcile.File{Identity: reconcile.Identity{Bank: bankCode, Day: day}, School: schoolCode}
	for i := range uint64(3) {
		l := reconcile.Line{
			Sequence: 12 + i, BankSequence: 700 + i, Account: 9156_0000_0000_0001, Amount: 2000, Kind: reconcile.KindLoad, Code: reconcile.Approved,
			Moment: reconcile.Moment(int64(day)*86400 + 3600),
		}
		copy(l.Card[:], "621700******5678")
		f.Lines = append(f.Lines, l)
	}
	f.Lines[2].Kind = reconcile.KindReversal
	var b bytes.Buffer
	require.NoError(t, reconcile.Write(&b, format, f))
	return b.Bytes(), f
}

// TestEveryChangedByteIsSeenA: the SM3 of format A, its header and its trailer leave no byte that can be changed, lost or put in unseen.
func TestEveryChangedByteIsSeenA(t *testing.T) {
	text, _ := sample(t, reconcile.FormatA)
	source := reconcile.Source{Format: reconcile.FormatA, Bank: bankCode, School: schoolCode, Day: dayOf(t, "2026-11-26")}
	_, err := reconcile.Read(bytes.NewReader(text), source)
	require.NoError(t, err)
	refused := func(changed []byte, what string, at int) {
		_, err := reconcile.Read(bytes.NewReader(changed), source)
		require.Error(t, err, "%s at byte %d", what, at)
	}
	for at := range text {
		for _, other := range []byte{text[at] ^ 1, text[at] ^ 0x80, '0', '|', '\n'} {
			if other == text[at] || hexTwin(text, at, other) {
				continue
			}
			changed := bytes.Clone(text)
			changed[at] = other
			refused(changed, "changed", at)
		}
		refused(append(bytes.Clone(text[:at]), text[at+1:]...), "lost", at)
		refused(append(append(bytes.Clone(text[:at]), text[at]), text[at:]...), "doubled", at)
		refused(text[:at], "cut", at)
	}
}

// hexTwin: a digest may be written in capitals.
func hexTwin(text []byte, at int, other byte) bool {
	return text[at] >= 'a' && text[at] <= 'f' && other == text[at]-'a'+'A'
}

// TestLostAndDoubledBytesAreSeenB: 71 bytes a line, the counts and the sums leave no byte that can be lost or put in unseen, and no amount that
// can be changed alone.
func TestLostAndDoubledBytesAreSeenB(t *testing.T) {
	text, _ := sample(t, reconcile.FormatB)
	source := reconcile.Source{Format: reconcile.FormatB}
	_, err := reconcile.Read(bytes.NewReader(text), source)
	require.NoError(t, err)
	for at := range text {
		_, err = reconcile.Read(bytes.NewReader(append(bytes.Clone(text[:at]), text[at+1:]...)), source)
		require.Error(t, err, "lost byte %d", at)
		_, err = reconcile.Read(bytes.NewReader(append(append(bytes.Clone(text[:at]), text[at]), text[at:]...)), source)
		require.Error(t, err, "doubled byte %d", at)
		_, err = reconcile.Read(bytes.NewReader(text[:at]), source)
		require.Error(t, err, "cut at %d", at)
		if in := at % 71; at > 71 && at < 4*71 && in >= 58 && in < 68 {
			changed := bytes.Clone(text)
			changed[at] = '9'
			_, err = reconcile.Read(bytes.NewReader(changed), source)
			require.Error(t, err, "amount at byte %d", at)
		}
	}
	for line := range bytes.Lines(text) {
		require.Len(t, line, 71)
	}
}

// TestIdentity: a file is its bank, its date and its bytes, whatever it is called and however it arrives.
func TestIdentity(t *testing.T) {
	text, _ := sample(t, reconcile.FormatA)
	one, err := reconcile.Read(bytes.NewReader(text), reconcile.Source{Name: "one", Format: reconcile.FormatA})
	require.NoError(t, err)
	other, err := reconcile.Read(iotest.OneByteReader(bytes.NewReader(text)), reconcile.Source{Name: "other", Format: reconcile.FormatA})
	require.NoError(t, err)
	require.Equal(t, one.Identity, other.Identity)
	text = bytes.Replace(text, []byte("\nT|"), []byte("\nT|0"), 1)
	third, err := reconcile.Read(bytes.NewReader(text), reconcile.Source{Format: reconcile.FormatA})
	require.NoError(t, err)
	require.Equal(t, one.Lines, third.Lines)
	require.NotEqual(t, one.Identity, third.Identity, "another zero in the trailer is another file")
}

// TestReaderThatFails is no fault of the file.
func TestReaderThatFails(t *testing.T) {
	text, _ := sample(t, reconcile.FormatA)
	broken := errors.New("the disk is gone")
	_, err := reconcile.Read(io.MultiReader(bytes.NewReader(text[:200]), iotest.ErrReader(broken)), reconcile.Source{Name: "bank.txt", Format: reconcile.FormatA})
	require.ErrorIs(t, err, broken)
	require.ErrorContains(t, err, "bank.txt")
	var faults *reconcile.FileError
	require.NotErrorAs(t, err, &faults)
	_, err = reconcile.Read(bytes.NewReader(text), reconcile.Source{})
	require.ErrorContains(t, err, "format 0")
}

// TestFaultsAreBounded: a file that is wrong in every line costs a hundred faults and a count.
func TestFaultsAreBounded(t *testing.T) {
	text := "H|20261126|1|2|5000|0\n" + strings.Repeat("D|x\n", 5000) + "T|5000|0|" + strings.Repeat("0", 64) + "\n"
	_, err := reconcile.Read(strings.NewReader(text), reconcile.Source{Name: "bank.txt", Format: reconcile.FormatA})
	var faults *reconcile.FileError
	require.ErrorAs(t, err, &faults)
	require.Len(t, faults.Faults, 100)
	require.Equal(t, 4901, faults.More, "and the digest")
	require.Contains(t, err.Error(), "and 4901 more")
}

// TestNoAccountInAFault: what is wrong with an account or a card is said without it.
func TestNoAccountInAFault(t *testing.T) {
	text := "H|20261126|1|2|1|5\nD|01|91560000000000017777777|6217000012345678|1|1|5|20261126000000|00\nT|1|5|00\n"
	_, err := reconcile.Read(strings.NewReader(text), reconcile.Source{Format: reconcile.FormatA})
	require.ErrorContains(t, err, "campus account")
	require.ErrorContains(t, err, "bank card")
	require.NotContains(t, err.Error(), "91560000")
	require.NotContains(t, err.Error(), "6217")
}

// TestWriterRefuses what the reader would refuse, before it has written a byte.
func TestWriterRefuses(t *testing.T) {
	for name, change := range map[string]func(*reconcile.File){
		"card":     func(f *reconcile.File) { copy(f.Lines[1].Card[:], "6217000012345678") },
		"amount":   func(f *reconcile.File) { f.Lines[1].Amount = 0 },
		"most":     func(f *reconcile.File) { f.Lines[1].Amount = reconcile.AmountMax + 1 },
		"sequence": func(f *reconcile.File) { f.Lines[1].Sequence = reconcile.SequenceMax + 1 },
		"kind":     func(f *reconcile.File) { f.Lines[1].Kind = 4 },
		"code":     func(f *reconcile.File) { f.Lines[1].Code = reconcile.Code{'|', '0'} },
		"account":  func(f *reconcile.File) { f.Lines[1].Account = 1<<64 - 1 },
		"moment":   func(f *reconcile.File) { f.Lines[1].Moment = -1 },
		"bank":     func(f *reconcile.File) { f.Bank = "中国银行" },
		"school":   func(f *reconcile.File) { f.School = "" },
	} {
		_, f := sample(t, reconcile.FormatA)
		change(f)
		var b bytes.Buffer
		require.Error(t, reconcile.Write(&b, reconcile.FormatA, f), name)
		require.Zero(t, b.Len(), name)
	}
	_, f := sample(t, reconcile.FormatB)
	f.Lines[1].Amount = 10_000_000_000
	require.Error(t, reconcile.Write(io.Discard, reconcile.FormatB, f), "eleven digits")
	require.NoError(t, reconcile.Write(io.Discard, reconcile.FormatA, f))
}

// fuzz: nothing panics, and what is taken is written and read as the same.
func fuzz(f *testing.F, format reconcile.Format, same func(t *testing.T, text, again []byte)) {
	text, _ := sample(f, format)
	f.Add(text)
	f.Add(bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n")))
	f.Add(text[:len(text)-1])
	f.Fuzz(func(t *testing.T, text []byte) {
		read, err := reconcile.Read(bytes.NewReader(text), reconcile.Source{Format: format, LinesMax: 1000})
		if err != nil {
			var faults *reconcile.FileError
			require.ErrorAs(t, err, &faults)
			require.NotEmpty(t, faults.Faults)
			return
		}
		lines := make([]reconcile.Line, len(read.Lines))
		for _, l := range read.Lines {
			lines[l.Number-2] = l // as they stood
		}
		inOrder := *read
		inOrder.Lines = lines
		var b bytes.Buffer
		require.NoError(t, reconcile.Write(&b, format, &inOrder))
		again, err := reconcile.Read(bytes.NewReader(b.Bytes()), reconcile.Source{Format: format})
		require.NoError(t, err)
		require.Equal(t, read.Lines, again.Lines)
		require.Equal(t, read.Totals(), again.Totals())
		same(t, text, b.Bytes())
	})
}

func FuzzReadA(f *testing.F) {
	fuzz(f, reconcile.FormatA, func(*testing.T, []byte, []byte) {}) // zeros on the left may differ
}

func FuzzReadB(f *testing.F) {
	fuzz(f, reconcile.FormatB, func(t *testing.T, text, again []byte) { require.Equal(t, string(text), string(again)) })
}
