package background_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"onecard/ledger/background"
)

// The kernel's call returns 20 less the nice value.
func niceness(t *testing.T) int {
	t.Helper()
	n, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		t.Fatal(err)
	}
	return 20 - n
}

func TestOnlyWhoGivesWayIsLowered(t *testing.T) {
	before := niceness(t)
	within := make(chan int)
	go func() {
		background.GiveWay()
		within <- niceness(t)
	}()
	if got, want := <-within, max(before, 10); got != want {
		t.Errorf("niceness of the goroutine that gives way: %d, want %d", got, want)
	}
	for range 100 { // on whatever threads
		done := make(chan int)
		go func() { done <- niceness(t) }()
		if got := <-done; got != before {
			t.Fatalf("niceness of another goroutine: %d, want %d", got, before)
		}
	}
}
