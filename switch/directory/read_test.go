package directory_test

import (
	"bytes"
	"crypto/rand"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"onecard/switch/directory"
	"onecard/switch/iso8583"
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

func FuzzRead(f *testing.F) {
	f.Add("cards.csv", "card,holder,state,expires,pin\n9156000000000012,1,active,2030-01-01,123456\n")
	f.Add("doors.csv", "code,name,grants\ng,x,1:Mon-Fri:06:00-23:00|2:daily:00:00-24:00\n")
	f.Add("terminals.csv", "code,merchant,type,mac,tmk,kcv\n10000001,898300000000001,pos,aes-cmac,00112233445566778899AABBCCDDEEFF,00000000\n")
	f.Fuzz(func(t *testing.T, name, contents string) {
		for _, known := range directory.Files {
			if known == name {
				_, _, _ = directory.Read(fstest.MapFS{name: &fstest.MapFile{Data: []byte(contents)}}, keys())
			}
		}
	})
}
