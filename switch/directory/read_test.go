package directory_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"

	"onecard/ledger"
	"onecard/switch/directory"
	"onecard/switch/iso8583"
	"onecard/switch/transaction"
	"onecard/terminals/emulator/samplecampus"
)

func keys() directory.Keys {
	return directory.Keys{Site: make(iso8583.Secret, 32), Random: rand.Reader}
}

// TestSampleCampusIsAccepted: what the sample writes, the import reads without a problem.
func TestSampleCampusIsAccepted(t *testing.T) {
	o := samplecampus.DefaultOptions()
	o.Holders = 2000
	dir := t.TempDir()
	campus := samplecampus.New(o)
	require.NoError(t, campus.WriteCSV(dir))
	info, err := os.Stat(dir + "/terminals.csv")
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	i, problems, err := directory.Read(os.DirFS(dir), keys())
	require.NoError(t, err)
	require.Empty(t, problems)
	require.Len(t, i.Directory.Holders, 2000)
	require.Len(t, i.Directory.Terminals, 446)
	require.NotEmpty(t, i.Names)
	sealed := i.Directory.Terminals[0]
	key, err := iso8583.OpenKey(make(iso8583.Secret, 32), sealed.Code[:], sealed.SealedKey)
	require.NoError(t, err)
	require.True(t, bytes.Equal(campus.Terminals[0].Key, key))
}

// TestBadFiles reads the files of each script and prints every problem.
func TestBadFiles(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		files := fstest.MapFS{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "file":
				files[d.CmdArgs[0].Key] = &fstest.MapFile{Data: []byte(strings.ReplaceAll(d.Input, "\\x00", "\x00"))}
				return ""
			case "read":
				_, problems, err := directory.Read(files, keys())
				if err != nil {
					return err.Error() + "\n"
				}
				var b strings.Builder
				for _, p := range problems {
					b.WriteString(p.String() + "\n")
				}
				clear(files)
				return b.String()
			}
			return "unknown command"
		})
	})
}

// TestEncodings: a byte order mark is no part of the first column's name; what is not UTF-8 is refused in words.
func TestEncodings(t *testing.T) {
	const text = "number,name,class\n20260001,张三,student\n"
	gbk, err := simplifiedchinese.GBK.NewEncoder().String(text)
	require.NoError(t, err)
	utf16, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().String(text)
	require.NoError(t, err)
	for name, c := range map[string]struct{ contents, problem string }{
		"mark": {"\xEF\xBB\xBF" + text, ""}, "GBK": {gbk, "UTF-8"}, "UTF-16": {utf16, "UTF-8"}, "old line ends": {strings.ReplaceAll(text, "\n", "\r\n"), ""},
	} {
		i, problems, err := directory.Read(fstest.MapFS{"holders.csv": &fstest.MapFile{Data: []byte(c.contents)}}, keys())
		require.NoError(t, err)
		if c.problem == "" {
			require.Empty(t, problems, name)
			require.Equal(t, []directory.Name{{Table: "holder", Key: "20260001", Text: "张三"}}, i.Names, name)
			continue
		}
		require.Len(t, problems, 1, name)
		require.Contains(t, problems[0].String(), c.problem, name)
	}
}

// TestManyBadLines: a thousand numbers that cannot be read are a thousand problems, each with its line, and not also a thousand
// consequences of each other.
func TestManyBadLines(t *testing.T) {
	const lines = 1000
	files := fstest.MapFS{
		"classes.csv": &fstest.MapFile{Data: []byte("code\nstudent\n")},
		"holders.csv": &fstest.MapFile{Data: []byte("number,class\n1,student\n1,student\n")},
		"cards.csv":   &fstest.MapFile{Data: []byte("card,holder\n" + strings.Repeat("9156,1\n", lines))},
	}
	i, problems, err := directory.Read(files, keys())
	require.NoError(t, err)
	require.Len(t, problems, lines)
	engine, err := transaction.Open(t.Context(), transaction.Config{Journal: &noJournal{}, Site: transaction.DefaultSite()}, 1)
	require.NoError(t, err)
	faults := i.Directory.Check(engine.State())
	require.Greater(t, len(faults), lines, "the core finds consequences")
	rest := i.Problems(faults)
	require.Len(t, rest, 1)
	require.Equal(t, "holders.csv:3: number: 1 与第 1 条数据重复 / 1 is also in data row 1: keep one", rest[0].String())
}

// TestEveryFaultOfALine: a cell that cannot be read does not hide what is wrong with its neighbours.
func TestEveryFaultOfALine(t *testing.T) {
	files := fstest.MapFS{"cards.csv": &fstest.MapFile{Data: []byte("card,holder\n9156000000000013,nobody\n")}}
	i, problems, err := directory.Read(files, keys())
	require.NoError(t, err)
	engine, err := transaction.Open(t.Context(), transaction.Config{Journal: &noJournal{}, Site: transaction.DefaultSite()}, 1)
	require.NoError(t, err)
	problems = append(problems, i.Problems(i.Directory.Check(engine.State()))...)
	require.Len(t, problems, 2)
	require.Equal(t, "cards.csv:2: card: 校验位错 / wrong check digit", problems[0].String())
	require.Equal(t, "cards.csv:2: holder: 持卡人 nobody 未登记 / holder nobody is not registered", problems[1].String())
}

// noJournal keeps the head.
type noJournal struct{ head ledger.Head }

func (j *noJournal) Append(b ledger.Block) error { j.head = b.Head(); return nil }
func (j *noJournal) Wait(uint64) error           { return nil }
func (j *noJournal) Head() ledger.Head           { return j.head }
func (j *noJournal) Replay(context.Context, uint64, func(ledger.Block) error) error {
	return nil
}

// BenchmarkRead reads a campus of 30,000 holders with their cards and PINs.
func BenchmarkRead(b *testing.B) {
	dir := b.TempDir()
	require.NoError(b, samplecampus.New(samplecampus.DefaultOptions()).WriteCSV(dir))
	for b.Loop() {
		i, problems, err := directory.Read(os.DirFS(dir), keys())
		require.NoError(b, err)
		require.Empty(b, problems)
		require.Len(b, i.Directory.Holders, samplecampus.DefaultOptions().Holders)
	}
}

func FuzzRead(f *testing.F) {
	f.Add("cards.csv", "card,holder,state,expires,pin\n9156000000000012,1,active,2030-01-01,123456\n")
	f.Add("cards.csv", "card,holder\n9156\"x,1\n")
	f.Add("doors.csv", "code,name,grants\ng,x,1:Mon-Fri:06:00-23:00|2:daily:00:00-24:00\n")
	f.Add("terminals.csv", "code,merchant,type,mac,tmk,kcv\n10000001,898300000000001,pos,aes-cmac,00112233445566778899AABBCCDDEEFF,00000000\n")
	f.Fuzz(func(t *testing.T, name, contents string) {
		for _, known := range directory.Files {
			if known.Name == name {
				_, _, _ = directory.Read(fstest.MapFS{name: &fstest.MapFile{Data: []byte(contents)}}, keys())
			}
		}
	})
}
