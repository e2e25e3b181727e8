package console

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var auditNoon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.FixedZone("", 8*3600))

// newAuditOf writes so many lines into a fresh log and closes it.
func newAuditOf(t *testing.T, lines int) (folder string, key AuditKey, mark AuditMark) {
	t.Helper()
	folder, key = t.TempDir(), AuditKey{1, 2, 3}
	a, err := OpenAudit(folder, key, auditNoon)
	require.NoError(t, err)
	for i := range lines {
		require.NoError(t, a.Record(AuditLine{Time: auditNoon, Operator: "zhang", Address: "10.0.0.9", Act: "cash_deposit", Outcome: "funds", Subject: fmt.Sprint("holder ", i)}))
	}
	mark = a.Mark()
	require.NoError(t, a.Close())
	require.NoError(t, a.Close())
	require.Error(t, a.Record(AuditLine{}), "a closed log takes no line")
	return folder, key, mark
}

func TestAuditLogIsWholeAndGoesOnAfterARestart(t *testing.T) {
	folder, key, mark := newAuditOf(t, 5)
	require.EqualValues(t, 5, mark.Lines)
	a, err := OpenAudit(folder, key, auditNoon)
	require.NoError(t, err)
	require.Equal(t, mark, a.Mark(), "nothing happened in between: no line of its own")
	require.NoError(t, a.Record(AuditLine{Time: auditNoon, Act: "who_am_i", Outcome: "read", Reason: "card 9156000000000012 \"quoted\""}))
	report, err := CheckAudit(folder, key, mark.String())
	require.NoError(t, err)
	require.Empty(t, report.Faults)
	require.EqualValues(t, 6, report.Mark.Lines)
	require.NoError(t, a.Close())
	text, err := os.ReadFile(filepath.Join(folder, AuditLog))
	require.NoError(t, err)
	require.Contains(t, string(text), `"time":"2026-11-26T12:00:00.000+08:00","n":1,"chain":"`)
	require.Contains(t, string(text), `915600******0012`)
	require.NotContains(t, string(text), `9156000000000012`)
	info, err := os.Stat(filepath.Join(folder, AuditLog))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

// TestEveryHandAtTheAuditLogIsNoticed: whatever is done to the files without the key, the check names a line.
func TestEveryHandAtTheAuditLogIsNoticed(t *testing.T) {
	lines := func(text []byte) [][]byte { return bytes.SplitAfter(bytes.TrimSuffix(text, nil), []byte("\n")) }
	for name, hand := range map[string]func(t *testing.T, log, head []byte) ([]byte, []byte){
		"a line changed": func(_ *testing.T, log, head []byte) ([]byte, []byte) {
			return bytes.Replace(log, []byte("holder 2"), []byte("holder 9"), 1), head
		},
		"a line taken out": func(_ *testing.T, log, head []byte) ([]byte, []byte) {
			all := lines(log)
			return bytes.Join(append(all[:2:2], all[3:]...), nil), head
		},
		"a line doubled": func(_ *testing.T, log, head []byte) ([]byte, []byte) {
			all := lines(log)
			return bytes.Join(append(all[:3:3], all[2:]...), nil), head
		},
		"the last line changed": func(_ *testing.T, log, head []byte) ([]byte, []byte) {
			return bytes.Replace(log, []byte("holder 7"), []byte("holder 8"), 1), head
		},
		"the last line cut off": func(_ *testing.T, log, head []byte) ([]byte, []byte) {
			return bytes.Join(lines(log)[:7], nil), head
		},
		"the head thrown away": func(_ *testing.T, log, _ []byte) ([]byte, []byte) { return log, nil },
		"the whole log thrown away": func(_ *testing.T, _, head []byte) ([]byte, []byte) {
			return nil, head
		},
		"rubbish put in": func(_ *testing.T, log, head []byte) ([]byte, []byte) {
			all := lines(log)
			return bytes.Join(append([][]byte{all[0], []byte("rubbish\n")}, all[1:]...), nil), head
		},
	} {
		t.Run(name, func(t *testing.T) {
			folder, key, _ := newAuditOf(t, 8)
			logPath, headPath := filepath.Join(folder, AuditLog), filepath.Join(folder, AuditHead)
			log, err := os.ReadFile(logPath)
			require.NoError(t, err)
			head, err := os.ReadFile(headPath)
			require.NoError(t, err)
			log, head = hand(t, log, head)
			require.NoError(t, os.WriteFile(logPath, log, 0o600))
			require.NoError(t, os.WriteFile(headPath, head, 0o600))
			report, err := CheckAudit(folder, key, "")
			require.NoError(t, err)
			require.NotEmpty(t, report.Faults)
			t.Log(report.Faults)
		})
	}
}

// TestAnOlderCopyIsFoundByANotedHead: both files put back as they were. Only what somebody wrote down elsewhere tells.
func TestAnOlderCopyIsFoundByANotedHead(t *testing.T) {
	folder, key, _ := newAuditOf(t, 3)
	logPath, headPath := filepath.Join(folder, AuditLog), filepath.Join(folder, AuditHead)
	oldLog, err := os.ReadFile(logPath)
	require.NoError(t, err)
	oldHead, err := os.ReadFile(headPath)
	require.NoError(t, err)
	a, err := OpenAudit(folder, key, auditNoon)
	require.NoError(t, err)
	require.NoError(t, a.Record(AuditLine{Time: auditNoon, Act: "holder", Outcome: "read"}))
	noted := a.Mark().String()
	require.NoError(t, a.Close())
	require.NoError(t, os.WriteFile(logPath, oldLog, 0o600))
	require.NoError(t, os.WriteFile(headPath, oldHead, 0o600))
	report, err := CheckAudit(folder, key, "")
	require.NoError(t, err)
	require.Empty(t, report.Faults)
	report, err = CheckAudit(folder, key, noted)
	require.NoError(t, err)
	require.Len(t, report.Faults, 1)
}

// TestAuditLogAfterACrash: a line that was written without its head counts; one that was not finished is taken off and said so; a log that
// lost its end with the power says so in the line after.
func TestAuditLogAfterACrash(t *testing.T) {
	folder, key, mark := newAuditOf(t, 4)
	headPath, logPath := filepath.Join(folder, AuditHead), filepath.Join(folder, AuditLog)
	before, err := os.ReadFile(headPath)
	require.NoError(t, err)
	a, err := OpenAudit(folder, key, auditNoon)
	require.NoError(t, err)
	require.NoError(t, a.Record(AuditLine{Time: auditNoon, Act: "holder", Outcome: "read"}))
	require.NoError(t, a.Close())
	require.NoError(t, os.WriteFile(headPath, before, 0o600))
	log, err := os.ReadFile(logPath)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(logPath, append(log, `{"time":"2026-`...), 0o600))

	a, err = OpenAudit(folder, key, auditNoon)
	require.NoError(t, err)
	require.EqualValues(t, 6, a.Mark().Lines, "five lines and one about the crash")
	require.NoError(t, a.Close())
	report, err := CheckAudit(folder, key, mark.String())
	require.NoError(t, err)
	require.Empty(t, report.Faults)

	require.NoError(t, os.Truncate(logPath, int64(len(log))-100))
	a, err = OpenAudit(folder, key, auditNoon)
	require.NoError(t, err)
	require.NoError(t, a.Close())
	report, err = CheckAudit(folder, key, "")
	require.NoError(t, err)
	require.NotEmpty(t, report.Faults)
	text, err := os.ReadFile(logPath)
	require.NoError(t, err)
	require.Contains(t, string(text), "bytes are missing before this line")
}
