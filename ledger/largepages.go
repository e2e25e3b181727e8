package ledger

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

const largePage = 2 << 20

// AskLargePages asks the kernel to back memory by pages of two megabytes in place of four kilobytes. Memory that nothing was written to yet gets them as it
// is written to; what lies on small ones already is gathered in the kernel's own time, which is minutes. To have it gathered at once (MADV_COLLAPSE) took 2 to
// 5 ms a page, three seconds of the start of five million holders.
//
// A million holders' rows lie on 35,000 small pages, of which a processor remembers two thousand, and a row whose page it does not remember costs
// it a walk through tables, in a virtual machine through two of them, before it can even ask for the row: half of what a miss costs. On large pages
// they are seventy. The memory stays Go's, and where the kernel gives no large pages nothing is lost.
//
// What lies on the same large page is backed with it, and stays so though Go gives it back. So this is for memory of megabytes, taken at once: asked for
// under rows that were taken one by one among the garbage of a start, it kept half of that garbage. Less than a page is not asked for.
func AskLargePages(first unsafe.Pointer, size uintptr) {
	if size < largePage {
		return
	}
	page := uintptr(first) / largePage * largePage
	all := (uintptr(first) + size - page + largePage - 1) / largePage * largePage
	_, _, _ = unix.Syscall(unix.SYS_MADVISE, page, all, unix.MADV_HUGEPAGE) // that it does not want to is no fault
}
