package transaction

import (
	"slices"

	"onecard/ledger"
	"onecard/ledger/invariant"
)

// numbers are the holders' numbers (学号/工号), one after another as length u8 and bytes, a thousand to a page; every sixteenth is found
// through the page's table and the rest by stepping. It takes a byte more than the characters; a slice of strings took 32 more.
//
// What has been written never changes, so a checkpoint reads the pages while the owner goes on.
type numbers struct {
	pages []*numberPage
	rows  uint32
}

type numberPage struct {
	starts [pageNumbers / numberStride]uint16
	text   []byte
}

const (
	pageNumbers  = 1024
	numberStride = 16
	maxNumber    = 60 // bytes: a page's offsets fit in 16 bits
)

func (n *numbers) add(number []byte) {
	invariant.Hold(len(number) <= maxNumber, "a holder's number of %d bytes", len(number))
	if n.rows%pageNumbers == 0 {
		n.pages = append(n.pages, new(numberPage))
	}
	page, in := n.pages[len(n.pages)-1], n.rows%pageNumbers
	if in%numberStride == 0 {
		page.starts[in/numberStride] = uint16(len(page.text))
	}
	page.text = append(append(page.text, byte(len(number))), number...)
	if n.rows++; n.rows%pageNumbers == 0 {
		page.text = slices.Clone(page.text) // to its size
	}
}

// at is the number of a row; its bytes are not to be changed. REQUIRES: row < rows.
func (n *numbers) at(row uint32) []byte {
	page, in := n.pages[row/pageNumbers], row%pageNumbers
	text := page.text[page.starts[in/numberStride]:]
	for range in % numberStride {
		text = text[1+text[0]:]
	}
	return text[1 : 1+text[0]]
}

// each visits the numbers of all rows in order.
func (n *numbers) each(visit func(number []byte)) {
	for _, page := range n.pages {
		for text := page.text; len(text) > 0; text = text[1+text[0]:] {
			visit(text[1 : 1+text[0]])
		}
	}
}

// freeze returns the numbers as they are now, for another goroutine.
func (n *numbers) freeze() numbers {
	frozen := numbers{pages: slices.Clone(n.pages), rows: n.rows}
	if last := len(frozen.pages) - 1; last >= 0 {
		page := *frozen.pages[last]
		frozen.pages[last] = &page
	}
	return frozen
}

// pagesPerPart is how many pages make a part of a checkpoint.
const pagesPerPart = 8

// section writes the pages one after another.
func (n *numbers) section(name string) ledger.Section {
	frozen := n.freeze()
	return ledger.Section{Name: name, Parts: (uint32(len(frozen.pages)) + pagesPerPart - 1) / pagesPerPart, Encode: func(dst []byte, part uint32) []byte {
		for _, page := range frozen.pages[part*pagesPerPart : min(uint32(len(frozen.pages)), (part+1)*pagesPerPart)] {
			dst = append(dst, page.text...)
		}
		return dst
	}}
}

// restore appends what section wrote.
func (n *numbers) restore(part []byte) error {
	for len(part) > 0 {
		size := int(part[0])
		if size > maxNumber || size >= len(part) {
			return ledger.ErrMalformed
		}
		n.add(part[1 : 1+size])
		part = part[1+size:]
	}
	return nil
}
