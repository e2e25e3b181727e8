package demo

import "time"

// journalView makes rates out of the counters of the switch's status: what lies between two sightings is the difference, and a switch with
// another process id counts from zero.
type journalView struct {
	seen    []counters // oldest first
	books   BooksView  // as the switch said last
	group   float64    // entries in a block
	sync    time.Duration
	longest time.Duration
}

type counters struct {
	at                      time.Time
	pid                     int
	groups, entries, micros uint64
	longest                 time.Duration
}

// sightingsKept is how far back means go: some three seconds.
const sightingsKept = 12

// look takes in a sighting, if it is new.
func (j *journalView) look(s *sighting) {
	if s.status == nil || len(j.seen) > 0 && !s.at.After(j.seen[len(j.seen)-1].at) {
		return
	}
	now := counters{s.at, s.status.PID, s.status.Groups, s.status.GroupEntries, s.status.SyncMicros, time.Duration(s.status.SyncLongestMicros) * time.Microsecond}
	if len(j.seen) > 0 && j.seen[0].pid != now.pid {
		j.seen = j.seen[:0]
	}
	j.seen = append(j.seen, now)
	if len(j.seen) > sightingsKept {
		j.seen = j.seen[1:]
	}
	before := j.seen[0]
	if groups := now.groups - before.groups; groups > 0 {
		j.group = float64(now.entries-before.entries) / float64(groups)
		j.sync = time.Duration((now.micros-before.micros)/groups) * time.Microsecond
	}
	j.longest = 0
	for _, c := range j.seen[min(1, len(j.seen)-1):] {
		j.longest = max(j.longest, c.longest)
	}
}
