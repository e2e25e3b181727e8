package command

import (
	"fmt"
	"io"
	"strings"

	"golang.org/x/text/width"
)

// textTable is a table on a terminal whose columns are as wide as what stands in them.
type textTable struct {
	head  []string
	right uint // bit per column that is set to the right
	rows  [][]string
}

func (t *textTable) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *textTable) write(out io.Writer) {
	all := append([][]string{t.head}, t.rows...)
	widths := make([]int, len(t.head))
	for _, row := range all {
		for i, cell := range row {
			widths[i] = max(widths[i], columns(cell))
		}
	}
	var b, line strings.Builder
	for _, row := range all {
		line.Reset()
		for i, cell := range row {
			switch {
			case t.right&(1<<i) != 0:
				cell = padLeft(cell, widths[i])
			case i < len(row)-1:
				cell = pad(cell, widths[i])
			}
			if i > 0 {
				line.WriteString("  ")
			}
			line.WriteString(cell)
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	_, _ = io.WriteString(out, b.String())
}

// thousands prints 1234567 as 1,234,567.
func thousands(n uint64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// columns is how wide text is on a terminal: a Chinese character takes two.
func columns(text string) int {
	n := 0
	for _, r := range text {
		n++
		if k := width.LookupRune(r).Kind(); k == width.EastAsianWide || k == width.EastAsianFullwidth {
			n++
		}
	}
	return n
}

func pad(text string, to int) string { return text + strings.Repeat(" ", max(0, to-columns(text))) }

func padLeft(text string, to int) string { return strings.Repeat(" ", max(0, to-columns(text))) + text }
