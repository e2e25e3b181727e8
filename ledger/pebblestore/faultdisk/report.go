package faultdisk

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

const progressEvery = 5 * time.Second

// Report is a campaign as it stands in its file.
type Report struct {
	Campaign string                      `json:"campaign"`
	Seed     uint64                      `json:"seed"`
	Points   int64                       `json:"points"`
	Rounds   int64                       `json:"rounds"`
	Verdicts map[Verdict]int             `json:"verdicts"`
	Totals   map[string]int64            `json:"totals"`
	By       map[string]map[string]int64 `json:"by"`
	Table    map[string]map[string]int64 `json:"table"`
	Failures []Failure                   `json:"failures"`
	Seconds  float64                     `json:"seconds"`
	PerS     float64                     `json:"points_per_second"`
	Go       string                      `json:"go"`
	Machine  string                      `json:"machine"`
}

// Report is what was counted so far.
func (c *Campaign) Report() Report {
	c.mu.Lock()
	defer c.mu.Unlock()
	took := time.Since(c.began).Seconds()
	r := Report{
		Campaign: c.Name, Seed: c.Seed, Points: c.points.Load(), Rounds: c.rounds.Load(), Totals: maps.Clone(c.totals), By: map[string]map[string]int64{},
		Table: map[string]map[string]int64{}, Verdicts: map[Verdict]int{Lost: 0, Invented: 0, Silent: 0, Unnamed: 0, Broken: 0}, Failures: slices.Clone(c.failures),
		Seconds: took, PerS: float64(c.points.Load()) / took, Go: runtime.Version(), Machine: fmt.Sprintf("%s/%s, %d processors", runtime.GOOS, runtime.GOARCH, runtime.NumCPU()),
	}
	for group, keys := range c.groups {
		r.By[group] = maps.Clone(keys)
	}
	for cell, n := range c.cells {
		if r.Table[cell[0]] == nil {
			r.Table[cell[0]] = map[string]int64{}
		}
		r.Table[cell[0]][cell[1]] = n
	}
	for _, f := range c.failures {
		r.Verdicts[f.Verdict]++
	}
	return r
}

// Finish prints the counts, writes them to folder/NAME.json, and returns an error when anything came out that must not.
func (c *Campaign) Finish(w io.Writer, folder string) error {
	r := c.Report()
	r.print(w)
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(folder, c.Name+".json")
	if err := errors.Join(os.MkdirAll(folder, 0o755), os.WriteFile(path, append(text, '\n'), 0o644)); err != nil {
		return err
	}
	fmt.Fprintf(w, "%s: %s\n", c.Name, path)
	if len(r.Failures) == 0 {
		return nil
	}
	for _, f := range r.Failures {
		fmt.Fprintf(w, "%s: %s: %s\n", c.Name, f.Verdict, f.Text)
	}
	return fmt.Errorf("%s: %d of %d points came out wrong", c.Name, len(r.Failures), r.Points)
}

func (c *Campaign) progress() {
	c.mu.Lock()
	failures := len(c.failures)
	c.mu.Unlock()
	done, took := c.points.Load(), time.Since(c.began)
	left := time.Duration(float64(took) / float64(max(done, 1)) * float64(c.Points-done))
	fmt.Fprintf(os.Stderr, "%s: %s of %s points, %.0f/s, %d wrong, %s left\n", c.Name, grouped(done), grouped(c.Points), float64(done)/took.Seconds(), failures, left.Round(time.Second))
}

// grouped writes 100000 as 100,000.
func grouped(n int64) string {
	text := strconv.FormatInt(n, 10)
	for at := len(text) - 3; at > 0 && text[at-1] != '-'; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

func (r *Report) print(w io.Writer) {
	fmt.Fprintf(w, "\n%s: %s points in %.1f s (%.0f/s), %d rounds from seed %d\n", r.Campaign, grouped(r.Points), r.Seconds, r.PerS, r.Rounds, r.Seed)
	r.printTable(w)
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, group := range slices.Sorted(maps.Keys(r.By)) {
		for _, key := range slices.Sorted(maps.Keys(r.By[group])) {
			fmt.Fprintf(tab, "  %s\t%s\t%s\t\n", group, key, grouped(r.By[group][key]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.Totals)) {
		fmt.Fprintf(tab, "  %s\t\t%s\t\n", name, grouped(r.Totals[name]))
	}
	_ = tab.Flush()
	fmt.Fprintf(w, "%s: points=%d lost=%d invented=%d silent=%d unnamed=%d broken=%d\n", r.Campaign, r.Points,
		r.Verdicts[Lost], r.Verdicts[Invented], r.Verdicts[Silent], r.Verdicts[Unnamed], r.Verdicts[Broken])
}

func (r *Report) printTable(w io.Writer) {
	columns := map[string]bool{}
	for _, row := range r.Table {
		for column := range row {
			columns[column] = true
		}
	}
	heads := slices.Sorted(maps.Keys(columns))
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(tab, "\t%s\tall\t\n", strings.Join(heads, "\t"))
	for _, name := range slices.Sorted(maps.Keys(r.Table)) {
		fmt.Fprintf(tab, "%s\t", name)
		all := int64(0)
		for _, column := range heads {
			n := r.Table[name][column]
			all += n
			fmt.Fprintf(tab, "%s\t", grouped(n))
		}
		fmt.Fprintf(tab, "%s\t\n", grouped(all))
	}
	_ = tab.Flush()
}
