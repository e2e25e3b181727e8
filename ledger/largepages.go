package ledger

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// LargePages asks the kernel to back memory by pages of two megabytes in place of four kilobytes.
//
// A million holders' rows lie on 35,000 small pages, of which a processor remembers two thousand, and a row whose page it does not remember costs
// it a walk through tables, in a virtual machine through two of them, before it can even ask for the row: half of what a miss costs. On large pages
// they are seventy. The memory stays Go's, and where the kernel gives no large pages nothing is lost. What lies on the same large page is backed with
// it, so that this is for memory of many megabytes.
//
// The zero value has asked for nothing. Owner: one goroutine.
type LargePages struct {
	asked map[uintptr]struct{} // pages, by number: those that were asked for are not asked for again
}

const largePage = 2 << 20

// Ask asks for the pages that some memory lies on. What lies there already is gathered in the kernel's own time, which is minutes, or by Gather.
func (p *LargePages) Ask(first unsafe.Pointer, size uintptr) {
	if p.asked == nil {
		p.asked = make(map[uintptr]struct{})
	}
	for page := uintptr(first) / largePage; page <= (uintptr(first)+size-1)/largePage; page++ {
		if _, before := p.asked[page]; before {
			continue
		}
		p.asked[page] = struct{}{}
		advise(page, unix.MADV_HUGEPAGE)
	}
}

// Gather has the kernel gather at once what lies on the pages that were asked for, a tenth of a millisecond each. It is for the time when much has
// just been brought in: while it is, what Go gives back to the kernel in between tears large pages apart again.
func (p *LargePages) Gather() {
	for page := range p.asked {
		advise(page, unix.MADV_COLLAPSE)
	}
}

// advise tells the kernel something about a large page. That it does not want to know is no fault.
func advise(page uintptr, advice uintptr) {
	_, _, _ = unix.Syscall(unix.SYS_MADVISE, page*largePage, largePage, advice)
}
