package demo

import "strings"

// Eighths of a character cell, from below and from the left.
const (
	rising = " ▁▂▃▄▅▆▇█"
	aside8 = " ▏▎▍▌▋▊▉█"
)

// bar is a horizontal bar of at most so many columns; any value above zero shows.
func bar(value, most float64, columns int) string {
	if value <= 0 || most <= 0 || columns <= 0 {
		return ""
	}
	eighths := max(1, min(columns*8, int(value/most*float64(columns*8)+0.5)))
	steps := []rune(aside8)
	text := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		text += string(steps[rest])
	}
	return text
}

// columnsOf draws values as columns of blocks, rows high, the newest at the right: the rows from the top.
func columnsOf(values []float64, most float64, columns, rows int) []string {
	values = values[max(0, len(values)-columns):]
	steps := []rune(rising)
	lines := make([]string, rows)
	for y := range rows {
		var b strings.Builder
		b.WriteString(strings.Repeat(" ", columns-len(values)))
		floor := (rows - 1 - y) * 8
		for _, v := range values {
			eighths := 0
			if v > 0 && most > 0 {
				eighths = max(1, min(rows*8, int(v/most*float64(rows*8)+0.5)))
			}
			b.WriteRune(steps[max(0, min(8, eighths-floor))])
		}
		lines[y] = b.String()
	}
	return lines
}

// thin makes a series as short as a chart is wide: each column stands for the same number of seconds, and joins them by merge. Groups
// are counted from the beginning, so that a column that has been drawn does not change when the next second comes.
func thin(values []float64, seconds int, merge func(group []float64) float64) []float64 {
	out := make([]float64, 0, len(values)/seconds+1)
	for begin := 0; begin < len(values); begin += seconds {
		out = append(out, merge(values[begin:min(len(values), begin+seconds)]))
	}
	return out
}

func mean(group []float64) float64 {
	sum := 0.0
	for _, v := range group {
		sum += v
	}
	return sum / float64(len(group))
}

func highest(group []float64) float64 {
	most := 0.0
	for _, v := range group {
		most = max(most, v)
	}
	return most
}

// ceiling is the next round number, which the chart's top stands for.
func ceiling(v float64) float64 {
	for step := 1e-3; ; step *= 10 {
		for _, m := range [...]float64{1, 1.5, 2, 2.5, 3, 4, 5, 6, 8} {
			if v <= m*step {
				return m * step
			}
		}
	}
}
