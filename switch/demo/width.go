package demo

import (
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// runeWidth is how many columns a character takes on a terminal: two for Chinese, none for marks that stand on another character. What
// Unicode calls ambiguous (blocks, lines, arrows) takes one: the screen addresses every run of characters by its column, so that a terminal
// of another opinion spoils one run and not the frame.
func runeWidth(r rune) int {
	if r >= ' ' && r < 0x7F {
		return 1
	}
	if r < ' ' || unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// textWidth is how many columns a text takes.
func textWidth(s string) int {
	columns := 0
	for _, r := range s {
		columns += runeWidth(r)
	}
	return columns
}

// cut shortens a text to so many columns; one ellipsis stands for what is missing.
func cut(s string, columns int) string {
	if textWidth(s) <= columns {
		return s
	}
	if columns <= 0 {
		return ""
	}
	used := 0
	for i, r := range s {
		w := runeWidth(r)
		if used+w > columns-1 {
			return s[:i] + "…"
		}
		used += w
	}
	return s
}

// left cuts or fills a text to exactly so many columns, right does so with the filling before it.
func left(s string, columns int) string {
	s = cut(s, columns)
	return s + strings.Repeat(" ", max(0, columns-textWidth(s)))
}

func right(s string, columns int) string {
	s = cut(s, columns)
	return strings.Repeat(" ", max(0, columns-textWidth(s))) + s
}
