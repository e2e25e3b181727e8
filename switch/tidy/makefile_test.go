package tidy

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestMakefileTargetsAreListed: `make help` and the README name every target, and no name is declared that is none.
func TestMakefileTargetsAreListed(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var targets []string
	for _, match := range regexp.MustCompile(`(?m)^([A-Za-z_-]+):([^=].*)?$`).FindAllStringSubmatch(string(text), -1) {
		targets = append(targets, match[1])
		if !strings.Contains(match[2], "## ") {
			t.Errorf("make help does not list %s: say behind ## what it does", match[1])
		}
	}
	phony := regexp.MustCompile(`(?m)^\.PHONY: (.*)$`).FindStringSubmatch(string(text))
	declared := strings.Fields(phony[1])
	slices.Sort(declared)
	slices.Sort(targets)
	if !slices.Equal(declared, targets) {
		t.Errorf(".PHONY has %v, the targets are %v", declared, targets)
	}
	list := regexp.MustCompile("make targets: `([^`]*)`").FindStringSubmatch(string(readme))
	if list == nil {
		t.Fatal("the README does not list the make targets")
	}
	for _, target := range targets {
		if target != "help" && !slices.Contains(strings.Fields(list[1]), target) {
			t.Errorf("the README does not list make %s", target)
		}
	}
}
