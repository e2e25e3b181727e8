package demo

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// style is how a character looks. Few are used, and sparingly: what is green, yellow or red means it.
type style uint8

const (
	plain style = iota
	faint
	strong
	good
	warn
	bad
	accent
	barred
	titled
	keyed
)

var styleCodes = [...]string{
	plain: "0", faint: "0;38;5;245", strong: "0;1", good: "0;32", warn: "0;33", bad: "0;1;31", accent: "0;36", barred: "0;38;5;74", titled: "0;1;97;44", keyed: "0;30;47",
}

// cell is one column of one row. A wide character has its second column empty (r is 0).
type cell struct {
	r     rune
	style style
}

// canvas is a frame before it is written: drawing knows nothing of terminals, and tests read it as text.
type canvas struct {
	width, height int
	cells         []cell
}

func newCanvas(width, height int) *canvas {
	c := &canvas{width: width, height: height, cells: make([]cell, width*height)}
	for i := range c.cells {
		c.cells[i].r = ' '
	}
	return c
}

// put writes a text and returns the column after it. What does not fit the row is not written; half a wide character never is.
func (c *canvas) put(x, y int, s style, text string) int {
	if y < 0 || y >= c.height {
		return x
	}
	for _, r := range text {
		w := runeWidth(r)
		if w == 0 {
			continue
		}
		if x < 0 || x+w > c.width {
			return x
		}
		row := c.cells[y*c.width : (y+1)*c.width]
		if row[x].r == 0 && x > 0 {
			row[x-1].r = ' ' // its left half was covered
		}
		if x+w < c.width && row[x+w].r == 0 && row[x+w-1].r != 0 {
			row[x+w].r = ' ' // its right half was
		}
		row[x] = cell{r, s}
		if w == 2 {
			row[x+1] = cell{0, s}
		}
		x += w
	}
	return x
}

// putRight writes a text that ends before a column.
func (c *canvas) putRight(end, y int, s style, text string) { c.put(end-textWidth(text), y, s, text) }

// fill paints a whole row.
func (c *canvas) fill(y int, s style) { c.put(0, y, s, strings.Repeat(" ", c.width)) }

// String is the frame as text, rows without the spaces at their end.
func (c *canvas) String() string {
	var b strings.Builder
	for y := range c.height {
		var row strings.Builder
		for _, cell := range c.cells[y*c.width : (y+1)*c.width] {
			if cell.r != 0 {
				row.WriteRune(cell.r)
			}
		}
		b.WriteString(strings.TrimRight(row.String(), " "))
		b.WriteByte('\n')
	}
	return b.String()
}

// Synchronised output: terminals that know it show the frame when it is whole; the others pass it over.
const (
	beginFrame = "\x1b[?2026h"
	endFrame   = "\x1b[?2026l"
)

// appendFrame appends what turns the frame before into this one. Every run of changed characters is addressed by its place. before may be
// nil, or of another size: then everything is drawn.
func (c *canvas) appendFrame(dst []byte, before *canvas) []byte {
	dst = append(dst, beginFrame...)
	if before == nil || before.width != c.width || before.height != c.height {
		before = nil
		dst = append(dst, "\x1b[0m\x1b[2J"...)
	}
	for y := range c.height {
		dst = c.appendRow(dst, before, y)
	}
	dst = append(dst, "\x1b[0m"...)
	return append(dst, endFrame...)
}

func (c *canvas) appendRow(dst []byte, before *canvas, y int) []byte {
	row := c.cells[y*c.width : (y+1)*c.width]
	changed := func(x int) bool { return before == nil || before.cells[y*c.width+x] != row[x] }
	at := -1 // the column that the terminal's cursor is at, -1: elsewhere
	look := style(255)
	for x := 0; x < c.width; x++ {
		wide := x+1 < c.width && row[x+1].r == 0
		if row[x].r == 0 || !changed(x) && !(wide && changed(x+1)) {
			continue
		}
		if at != x {
			dst = append(dst, "\x1b["...)
			dst = strconv.AppendInt(dst, int64(y+1), 10)
			dst = append(dst, ';')
			dst = strconv.AppendInt(dst, int64(x+1), 10)
			dst = append(dst, 'H')
		}
		if row[x].style != look {
			look = row[x].style
			dst = append(dst, "\x1b["...)
			dst = append(dst, styleCodes[look]...)
			dst = append(dst, 'm')
		}
		dst = utf8.AppendRune(dst, row[x].r)
		at = x + 1
		if wide {
			at = -1 // terminals disagree about widths: address what follows
		}
	}
	return dst
}
