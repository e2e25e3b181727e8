package command

import (
	"io"
	"strings"
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
