package bankgw

import (
	"path/filepath"
	"strings"
	"time"
)

// FilesConfig says where a bank's reconciliation files come to lie. They are looked at from outside the gateway.
type FilesConfig struct {
	// Directory is looked into every Interval; empty: there is none.
	Directory string `yaml:"directory"`
	// Name of a day's file; {date} stands for its settlement date as YYYYMMDD.
	Name string `yaml:"name"`
	// Format is a or b (wire handbook 5.2).
	Format string `yaml:"format"`
	// Interval between looks.
	Interval time.Duration `yaml:"interval"`
	// ReportAfter is how long a file may be unfit to be taken, as one is that is still being written, before it is reported.
	ReportAfter time.Duration `yaml:"report_after"`
	// Taken is the folder that a file is moved into when it has been reconciled; empty: it stays where it is.
	Taken string `yaml:"taken"`
}

// FileDate stands for the date in the name of a bank's file.
const FileDate = "{date}"

func defaultFiles() FilesConfig {
	return FilesConfig{Name: FileDate + ".txt", Format: "a", Interval: time.Minute, ReportAfter: 30 * time.Minute}
}

func (c *FilesConfig) validate(f *keyFaults) {
	if strings.Count(c.Name, FileDate) != 1 || filepath.Base(c.Name) != c.Name || len(c.Name) > 128 {
		f.wrong("files.name", "须为含一个 {date} 的文件名 / must be the name of a file with one {date}, is %q", c.Name)
	}
	if c.Format != "a" && c.Format != "b" {
		f.wrong("files.format", "须为 a 或 b / must be a or b, is %q", c.Format)
	}
	for key, folder := range map[string]string{"files.directory": c.Directory, "files.taken": c.Taken} {
		if folder != "" && !filepath.IsAbs(folder) {
			f.wrong(key, "须为绝对路径 / must be an absolute path, is %q", folder)
		}
	}
	if c.Taken != "" && (c.Directory == "" || filepath.Clean(c.Taken) == filepath.Clean(c.Directory)) {
		f.wrong("files.taken", "须为 files.directory 以外的文件夹 / must be another folder than files.directory")
	}
	f.spans("files.interval", c.Interval, 10*time.Millisecond, 24*time.Hour)
	f.spans("files.report_after", c.ReportAfter, 0, 7*24*time.Hour)
}

// DateOf reads the date out of the name of a file; false: it is not named so.
func (c *FilesConfig) DateOf(name string) (date time.Time, ok bool) {
	before, after, _ := strings.Cut(c.Name, FileDate)
	digits, front := strings.CutPrefix(name, before)
	digits, back := strings.CutSuffix(digits, after)
	if !front || !back || len(digits) != len("20060102") || !onlyDigits(digits) {
		return time.Time{}, false
	}
	date, err := time.Parse("20060102", digits)
	return date, err == nil && date.Unix() > 0
}
