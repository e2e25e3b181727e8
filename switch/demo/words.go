package demo

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// clockText is a time of day.
func clockText(d time.Duration) string {
	s := int(d / time.Second)
	return fmt.Sprintf("%02d:%02d:%02d", s/3600%24, s/60%60, s%60)
}

// spanText is how long something has lasted.
func spanText(d time.Duration) string {
	s := int(d / time.Second)
	if s < 3600 {
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}

// latencyText is three figures and a unit.
func latencyText(d time.Duration) string {
	switch {
	case d <= 0:
		return "–"
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.2f ms", d.Seconds()*1e3)
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%.1f ms", d.Seconds()*1e3)
	case d < time.Second:
		return fmt.Sprintf("%.0f ms", d.Seconds()*1e3)
	case d < 100*time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	}
	return fmt.Sprintf("%.0f s", d.Seconds())
}

// countText groups digits in threes.
func countText[T int | int64 | uint64 | uint32](n T) string {
	s := strconv.FormatInt(int64(n), 10)
	var b strings.Builder
	for i, r := range s {
		if i > 0 && (len(s)-i)%3 == 0 && s[i-1] != '-' {
			b.WriteByte(',')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// percentText is a share of a whole.
func percentText(part, whole uint64) string {
	if whole == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f %%", 100*float64(part)/float64(whole))
}

// mealOf names the time of day.
func mealOf(clock time.Duration) (zh, en string) {
	switch h := clock.Hours(); {
	case h < 6:
		return "夜里", "night"
	case h < 9.5:
		return "早餐", "breakfast"
	case h < 10.8:
		return "上午", "morning"
	case h < 13.2:
		return "午餐", "lunch"
	case h < 16.5:
		return "下午", "afternoon"
	case h < 19.7:
		return "晚餐", "dinner"
	}
	return "夜宵", "evening"
}
